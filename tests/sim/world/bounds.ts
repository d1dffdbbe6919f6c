/**
 * What nodes of a simulated world may hold while they run, and that nothing is left afterwards.
 *
 * @module
 */

import { MAX_REASSEMBLY_SEGMENTS, SEND_BUFFER } from "../../../src/transport/config.ts";
import type { App } from "./app.ts";
import type { SendEnd } from "./ends.ts";
import type { Ledger } from "./ledger.ts";

/** Longest piece that a world writes at once: a write is welcome until the buffer is full, and then goes over it. */
const LONGEST_PIECE = 200_000;
/** Packets whose fate is not known that one session may remember in worlds of this size. */
const MAX_HELD_PACKETS = 20_000;
/** Pieces beyond the budget for out-of-order ones: those of usual size do not count. */
const USUAL_PIECES = 20_000;

/** Throws when a node holds more than it may. */
export function checkBounds(apps: readonly App[]): void {
  for (const { name, node: { endpoint } } of apps) {
    const limit = (what: string, value: number, most: number) => {
      if (value > most) throw new Error(`${name}: ${value} ${what}, ${most} at most`);
    };
    // Live, replaced and lingering ones and crossing handshakes; nobody else knocks here.
    limit("connections", endpoint.size, 40 * apps.length);
    limit("timers", endpoint.timerCount, endpoint.size);
    for (const { session } of endpoint.connections) {
      limit("out-of-order pieces", session!.streams.segments, MAX_REASSEMBLY_SEGMENTS + USUAL_PIECES);
      limit("packets remembered", session!.recovery.heldPackets, MAX_HELD_PACKETS);
    }
  }
}

/** Throws when a stream holds more than its buffers and its credit allow. */
export function checkStreams(ledger: Ledger): void {
  for (const { number, forth, back } of ledger.open) {
    for (const { sender, receiver } of [forth, back]) {
      checkSender(number, sender);
      const receiving = receiver?.stream.receiving;
      if (receiving === undefined) continue;
      const { readable, window } = receiving;
      if (readable > window.maximum) {
        throw new Error(`stream ${number}: ${readable} bytes wait for the reader`);
      }
    }
  }
}

function checkSender(number: number, sender: SendEnd | undefined): void {
  if (sender === undefined) return;
  const { buffered, sentOffset } = sender.stream.sending;
  const unsent = sender.written - sentOffset;
  if (unsent > SEND_BUFFER + LONGEST_PIECE) {
    throw new Error(`stream ${number}: ${unsent} of ${buffered} unsent`);
  }
}

/** Throws when anything is left on a node that has closed everything and waited. */
export function checkNothingLeft(apps: readonly App[]): void {
  for (const { name, node: { endpoint, socket } } of apps) {
    const left = {
      connections: endpoint.size,
      timers: endpoint.timerCount,
      streams: endpoint.openStreams,
      deadline: endpoint.deadline === Infinity ? 0 : endpoint.deadline,
      "things to send": endpoint.isIdle ? 0 : 1,
      "datagrams in the socket": socket.length,
      "internal errors": endpoint.counters.internal_errors,
    };
    for (const [what, count] of Object.entries(left)) {
      if (count !== 0) throw new Error(`${name}, after everything was closed: ${what} left (${count})`);
    }
  }
}
