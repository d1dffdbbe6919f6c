/**
 * Every stream of a simulated world, and what must hold of its ends: all bytes arrived once and in order, or both
 * sides know that they did not.
 *
 * @module
 */

import type { StreamResetError } from "../../../src/errors.ts";
import { ErrorCode } from "../../../src/transport/config.ts";
import type { Connection } from "../../../src/transport/connection.ts";
import { type DirectionPlan, type ReceiveEnd, resetCode, type SendEnd, stopCode } from "./ends.ts";

/** One direction of a stream with the ends that exist of it. */
export interface Direction {
  readonly plan: DirectionPlan;
  sender: SendEnd | undefined;
  receiver: ReceiveEnd | undefined;
}

/** One stream. Its number in the ledger is the protocol number in its header, by which the acceptor knows it. */
export interface StreamEntry {
  readonly number: number;
  readonly opener: string;
  readonly acceptor: string;
  /** From the opener to the acceptor. */
  readonly forth: Direction;
  /** From the acceptor to the opener. */
  readonly back: Direction;
  /** The sessions that the ends belong to. */
  readonly sessions: Connection[];
}

/** All streams. */
export class Ledger {
  readonly entries: StreamEntry[] = [];

  /** Enters a stream that is about to be opened. */
  add(opener: string, acceptor: string, forth: DirectionPlan, back: DirectionPlan): StreamEntry {
    const direction = (plan: DirectionPlan): Direction => ({ plan, sender: undefined, receiver: undefined });
    const entry = {
      number: this.entries.length,
      opener,
      acceptor,
      forth: direction(forth),
      back: direction(back),
      sessions: [],
    };
    this.entries.push(entry);
    return entry;
  }

  /** Streams of which an end is not over. */
  get open(): StreamEntry[] {
    return this.entries.filter((entry) => ends(entry).some((end) => end?.outcome === "open"));
  }

  /** Makes every end read and write as fast as it can. */
  hurry(): void {
    for (const entry of this.open) for (const end of ends(entry)) end?.hurry();
  }

  /** Throws when ends that are over do not fit together. */
  check(): void {
    for (const entry of this.entries) {
      for (const [name, direction] of [["forth", entry.forth], ["back", entry.back]] as const) {
        const fault = faultOf(entry, direction);
        if (fault !== undefined) {
          throw new Error(`stream ${entry.number} (${describe(entry)}), ${name}: ${fault}`);
        }
      }
    }
  }
}

/** One line about a stream. */
export function describe(entry: StreamEntry): string {
  const direction = ({ plan, sender, receiver }: Direction) =>
    `${sender?.outcome ?? "none"} ${sender?.written ?? 0} of ${plan.length} -> ` +
    `${receiver?.outcome ?? "none"} ${receiver?.read ?? 0}`;
  const { opener, acceptor, forth, back } = entry;
  return `${opener} to ${acceptor}, forth: ${direction(forth)}; back: ${direction(back)}`;
}

function ends({ forth, back }: StreamEntry): (SendEnd | ReceiveEnd | undefined)[] {
  return [forth.sender, forth.receiver, back.sender, back.receiver];
}

/** What is wrong with a direction; `undefined` when nothing is. */
function faultOf(entry: StreamEntry, direction: Direction): string | undefined {
  const { plan, sender, receiver } = direction;
  const sent = sender?.outcome;
  const received = receiver?.outcome;
  if (sent === "open" || received === "open") return "an end is still open";
  if (receiver !== undefined && receiver.read > (sender?.written ?? 0)) return "more was read than written";
  switch (received) {
    case "ended":
      if (receiver!.read !== plan.length) return `the reader took ${receiver!.read} bytes for the whole`;
      break;
    case "reset":
      return faultOfReset(entry, direction);
  }
  switch (sent) {
    case "acked":
      if (received === undefined || received === "failed") {
        return "acknowledged, but the reader did not get it";
      }
      break;
    case "stopped":
      if ((sender!.error as StreamResetError).code !== stopCode(plan)) return "stopped with another code";
      if (received !== "stopped" && received !== "lost") {
        return "the writer was stopped, but not by its reader";
      }
      break;
    case "reset":
      if (received === "failed" && isAlive(entry)) return "the session failed on one side only";
      break;
  }
  return undefined;
}

/** A reader that was told of a reset: there must have been one, with this code. */
function faultOfReset({ forth, back }: StreamEntry, direction: Direction): string | undefined {
  const { plan, sender, receiver } = direction;
  const { code } = receiver!.error as StreamResetError;
  if (sender === undefined) {
    // The acceptor never knew of the stream: the opener had given it up before its header came.
    const isGivenUp = direction === back && forth.sender?.outcome === "reset" && code === ErrorCode.CANCELLED;
    return isGivenUp ? undefined : `the reader was told of a reset with code ${code} by nobody`;
  }
  if (sender.outcome === "lost") return undefined;
  if (sender.outcome !== "reset") return "the reader was told of a reset that the writer did not make";
  return code === resetCode(plan)
    ? undefined
    : `reset with code ${code}, the writer's was ${resetCode(plan)}`;
}

function isAlive({ sessions }: StreamEntry): boolean {
  return sessions.length > 0 && sessions.every(({ session }) => session?.isOpen);
}
