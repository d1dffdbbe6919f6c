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
/** What others have yet to take before this thread waits for them, bytes: work for some dozen milliseconds. */
const MAX_UNREAD = 4 * 1024 * 1024;
/** How often it is looked at, milliseconds, and how often in a row nothing may have been taken. */
const LOOK_INTERVAL = 1;
const MAX_QUIET = 20;

/** Those for whom work is done. */
export interface WorkTakers {
  /** Whether there are any. */
  readonly isFollowed?: () => boolean;
  /** Bytes that are kept for them; `undefined` before they have begun to take some. */
  readonly unread?: () => number | undefined;
}

/** Tells when to pause. Between files: `if (pacer.due) await pacer.pause()`. */
export class WorkPacer {
  #since = performance.now();
  #signal: AbortSignal | undefined;
  readonly #takers: WorkTakers;
  /** They take what is done more slowly than it is worth waiting for. */
  #isTooFast = false;

  /**
   * Throws the signal's reason when it is aborted already.
   *
   * @param signal ends the work at the next pause. @param takers for whom the work is done: while there are some, slices
   * are shorter, and work that is far ahead of them waits.
   */
  constructor(signal: AbortSignal | undefined, takers: WorkTakers = {}) {
    signal?.throwIfAborted();
    this.#signal = signal;
    this.#takers = takers;
  }

  /** Whether the slice is used up. */
  get due(): boolean {
    const elapsed = performance.now() - this.#since;
    return elapsed >= SHORT_SLICE_MS && (elapsed >= SLICE_MS || this.#areTaking);
  }

  /** Lets the event loop turn. Throws the signal's reason when it was aborted. */
  async pause(): Promise<void> {
    await yieldToEventLoop();
    if (this.#isAhead) await this.#letCatchUp();
    this.#signal?.throwIfAborted();
    this.#since = performance.now();
  }

  /** Whether somebody takes small pieces of what is done. */
  get #areTaking(): boolean {
    return this.#takers.isFollowed?.() === true && this.#takers.unread?.() !== undefined;
  }

  get #unread(): number {
    return this.#takers.unread?.() ?? 0;
  }

  get #isAhead(): boolean {
    return !this.#isTooFast && this.#unread > MAX_UNREAD && this.#takers.isFollowed?.() === true;
  }

  /** Waits for those who take what is done, for as long as they are at it. */
  async #letCatchUp(): Promise<void> {
    let quiet = 0;
    while (this.#isAhead && this.#signal?.aborted !== true) {
      const before = this.#unread;
      await new Promise<void>((resolve) => setTimeout(resolve, LOOK_INTERVAL));
      quiet = this.#unread < before ? 0 : quiet + 1;
      if (quiet === MAX_QUIET) this.#isTooFast = true;
    }
  }
}
