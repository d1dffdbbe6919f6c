/**
 * The sliding window over received packet numbers (`protocol.md` 2.3; RFC 6479 in spirit): tells a replay or a
 * packet too old to judge from a new one.
 *
 * @module
 */

import { REPLAY_WINDOW } from "./config.ts";

/** Remembers which of the last {@linkcode REPLAY_WINDOW} packet numbers arrived. */
export class ReplayWindow {
  readonly #bits = new Uint32Array(REPLAY_WINDOW / 32);
  /** Highest packet number marked, -1 at first. */
  highest = -1;

  /** Whether `packetNumber` is new. Does not mark it: the packet is not authenticated yet. */
  isNew(packetNumber: number): boolean {
    if (packetNumber > this.highest) return true;
    if (packetNumber <= this.highest - REPLAY_WINDOW) return false;
    const slot = packetNumber % REPLAY_WINDOW;
    return (this.#bits[slot >>> 5] & (1 << (slot & 31))) === 0;
  }

  /** Marks an authenticated packet number as seen. */
  mark(packetNumber: number): void {
    if (packetNumber > this.highest) {
      if (packetNumber - this.highest >= REPLAY_WINDOW) {
        this.#bits.fill(0);
      } else {
        for (let n = this.highest + 1; n < packetNumber; n++) this.#clear(n % REPLAY_WINDOW);
      }
      this.highest = packetNumber;
    }
    const slot = packetNumber % REPLAY_WINDOW;
    this.#bits[slot >>> 5] |= 1 << (slot & 31);
  }

  #clear(slot: number): void {
    this.#bits[slot >>> 5] &= ~(1 << (slot & 31));
  }
}
