/**
 * Bytes of the last moment: whoever needs them again soon does not read them again.
 *
 * @module
 */

/**
 * A ring of bytes that are asked for in the order in which they were added, more or less. When they come faster than they
 * are asked for, those that were there first stay: they are the ones that will be asked for next.
 */
export class RecentBytes {
  readonly #ring: Uint8Array;
  /** Where the next bytes go, counted from the first ever added. */
  #next = 0;
  /** Up to here they were asked for, or will not be any more. */
  #done = 0;

  /** @param size of the ring, bytes. Memory is used as it fills. */
  constructor(size: number) {
    this.#ring = new Uint8Array(size);
  }

  /** Keeps a copy of `bytes` if there is room. Returns the place to ask for them; `undefined` when there is none. */
  add(bytes: Uint8Array): number | undefined {
    const { length } = this.#ring;
    // In one piece: what does not fit before the end goes to the beginning.
    const left = length - this.#next % length;
    const place = left < bytes.length ? this.#next + left : this.#next;
    if (place + bytes.length - this.#done > length) return undefined;
    this.#ring.set(bytes, place % length);
    this.#next = place + bytes.length;
    return place;
  }

  /** A view of `length` bytes added at `place`, valid until the next are added; `undefined` when they are gone. */
  get(place: number, length: number): Uint8Array | undefined {
    if (place < this.#next - this.#ring.length) return undefined;
    this.#done = Math.max(this.#done, place + length);
    const at = place % this.#ring.length;
    return this.#ring.subarray(at, at + length);
  }
}
