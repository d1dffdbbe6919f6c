/**
 * A queue between callbacks that push and a loop that iterates.
 *
 * @module
 */

/** Unbounded by itself: whoever pushes sees to it that what is pushed is bounded. */
export class AsyncQueue<T> implements AsyncIterableIterator<T> {
  readonly #items: T[] = [];
  readonly #waiting: ((result: IteratorResult<T>) => void)[] = [];
  #ended = false;

  /** @param onReturn called with the items nobody took when the consumer leaves its loop. */
  constructor(readonly onReturn?: (left: T[]) => void) {}

  /** Adds an item; nothing after the end. */
  push(item: T): void {
    if (this.#ended) return;
    const waiter = this.#waiting.shift();
    if (waiter === undefined) this.#items.push(item);
    else waiter({ done: false, value: item });
  }

  /** Nothing more will come; what is queued is still delivered. */
  end(): void {
    this.#ended = true;
    for (const waiter of this.#waiting.splice(0)) waiter({ done: true, value: undefined });
  }

  /** Next item. */
  next(): Promise<IteratorResult<T>> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve({ done: false, value: item });
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The consumer leaves. */
  return(): Promise<IteratorResult<T>> {
    const left = this.#items.splice(0);
    this.end();
    this.onReturn?.(left);
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }
}
