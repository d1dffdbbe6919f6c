/**
 * Deadlines of many objects in a binary heap. Each object knows its place, so that one that is over leaves at once
 * instead of being held until its time.
 *
 * @module
 */

/** Something that wants to be called at a time. */
export interface Timed {
  /** Time of the next call, `Infinity` for never. */
  readonly deadline: number;
  /** Time under which the queue holds it; the queue's own. */
  queuedAt: number;
  /** Place in the queue, -1 when the queue does not hold it; the queue's own. */
  queueIndex: number;
}

/** The earliest of many deadlines. */
export class TimerQueue<T extends Timed> {
  readonly #heap: T[] = [];

  /** Objects with a deadline. */
  get size(): number {
    return this.#heap.length;
  }

  /** The earliest deadline, as of each object's last update; `Infinity` when there is none. */
  get next(): number {
    return this.#heap.length === 0 ? Infinity : this.#heap[0].queuedAt;
  }

  /** Looks at an object's deadline anew. */
  update(item: T): void {
    const at = item.deadline;
    if (at === Infinity) return this.remove(item);
    const before = item.queueIndex < 0 ? Infinity : item.queuedAt;
    if (at === before) return;
    item.queuedAt = at;
    if (at < before) this.#rise(item, item.queueIndex < 0 ? this.#heap.length : item.queueIndex);
    else this.#sink(item, item.queueIndex);
  }

  /** Forgets an object. */
  remove(item: T): void {
    const at = item.queueIndex;
    if (at < 0) return;
    item.queueIndex = -1;
    const last = this.#heap.pop()!;
    if (last === item) return;
    if (at > 0 && last.queuedAt < this.#heap[(at - 1) >>> 1].queuedAt) this.#rise(last, at);
    else this.#sink(last, at);
  }

  /** Takes out an object that is due at `now`; `undefined` when none is. */
  pop(now: number): T | undefined {
    while (this.next <= now) {
      const item = this.#heap[0];
      if (item.deadline <= now) {
        this.remove(item);
        return item;
      }
      this.update(item);
    }
    return undefined;
  }

  /** Puts `item` at `at` or above. */
  #rise(item: T, at: number): void {
    const heap = this.#heap;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (heap[parent].queuedAt <= item.queuedAt) break;
      this.#put(heap[parent], at);
      at = parent;
    }
    this.#put(item, at);
  }

  /** Puts `item` at `at` or below. */
  #sink(item: T, at: number): void {
    const heap = this.#heap;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1].queuedAt < heap[child].queuedAt) child++;
      if (heap[child].queuedAt >= item.queuedAt) break;
      this.#put(heap[child], at);
      at = child;
    }
    this.#put(item, at);
  }

  #put(item: T, at: number): void {
    this.#heap[at] = item;
    item.queueIndex = at;
  }
}
