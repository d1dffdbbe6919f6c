/**
 * Threads, Deno driver. A thread has the permissions of the program.
 *
 * @module
 */

import type { AnswerMessages, StartWorker } from "./worker.ts";

/** The part of a worker's global scope that is used; the types of this module are those of the main thread. */
interface WorkerScope {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: unknown, transfer: Transferable[]): void;
}

function mayRead(path: URL): boolean {
  return Deno.permissions.querySync({ name: "read", path }).state === "granted";
}

/** As {@linkcode StartWorker}. */
export const startWorker: StartWorker = (url, events) => {
  // On one core it would only be in the way.
  if (navigator.hardwareConcurrency < 2) return undefined;
  // Asked, because starting it without permission would ask the user.
  if (url.startsWith("file:") && !mayRead(new URL(url))) return undefined;
  let worker: Worker;
  try {
    worker = new Worker(url, { type: "module" });
  } catch {
    return undefined;
  }
  worker.onmessage = ({ data }) => events.onMessage(data);
  worker.onerror = (event) => {
    // Else it would end the program.
    event.preventDefault();
    events.onFailed();
  };
  return { post: (message) => worker.postMessage(message), close: () => worker.terminate() };
};

/** As {@linkcode AnswerMessages}. */
export const answerMessages: AnswerMessages = (answer) => {
  const scope = globalThis as unknown as WorkerScope;
  scope.onmessage = ({ data }) => {
    const { message, move } = answer(data);
    scope.postMessage(message, move);
  };
};
