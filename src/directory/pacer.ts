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

/** Tells when to pause. Between files: `if (pacer.due) await pacer.pause()`. */
export class WorkPacer {
  #since = performance.now();
  #signal: AbortSignal | undefined;
  readonly #isWaitedFor: (() => boolean) | undefined;

  /**
   * Throws the signal's reason when it is aborted already.
   *
   * @param signal ends the work at the next pause. @param isWaitedFor tells whether others wait for what this thread does
   * between slices, which are shorter then. @default never
   */
  constructor(signal: AbortSignal | undefined, isWaitedFor?: () => boolean) {
    signal?.throwIfAborted();
    this.#signal = signal;
    this.#isWaitedFor = isWaitedFor;
  }

  /** Whether the slice is used up. */
  get due(): boolean {
    const elapsed = performance.now() - this.#since;
    return elapsed >= SHORT_SLICE_MS && (elapsed >= SLICE_MS || this.#isWaitedFor?.() === true);
  }

  /** Lets the event loop turn. Throws the signal's reason when it was aborted. */
  async pause(): Promise<void> {
    await yieldToEventLoop();
    this.#signal?.throwIfAborted();
    this.#since = performance.now();
  }
}
