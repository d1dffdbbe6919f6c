/**
 * Values that cost something to make, the one not asked for longest given up first.
 *
 * @module
 */

/** Values by key, within bounds of their number and of their sizes together. */
export class RecentValues<T> {
  readonly #values = new Map<string, T>();
  #size = 0;

  /** @param maxSize of all values together. @param maxCount of values. @param sizeOf what one counts for. */
  constructor(readonly maxSize: number, readonly maxCount: number, readonly sizeOf: (value: T) => number) {}

  /** Whether there is a value for `key`. */
  has(key: string): boolean {
    return this.#values.has(key);
  }

  /** The value for `key`, which is the newest then; `undefined` when there is none. */
  get(key: string): T | undefined {
    const value = this.#values.get(key);
    if (!this.#values.delete(key)) return undefined;
    this.#values.set(key, value!);
    return value;
  }

  /** Keeps a value, and of the others as many as the bounds allow. */
  set(key: string, value: T): void {
    const before = this.#values.get(key);
    if (this.#values.delete(key)) this.#size -= this.sizeOf(before!);
    this.#values.set(key, value);
    this.#size += this.sizeOf(value);
    for (const [oldest, old] of this.#values) {
      if (this.#size <= this.maxSize && this.#values.size <= this.maxCount) break;
      this.#values.delete(oldest);
      this.#size -= this.sizeOf(old);
    }
  }
}
