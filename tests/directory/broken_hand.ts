/**
 * A thread like that of a `TreeHand` that breaks: in its second batch, of which it has done one call.
 *
 * @module
 */

import { answerMessages } from "#worker";
import { type CallBatch, runBatch } from "../../src/directory/call_batch.ts";

let messages = 0;

answerMessages((message) => {
  if (messages++ === 0) return { message: "up", move: [] };
  const batch = message as CallBatch;
  if (messages < 3) return { message: runBatch(batch, () => false), move: [] };
  runBatch({ ...batch, paths: batch.paths.slice(0, 1) }, () => false);
  throw new Error("broken");
});
