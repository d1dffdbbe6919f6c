/**
 * Bytes of the last moment: whoever needs them again soon does not read them again.
 *
 * @module
 */

/** Share of the ring above which it is worth while to wait for those who ask, and the one down to which. */
const FULL = 7 / 8;
const ROOMY = 5 / 8;
/** Who asks for nothing in this time asks for something else, or too slowly: milliseconds. */
const QUIET_MS = 50;

/**
 * A ring of bytes that are asked for in the order in which they were added, more or less. When they come faster than they
 * are asked for, those that were there first stay: they are the ones that will be asked for next.
 */
export class RecentBytes {
  readonly #ring: Uint8Array;
  #onTaken: (() => void) | undefined;
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

  /** Bytes that were added and not asked for; 0 before any were asked for. */
  get unread(): number {
    return this.#done === 0 ? 0 : this.#next - this.#done;
  }

  /**
   * Waits for those who ask when there is hardly any room left, but not for long if they ask for nothing. Resolves to
   * whether there is room then; `undefined` when there is now. @param limit to wait at most, milliseconds. @param signal
   * ends the wait.
   */
  waitForRoom(limit: number, signal?: AbortSignal): Promise<boolean> | undefined {
    if (this.unread <= this.#ring.length * FULL) return undefined;
    return new Promise((resolve) => {
      let done = this.#done;
      const settle = (hasRoom: boolean) => {
        clearInterval(quiet);
        clearTimeout(late);
        signal?.removeEventListener("abort", onAbort);
        this.#onTaken = undefined;
        resolve(hasRoom);
      };
      const onAbort = () => settle(false);
      signal?.addEventListener("abort", onAbort);
      const quiet = setInterval(() => {
        if (this.#done === done) settle(false);
        done = this.#done;
      }, QUIET_MS);
      const late = setTimeout(() => settle(false), limit);
      this.#onTaken = () => {
        if (this.unread <= this.#ring.length * ROOMY) settle(true);
      };
    });
  }

  /** A view of `length` bytes added at `place`, valid until the next are added; `undefined` when they are gone. */
  get(place: number, length: number): Uint8Array | undefined {
    if (place < this.#next - this.#ring.length) return undefined;
    this.#done = Math.max(this.#done, place + length);
    this.#onTaken?.();
    const at = place % this.#ring.length;
    return this.#ring.subarray(at, at + length);
  }
}
