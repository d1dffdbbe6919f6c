/**
 * Seeded random numbers: the same seed gives the same run, everywhere.
 *
 * @module
 */

/** A small generator (mulberry32): good enough to shuffle packets, useless for secrets. */
export class Prng {
  #state: number;

  /** @param seed any number; its low 32 bits count. */
  constructor(seed: number) {
    // Neighbouring seeds would begin alike without this step.
    this.#state = Math.imul((seed >>> 0) ^ 0x9e37_79b9, 0x85eb_ca6b) >>> 0;
  }

  /** Number in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b_79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Whole number from 0 to `below` - 1. */
  int(below: number): number {
    return Math.floor(this.next() * below);
  }

  /** Number in [low, high). */
  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  /** True with that probability. Draws no number when it cannot be true. */
  chance(probability: number): boolean {
    return probability > 0 && this.next() < probability;
  }

  /** Random bytes. */
  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let i = 0; i < length; i++) out[i] = this.int(256);
    return out;
  }

  /** One of the items. */
  pick<T>(items: readonly T[]): T {
    return items[this.int(items.length)];
  }

  /** An independent generator: what it draws does not shift what this one gives. */
  fork(): Prng {
    return new Prng(this.int(2 ** 32));
  }
}
