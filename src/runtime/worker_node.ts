/**
 * Threads, Node driver. Under the permission model they need `--allow-worker`.
 *
 * @module
 */

import { availableParallelism } from "node:os";
import { parentPort, Worker } from "node:worker_threads";
import type { AnswerMessages, StartWorker } from "./worker.ts";

/** As {@linkcode StartWorker}. */
export const startWorker: StartWorker = (url, events) => {
  // On one core it would only be in the way.
  if (availableParallelism() < 2) return undefined;
  let worker: Worker;
  try {
    worker = new Worker(new URL(url));
  } catch {
    return undefined;
  }
  worker.on("message", (message) => events.onMessage(message));
  let isClosed = false;
  worker.on("error", () => events.onFailed());
  worker.on("exit", () => {
    if (!isClosed) events.onFailed();
  });
  const close = () => {
    isClosed = true;
    void worker.terminate();
  };
  return { post: (message) => worker.postMessage(message), close };
};

/** As {@linkcode AnswerMessages}. */
export const answerMessages: AnswerMessages = (answer) => {
  parentPort?.on("message", (request) => {
    const { message, move } = answer(request);
    parentPort?.postMessage(message, move);
  });
};
