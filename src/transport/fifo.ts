/**
 * A queue whose front is cheap to take from however long it is: `Array.shift` moves all that is behind.
 *
 * @module
 */

/** Taken places at the front are given back once there are this many, and as many as items. */
const COMPACT_AT = 64;

/** First in, first out, with a look at every place. */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  /** Number of items. */
  get size(): number {
    return this.#items.length - this.#head;
  }

  /** The item at a place, the oldest at 0. */
  at(index: number): T {
    return this.#items[this.#head + index]!;
  }

  /** The newest item; `undefined` when empty. */
  get last(): T | undefined {
    return this.#head < this.#items.length ? this.#items[this.#items.length - 1] : undefined;
  }

  /** Adds at the end. */
  push(item: T): void {
    this.#items.push(item);
  }

  /** Puts another item in the newest one's place. */
  replaceLast(item: T): void {
    this.#items[this.#items.length - 1] = item;
  }

  /** Takes the oldest; `undefined` when empty. */
  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head];
    this.drop(1);
    return item;
  }

  /** Puts an item back to the front. */
  unshift(item: T): void {
    if (this.#head > 0) this.#items[--this.#head] = item;
    else this.#items.unshift(item);
  }

  /** Forgets the oldest `count` items. */
  drop(count: number): void {
    const end = this.#head + count;
    if (end >= this.#items.length) return this.clear();
    for (let i = this.#head; i < end; i++) this.#items[i] = undefined;
    this.#head = end;
    if (end < COMPACT_AT || 2 * end < this.#items.length) return;
    this.#items.splice(0, end);
    this.#head = 0;
  }

  /** Forgets all. */
  clear(): void {
    this.#items.length = this.#head = 0;
  }
}
