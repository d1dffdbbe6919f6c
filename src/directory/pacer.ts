/**
 * Keeps long synchronous work from starving the process: sockets, timers and abort signals get their turn every few
 * milliseconds.
 *
 * @module
 */

import { yieldToEventLoop } from "../runtime/host.ts";

/** Work between two turns of the event loop, milliseconds: short against every timeout, long against the turn's cost. */
const SLICE_MS = 8;

/** Tells when to pause. Between files: `if (pacer.due) await pacer.pause()`. */
export class WorkPacer {
  #since = performance.now();
  #signal: AbortSignal | undefined;

  /** @param signal ends the work at the next pause. Throws its reason when it is aborted already. */
  constructor(signal: AbortSignal | undefined) {
    signal?.throwIfAborted();
    this.#signal = signal;
  }

  /** Whether the slice is used up. */
  get due(): boolean {
    return performance.now() - this.#since >= SLICE_MS;
  }

  /** Lets the event loop turn. Throws the signal's reason when it was aborted. */
  async pause(): Promise<void> {
    await yieldToEventLoop();
    this.#signal?.throwIfAborted();
    this.#since = performance.now();
  }
}
