/**
 * Bytes of the last moment: whoever needs them again soon does not read them again.
 *
 * @module
 */

/** A ring of bytes: what was added last is there, what is older was overwritten. */
export class RecentBytes {
  readonly #ring: Uint8Array;
  /** Where the next bytes go, counted from the first ever added. */
  #next = 0;

  /** @param size of the ring, bytes. Memory is used as it fills. */
  constructor(size: number) {
    this.#ring = new Uint8Array(size);
  }

  /** Keeps a copy of `bytes`, at most the size of the ring. Returns the place to ask for them. */
  add(bytes: Uint8Array): number {
    const { length } = this.#ring;
    // In one piece: what does not fit before the end goes to the beginning.
    const left = length - this.#next % length;
    if (left < bytes.length) this.#next += left;
    const place = this.#next;
    this.#ring.set(bytes, place % length);
    this.#next += bytes.length;
    return place;
  }

  /** A view of `length` bytes added at `place`, valid until the next are added; `undefined` when they are gone. */
  get(place: number, length: number): Uint8Array | undefined {
    if (place < this.#next - this.#ring.length) return undefined;
    const at = place % this.#ring.length;
    return this.#ring.subarray(at, at + length);
  }
}
