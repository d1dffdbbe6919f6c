/**
 * Bounds what out-of-order pieces cost beyond their bytes, which flow control bounds: a peer may send 16 MiB in pieces
 * of one byte.
 *
 * @module
 */

import { MAX_REASSEMBLY_SEGMENTS, REASSEMBLY_SEGMENT_SIZE } from "./config.ts";

/** Out-of-order pieces of all streams of a session. */
export class ReassemblyBudget {
  /** Pieces held. */
  pieces = 0;
  /** Bytes in them. */
  bytes = 0;

  /** Whether another piece is one too many. Pieces of a usual size do not count: a full window of them may be held. */
  get isSpent(): boolean {
    return this.pieces - this.bytes / REASSEMBLY_SEGMENT_SIZE >= MAX_REASSEMBLY_SEGMENTS;
  }

  /** Notes pieces that came (or, negative, left). */
  take(pieces: number, bytes: number): void {
    this.pieces += pieces;
    this.bytes += bytes;
  }
}
