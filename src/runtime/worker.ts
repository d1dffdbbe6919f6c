/**
 * A second thread for work that would hold up this one. Messages are copied, buffers that are named move. A runtime
 * that starts none, or a program that does not permit one, is no error: whoever asks does the work itself.
 *
 * @module
 */

/** What happens at the other end of a {@linkcode WorkerThread}. */
export interface WorkerEvents {
  /** The thread answered. */
  onMessage(message: unknown): void;
  /** The thread could not begin, or broke: it says nothing more. */
  onFailed(): void;
}

/** A running thread. */
export interface WorkerThread {
  /** Sends a message. */
  post(message: unknown): void;
  /** Ends the thread, whatever it is doing. */
  close(): void;
}

/** Starts the module at `url` in a thread; `undefined` where that is not to be had. */
export type StartWorker = (url: string, events: WorkerEvents) => WorkerThread | undefined;

/** In a thread: has every message answered by `answer`, which also names the buffers that move with it. */
export type AnswerMessages = (
  answer: (message: unknown) => { readonly message: unknown; readonly move: ArrayBuffer[] },
) => void;
