/**
 * A second thread of a fetch, for file calls: it makes directories, files and links while this thread takes what the source
 * sends. Whatever befalls it, the work gets done: what it cannot do is done on this thread.
 *
 * @module
 */

import { yieldToEventLoop } from "../runtime/host.ts";
import { type BatchResult, type CallBatch, runBatch } from "./call_batch.ts";
import { borrow, type FileThread } from "./file_thread.ts";
import { HandThread } from "./hand_thread.ts";

interface Task {
  readonly batch: CallBatch;
  readonly onDone: (result: BatchResult) => void;
}

/** Batches are done in the order in which they are given, on either thread. */
export class TreeHand {
  readonly #thread: HandThread;
  /** Gives the thread away; `undefined` when that is done. */
  #release: (() => void) | undefined;
  /** What both threads see: whether to stop. */
  readonly #stop = new Int32Array(new SharedArrayBuffer(4));
  #isClosed = false;
  /** How many wait for what it was given. */
  #waiters = 0;
  #isWorking = false;
  /** Batches that the thread has, as far as it has not answered, in order. */
  #given: Task[] = [];
  /** Batches that it will get, in order. */
  #waiting: Task[] = [];
  /** How many of those that wait a thread that broke may have begun. */
  #begun = 0;
  #thrown: { readonly error: unknown } | undefined;
  #wake: (() => void)[] = [];

  private constructor(thread: HandThread, release: () => void) {
    this.#thread = thread;
    this.#release = release;
    const user = {
      onUp: () => this.#give(),
      onResult: (result: BatchResult) => this.#finish(this.#given.shift()!, result),
      onFailed: () => this.#onFailed(),
    };
    thread.serve(user, this.#stop);
  }

  /** Starts a thread of its own; `undefined` where none is to be had. @param module for tests */
  static start(module?: string): TreeHand | undefined {
    const thread = HandThread.start(module);
    return thread && new TreeHand(thread, () => thread.close());
  }

  /** One that has the thread that is kept; `undefined` while another one has it, and where there is none. */
  static borrow(from: FileThread | undefined): TreeHand | undefined {
    const borrowed = from && borrow(from);
    return borrowed && new TreeHand(borrowed.thread, borrowed.giveBack);
  }

  /** Whether the thread is up: then what it is given is done soon. Before that it is given nothing. */
  get isUp(): boolean {
    return this.#thread.isUp;
  }

  /** Free memory for what batches hold, that both threads see. */
  get memory(): Uint8Array[] {
    return this.#thread.memory;
  }

  /** Gives it a batch. Its memory belongs to the hand until it is done. @param onDone is told of it; not after `close`. */
  do(batch: CallBatch, onDone: (result: BatchResult) => void): void {
    if (this.#isClosed) return;
    this.#waiting.push({ batch, onDone });
    this.#give();
  }

  /** Waits until all that it was given is done. Throws what an `onDone` threw. */
  async idle(): Promise<void> {
    await this.until(() => this.#given.length + this.#waiting.length === 0);
  }

  /** Waits until what it was given has made `isMet` true. Throws what an `onDone` threw. */
  async until(isMet: () => boolean): Promise<void> {
    this.#waiters++;
    this.#workSoon();
    while (!isMet() && !this.#isClosed && this.#thrown === undefined) {
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
    this.#waiters--;
    if (this.#thrown !== undefined) throw this.#thrown.error;
  }

  /** Ends the thread, or gives it back, when it has done the call that it is at. What it was given besides is not done. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#waiting = [];
    Atomics.store(this.#stop, 0, 1);
    this.#awake();
    while (this.#given.length > 0 || this.#isWorking) {
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
    this.#release?.();
    this.#release = undefined;
  }

  #onFailed(): void {
    this.#begun = this.#given.length;
    this.#waiting.unshift(...this.#given);
    this.#given = [];
    if (this.#isClosed) this.#waiting = [];
    this.#workSoon();
    this.#awake();
  }

  #give(): void {
    if (this.#isWorking) return;
    if (!this.isUp) return this.#workSoon();
    for (const task of this.#waiting) {
      this.#given.push(task);
      this.#thread.do(task.batch);
    }
    this.#waiting = [];
  }

  /** Whether this thread is to do it: the other will not, or is not even up while somebody waits. */
  get #isLeftHere(): boolean {
    return this.#waiting.length > 0 && (this.#thread.hasFailed || (this.#waiters > 0 && !this.isUp));
  }

  #workSoon(): void {
    if (this.#isWorking || !this.#isLeftHere) return;
    this.#isWorking = true;
    this.#work().catch((error) => this.#thrown ??= { error }).finally(() => {
      this.#isWorking = false;
      this.#give();
      this.#awake();
    });
  }

  async #work(): Promise<void> {
    while (this.#isLeftHere) {
      const task = this.#waiting.shift()!;
      const again = this.#begun > 0;
      if (again) this.#begun--;
      this.#finish(task, runBatch(task.batch, () => this.#isClosed, again));
      await yieldToEventLoop();
    }
  }

  #finish({ onDone }: Task, result: BatchResult): void {
    try {
      if (!this.#isClosed) onDone(result);
    } catch (error) {
      this.#thrown ??= { error };
    }
    this.#awake();
  }

  #awake(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}
