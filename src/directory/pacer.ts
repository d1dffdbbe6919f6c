/**
 * Keeps long synchronous work from starving the process: sockets, timers and abort signals get their turn every few
 * milliseconds.
 *
 * @module
 */

import { yieldToEventLoop } from "../runtime/host.ts";

/** Work between two turns of the event loop, milliseconds: short against every timeout, long against the turn's cost. */
const SLICE_MS = 8;
/** The same where others wait for what this thread sends: what it sends in one turn keeps them busy for longer. */
const SHORT_SLICE_MS = 1.5;

/** Those for whom work is done. */
export interface WorkTakers {
  /** Whether they wait for what this thread does between slices, which are shorter then. @default never */
  readonly areWaiting?: () => boolean;
  /**
   * Lets those who wait catch up when the work is far ahead of them: for `limit` milliseconds at most, or until the signal
   * aborts. Resolves to whether they did; `undefined` when there is no need. @default there is none
   */
  readonly catchUp?: (limit: number, signal?: AbortSignal) => Promise<boolean> | undefined;
}

/** Entries of {@linkcode WorkPacer.dueByNow} between two looks at the clock. */
const CALLS_A_LOOK = 32;

/** Tells when to pause. Between files: `if (pacer.due) await pacer.pause()`. */
export class WorkPacer {
  #since = performance.now();
  #signal: AbortSignal | undefined;
  #calls = 0;
  readonly #takers: WorkTakers;
  /** How long this thread may yet wait for them, milliseconds: no longer in all than it has worked. */
  #patience = 0;

  /**
   * Throws the signal's reason when it is aborted already.
   *
   * @param signal ends the work at the next pause. @param takers for whom the work is done.
   */
  constructor(signal: AbortSignal | undefined, takers: WorkTakers = {}) {
    signal?.throwIfAborted();
    this.#signal = signal;
    this.#takers = takers;
  }

  /** Whether the slice is used up. */
  get due(): boolean {
    const elapsed = performance.now() - this.#since;
    return elapsed >= SHORT_SLICE_MS && (elapsed >= SLICE_MS || this.#takers.areWaiting?.() === true);
  }

  /** As {@linkcode WorkPacer.due}, for work of microseconds: looks at the clock, which takes as long, now and then. */
  get dueByNow(): boolean {
    return ++this.#calls % CALLS_A_LOOK === 0 && this.due;
  }

  /** Lets the event loop turn. Throws the signal's reason when it was aborted. */
  async pause(): Promise<void> {
    this.#patience += performance.now() - this.#since;
    await yieldToEventLoop();
    if (this.#patience > 0 && this.#takers.areWaiting?.() === true) await this.#letCatchUp();
    this.#signal?.throwIfAborted();
    this.#since = performance.now();
  }

  async #letCatchUp(): Promise<void> {
    const since = performance.now();
    const caughtUp = this.#takers.catchUp?.(this.#patience, this.#signal);
    if (caughtUp === undefined) return;
    // Whoever is too slow once is not waited for again.
    if (await caughtUp) this.#patience -= performance.now() - since;
    else this.#patience = -Infinity;
  }
}
