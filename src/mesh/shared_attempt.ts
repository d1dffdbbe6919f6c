/**
 * Work that several callers wait for together.
 *
 * @module
 */

import { withSignal } from "./abort.ts";

/** One piece of work, given up when the last of those who wait for it leaves. */
export class SharedAttempt<T> {
  readonly #controller = new AbortController();
  readonly #result: Promise<T>;
  #waiting = 0;

  /** Begins. @param work settles soon after its signal aborts. */
  constructor(work: (signal: AbortSignal) => Promise<T>) {
    this.#result = work(this.#controller.signal);
    // Whoever waits is told; nobody may be left to wait.
    this.#result.catch(() => {});
  }

  /** Whether nobody waits any more: the work is ending, and not to be joined. */
  get isAbandoned(): boolean {
    return this.#controller.signal.aborted;
  }

  /** Settles as the work does, or rejects with the signal's reason when it aborts first. */
  async wait(signal: AbortSignal | undefined): Promise<T> {
    this.#waiting++;
    try {
      return await withSignal(this.#result, signal);
    } finally {
      if (--this.#waiting === 0) this.#controller.abort();
    }
  }
}
