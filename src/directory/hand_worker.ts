/**
 * The thread of a {@linkcode TreeHand}: does batches of file calls in the order in which they come. The first message is
 * the memory by which it is told to stop.
 *
 * @module
 */

import { answerMessages } from "#worker";
import { type CallBatch, runBatch } from "./call_batch.ts";

let stop: Int32Array | undefined;

answerMessages((message) => {
  if (stop === undefined) {
    stop = message as Int32Array;
    return { message: "up", move: [] };
  }
  const state = stop;
  const result = runBatch(message as CallBatch, () => Atomics.load(state, 0) !== 0);
  return { message: result, move: [result.looks.buffer as ArrayBuffer] };
});
