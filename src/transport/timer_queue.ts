/**
 * Deadlines of many objects in a binary heap with lazy deletion: an entry whose object has another deadline by now
 * is put back or dropped when it comes up.
 *
 * @module
 */

/** Something that wants to be called at a time. */
export interface Timed {
  /** Time of the next call, `Infinity` for never. */
  readonly deadline: number;
  /** Time under which the queue holds it; the queue's own. */
  queuedAt: number;
}

interface Entry<T> {
  readonly at: number;
  readonly item: T;
}

/** The earliest of many deadlines. */
export class TimerQueue<T extends Timed> {
  readonly #heap: Entry<T>[] = [];

  /** Time of the earliest entry: never later than the earliest deadline; `Infinity` when empty. */
  get next(): number {
    return this.#heap.length === 0 ? Infinity : this.#heap[0].at;
  }

  /** Looks at an object's deadline anew. A later one costs nothing until the old one comes up. */
  update(item: T): void {
    const at = item.deadline;
    if (at >= item.queuedAt) return;
    item.queuedAt = at;
    this.#push({ at, item });
  }

  /** Takes out an object that is due at `now`; `undefined` when none is. */
  pop(now: number): T | undefined {
    while (this.#heap.length > 0 && this.#heap[0].at <= now) {
      const { at, item } = this.#heap[0];
      this.#removeFirst();
      if (item.queuedAt !== at) continue;
      item.queuedAt = Infinity;
      if (item.deadline <= now) return item;
      this.update(item);
    }
    return undefined;
  }

  #push(entry: Entry<T>): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const parent = (i - 1) >>> 1;
      if (heap[parent].at <= entry.at) break;
      heap[i] = heap[parent];
      i = parent;
    }
    heap[i] = entry;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1].at < heap[child].at) child++;
      if (heap[child].at >= last.at) break;
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = last;
  }
}
