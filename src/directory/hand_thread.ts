/**
 * The thread that does what a {@linkcode TreeHand} is given. It serves one hand at a time, and may serve another one
 * afterwards.
 *
 * @module
 */

import { startWorker } from "#worker";
import type { WorkerThread } from "../runtime/worker.ts";
import type { BatchResult, CallBatch } from "./call_batch.ts";

/** The module that the thread runs, whatever this one was compiled to. */
const MODULE = import.meta.url.replace(/[^/]*\.([jt]s)(?:\?.*)?$/, "hand_worker.$1");

/** Who has a thread do something. */
export interface HandThreadUser {
  /** The thread is up. Not told when it is already. */
  onUp(): void;
  /** A batch is done: in the order in which they were given. */
  onResult(result: BatchResult): void;
  /** The thread could not begin, or broke: it says nothing more. Told once. */
  onFailed(): void;
}

/** A running thread. */
export class HandThread {
  /** Free memory that both threads see, for whoever has the thread: to make it anew for each fetch takes longer. */
  readonly memory: Uint8Array[] = [];
  #worker: WorkerThread | undefined;
  #user: HandThreadUser | undefined;
  #hasBegun = false;
  #hasFailed = false;

  private constructor() {}

  /** Starts one; `undefined` where none is to be had. @param module for tests */
  static start(module: string = MODULE): HandThread | undefined {
    const thread = new HandThread();
    thread.#worker = startWorker(module, {
      onMessage: (message) => thread.#onMessage(message),
      onFailed: () => thread.#onFailed(),
    });
    return thread.#worker === undefined ? undefined : thread;
  }

  /** Whether it has begun and is whole: then what it is given is done soon. */
  get isUp(): boolean {
    return this.#hasBegun && !this.#hasFailed;
  }

  /** Whether it could not begin, or broke. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /**
   * Has it work for somebody. What it did for the one before is done.
   *
   * @param stop is not 0 when it is to begin with no call any more, in memory that both threads see.
   */
  serve(user: HandThreadUser, stop: Int32Array): void {
    this.#user = user;
    this.#worker!.post(stop);
  }

  /** Gives it a batch. */
  do(batch: CallBatch): void {
    this.#worker!.post(batch);
  }

  /** Ends it, whatever it is doing. */
  close(): void {
    this.#worker!.close();
  }

  #onMessage(message: unknown): void {
    if (this.#hasFailed) return;
    if (message !== "up") return this.#user?.onResult(message as BatchResult);
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#user?.onUp();
  }

  #onFailed(): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#user?.onFailed();
  }
}
