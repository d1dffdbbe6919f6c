/**
 * The thread of a {@linkcode TreeHand}: does batches of file calls in the order in which they come. The first message is
 * the memory by which it is told to stop, and tells how many batches it has done.
 *
 * @module
 */

import { fileCalls } from "#file_calls";
import { answerMessages } from "#worker";
import { type CallBatch, runBatch } from "./call_batch.ts";

let shared: Int32Array | undefined;

answerMessages((message) => {
  if (shared === undefined) {
    shared = message as Int32Array;
    fileCalls.prepare();
    return { message: "up", move: [] };
  }
  const seen = shared;
  const result = runBatch(message as CallBatch, () => Atomics.load(seen, 0) !== 0);
  Atomics.add(seen, 1, 1);
  return { message: result, move: [result.looks.buffer as ArrayBuffer] };
});
