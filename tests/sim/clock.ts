/**
 * Virtual time: a queue of what is to happen, in order of time and, at the same time, of arrival in the queue.
 *
 * @module
 */

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Happenings at one moment after which the simulated world counts as spinning. */
const MAX_AT_ONE_TIME = 100_000;

/** A clock that moves when it is told to. */
export class VirtualClock {
  /** Milliseconds since the start. Not zero at first, so that nobody can mistake one for the other. */
  now = 1_000;
  readonly #heap: Entry[] = [];
  #order = 0;
  #atThisTime = 0;

  /** Runs something later; at once when `at` has passed. */
  schedule(at: number, run: () => void): void {
    if (at === Infinity) return;
    const heap = this.#heap;
    const entry = { at: Math.max(at, this.now), order: this.#order++, run };
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const parent = (i - 1) >>> 1;
      if (isBefore(heap[parent], entry)) break;
      heap[i] = heap[parent];
      i = parent;
    }
    heap[i] = entry;
  }

  /** When the next thing happens. */
  get next(): number {
    return this.#heap.length === 0 ? Infinity : this.#heap[0].at;
  }

  /** Lets the next thing happen; false when there is none until `limit`, which is the time then. */
  step(limit: number): boolean {
    const first = this.#heap[0];
    if (first === undefined || first.at > limit) {
      if (limit !== Infinity) this.now = Math.max(this.now, limit);
      return false;
    }
    if (first.at > this.now) this.#atThisTime = 0;
    else if (++this.#atThisTime > MAX_AT_ONE_TIME) {
      throw new Error(`time stands still at ${this.now} ms: something asks for a timer that has passed`);
    }
    this.now = first.at;
    this.#removeFirst();
    first.run();
    return true;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++;
      if (isBefore(last, heap[child])) break;
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
