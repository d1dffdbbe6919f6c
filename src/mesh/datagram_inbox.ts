/**
 * Unreliable datagrams that arrived, until the application takes them.
 *
 * @module
 */

import { DatagramQueue } from "../transport/datagram_queue.ts";

/** A bounded queue with loops that wait at its end. */
export class DatagramInbox {
  /** Datagrams that arrived. */
  received = 0;
  readonly #queue: DatagramQueue;
  readonly #waiting = new Set<() => void>();
  #ended = false;

  /** @param limit bytes, see `TransportOptions.datagramQueue`. */
  constructor(limit: number) {
    this.#queue = new DatagramQueue(limit);
  }

  /** Datagrams that nobody took before newer ones needed their room. */
  get unread(): number {
    return this.#queue.dropped;
  }

  /** Adds one. */
  push(bytes: Uint8Array): void {
    this.received++;
    this.#queue.push(bytes);
    this.#wake();
  }

  /** Nothing more will come; what waits can still be taken. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** A loop over what comes. Each datagram goes to one loop; leaving a loop leaves the rest to the next. */
  iterate(): AsyncIterableIterator<Uint8Array> {
    let isLeft = false;
    const next = async (): Promise<IteratorResult<Uint8Array>> => {
      while (!isLeft) {
        const value = this.#queue.shift();
        if (value !== undefined) return { done: false, value };
        if (this.#ended) break;
        await new Promise<void>((resolve) => void this.#waiting.add(resolve));
      }
      return { done: true, value: undefined };
    };
    return {
      next,
      return: () => {
        isLeft = true;
        this.#wake();
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  #wake(): void {
    for (const waker of this.#waiting) waker();
    this.#waiting.clear();
  }
}
