/**
 * What a {@linkcode HandThread} runs: batches of file calls in the order in which they come. Before those of each hand
 * comes the memory by which it is told to stop.
 *
 * @module
 */

import { fileCalls } from "#file_calls";
import { answerMessages } from "#worker";
import { type CallBatch, runBatch } from "./call_batch.ts";

let stop: Int32Array | undefined;

answerMessages((message) => {
  if (message instanceof Int32Array) {
    if (stop === undefined) fileCalls.prepare();
    stop = message;
    return { message: "up", move: [] };
  }
  const seen = stop!;
  const result = runBatch(message as CallBatch, () => Atomics.load(seen, 0) !== 0);
  return { message: result, move: [result.looks.buffer as ArrayBuffer] };
});
