/**
 * The two ends of one direction of a stream in a simulated world: who writes as planned, and who reads as planned and
 * checks every byte. Each end notes how it came to an end, for the ledger to compare.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type HawserError, StreamResetError } from "../../../src/errors.ts";
import type { Stream } from "../../../src/transport/stream.ts";
import type { SimNetwork } from "../network.ts";
import { followsPattern, patternView } from "../traffic.ts";

/** What is to be written and read in one direction. Sizes in bytes, times in milliseconds. */
export interface DirectionPlan {
  /** Bytes in all. */
  readonly length: number;
  /** Tells the bytes of this direction from those of others. */
  readonly salt: number;
  /** Longest piece written at once. */
  readonly piece: number;
  /** Pause after each piece; 0 writes as fast as the stream takes it. */
  readonly writePause: number;
  /** The writer gives up after so many bytes. */
  readonly resetAt: number | undefined;
  /** The writer keeps its end open for so long after the last byte. */
  readonly hold: number;
  /** Pause after each read; 0 reads what comes when it comes. */
  readonly readPause: number;
  /** Nothing is read for so long. */
  readonly readLate: number;
  /** The reader gives up after so many bytes. */
  readonly stopAt: number | undefined;
}

/** How the writer's end ended. */
export type SendOutcome = "open" | "acked" | "reset" | "stopped" | "failed" | "lost";
/** How the reader's end ended. */
export type ReceiveOutcome = "open" | "ended" | "reset" | "stopped" | "failed" | "lost";

/** Code of a reset by the writer; readers must learn this very one. */
export const resetCode = (plan: DirectionPlan): number => 0x1000 + (plan.salt & 0xfff);
/** Code of a stop by the reader. */
export const stopCode = (plan: DirectionPlan): number => 0x2000 + (plan.salt & 0xfff);

/** What both ends have in common: an outcome, and pauses that are over when everything is to be over. */
abstract class PacedEnd<Outcome extends string> {
  /** How it ended. */
  outcome: Outcome | "open" | "lost" = "open";
  /** Why it failed, or the other end gave up. */
  error: HawserError | undefined;
  protected pausing = false;
  #hurried = false;

  constructor(readonly network: SimNetwork, readonly stream: Stream, readonly plan: DirectionPlan) {}

  /** No pauses any more: what is left goes as fast as it can. */
  hurry(): void {
    this.#hurried = true;
    this.pausing = false;
    this.pump();
  }

  /** The process ended. */
  lose(): void {
    if (this.outcome === "open") this.outcome = "lost";
  }

  protected abstract pump(): void;

  protected pause(milliseconds: number): boolean {
    if (this.#hurried) return false;
    this.pausing = true;
    this.network.after(milliseconds, () => {
      if (!this.pausing) return;
      this.pausing = false;
      this.pump();
    });
    return true;
  }

  protected settle(outcome: Outcome): void {
    this.outcome = outcome;
  }
}

/** Writes one direction. */
export class SendEnd extends PacedEnd<SendOutcome> {
  /** Bytes handed to the stream. */
  written = 0;
  #held = false;

  constructor(network: SimNetwork, stream: Stream, plan: DirectionPlan) {
    super(network, stream, plan);
    stream.onWritable = () => this.pump();
  }

  /** Begins to write. */
  start(): void {
    this.pump();
  }

  protected override pump(): void {
    const { stream, plan } = this;
    if (this.outcome !== "open" || this.#isOver() || this.pausing) return;
    const target = Math.min(plan.length, plan.resetAt ?? Infinity);
    while (this.written < target) {
      if (!stream.writable) return;
      const size = Math.min(plan.piece, target - this.written);
      const at = this.written;
      // Before the write, which may call back.
      this.written += size;
      stream.write(patternView(plan.salt, at, size));
      if (this.outcome !== "open") return;
      if (plan.writePause > 0 && this.pause(plan.writePause)) return;
    }
    if (plan.resetAt !== undefined) {
      stream.reset(resetCode(plan));
      // Everything may have arrived already: then there is nothing left to give up.
      if (stream.sending.state === "reset_sent") this.settle("reset");
      else this.#isOver();
      return;
    }
    if (stream.sending.finished) return;
    const holds = plan.hold > 0 && !this.#held && this.pause(plan.hold);
    this.#held = true;
    if (!holds) stream.finish();
  }

  #isOver(): boolean {
    const { stream } = this;
    if (stream.sending.state === "data_recvd") this.settle("acked");
    else if (stream.writeError !== undefined) {
      this.error = stream.writeError;
      this.settle(this.error instanceof StreamResetError ? "stopped" : "failed");
    }
    return this.outcome !== "open";
  }
}

/** Reads one direction. */
export class ReceiveEnd extends PacedEnd<ReceiveOutcome> {
  /** Bytes read, each compared with what was written there. */
  read = 0;

  constructor(network: SimNetwork, stream: Stream, plan: DirectionPlan) {
    super(network, stream, plan);
    stream.onReadable = () => this.pump();
  }

  /** Begins to read. */
  start(): void {
    if (this.plan.readLate > 0) this.pause(this.plan.readLate);
    this.pump();
  }

  protected override pump(): void {
    const { stream, plan } = this;
    if (this.outcome !== "open") return;
    // What arrived before an error may still be read, however slow the reader was.
    if (stream.readError !== undefined) this.pausing = false;
    if (this.pausing) return;
    if (this.read >= (plan.stopAt ?? Infinity)) return this.#stop();
    for (let piece = stream.read(); piece !== undefined; piece = stream.read()) {
      assert.ok(
        followsPattern(piece, plan.salt, this.read),
        `stream ${stream.id}: the ${piece.length} bytes at ${this.read} are not those written there`,
      );
      this.read += piece.length;
      if (this.read >= (plan.stopAt ?? Infinity)) return this.#stop();
      if (plan.readPause > 0 && stream.readError === undefined && this.pause(plan.readPause)) return;
    }
    if (stream.ended) this.settle("ended");
    else if (stream.readError !== undefined) {
      this.error = stream.readError;
      this.settle(this.error instanceof StreamResetError ? "reset" : "failed");
    }
  }

  #stop(): void {
    if (this.stream.ended) return this.settle("ended");
    this.stream.stop(stopCode(this.plan));
    this.settle("stopped");
  }
}
