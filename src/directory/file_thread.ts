/**
 * A thread for file calls that is kept from one fetch to the next.
 *
 * @module
 */

import { permissions } from "#permissions";
import { HandThread } from "./hand_thread.ts";

/** Lends the thread of a {@linkcode FileThread}: `undefined` while somebody has it, and where none is to be had. */
export let borrow: (from: FileThread) => BorrowedThread | undefined;

/** A thread that is somebody else's. */
export interface BorrowedThread {
  readonly thread: HandThread;
  /** To be called when nothing more is to come of it. */
  giveBack(): void;
}

/**
 * A second thread that makes files for `fetchDir` while the first takes what comes, for one fetch at a time: another one
 * at the same time is as without. A large fetch starts a thread of its own, which ends with it; who fetches again and
 * again saves that start, 25 ms, and has the thread for trees of 700 entries and more, too: 1024 files of 8 KiB come in
 * 27 ms in place of 31. It takes some 20 MiB of memory, and is made use of where it pays: in Deno without
 * `--allow-ffi`; elsewhere only for large trees that changed, with `cache`.
 *
 * Keeps the program from ending until it is closed. Where no thread is to be had (one processor; no permission to read
 * this module's folder, or `--allow-worker` under Node's permission model), fetches do without.
 *
 * @example
 * ```ts
 * import type { ChunkSource } from "@hawser/mesh/blob";
 * import { fetchDir, FileThread, type OfferSource } from "@hawser/mesh/directory";
 *
 * async function follow(source: ChunkSource, offers: AsyncIterable<OfferSource>, dest: string): Promise<void> {
 *   using fileThread = new FileThread();
 *   for await (const offer of offers) await fetchDir(source, offer, dest, { fileThread });
 * }
 * ```
 */
export class FileThread implements Disposable {
  #thread: HandThread | undefined;
  #isLent = false;
  #isClosed = false;

  static {
    borrow = (from) => from.#borrow();
  }

  /** Starts the thread, or leaves that to the first fetch that makes use of it where new trees do without. */
  constructor() {
    if (permissions.resolvesPaths()) this.#thread = HandThread.start();
  }

  /** Ends the thread: when a fetch has it, after that. Does nothing the second time. */
  close(): void {
    this.#isClosed = true;
    if (!this.#isLent) this.#end();
  }

  /** As `close`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #borrow(): BorrowedThread | undefined {
    if (this.#isLent || this.#isClosed) return undefined;
    // One that broke had reasons that may be gone, such as lack of memory.
    if (this.#thread?.hasFailed) this.#end();
    const thread = this.#thread ??= HandThread.start();
    if (thread === undefined) return undefined;
    this.#isLent = true;
    const giveBack = () => {
      this.#isLent = false;
      if (this.#isClosed) this.#end();
    };
    return { thread, giveBack };
  }

  #end(): void {
    this.#thread?.close();
    this.#thread = undefined;
  }
}
