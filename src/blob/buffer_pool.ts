/**
 * Large buffers that are used again: left to the garbage collector they would pile up, for it counts objects.
 *
 * @module
 */

/** Buffers of one size. */
export class BufferPool {
  readonly #free: Uint8Array[] = [];

  /** @param size of each buffer, bytes. @param limit how many are kept that nobody uses. */
  constructor(readonly size: number, readonly limit: number) {}

  /** A buffer, with whatever was in it. */
  take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(this.size);
  }

  /** Takes a buffer back that nobody reads any more. */
  give(buffer: Uint8Array): void {
    if (this.#free.length < this.limit) this.#free.push(buffer);
  }
}
