/**
 * The helping thread of {@linkcode hashFiles}: reads and hashes batches of pieces. What it cannot read it says, and
 * leaves the error to the thread that asked.
 *
 * @module
 */

import { answerMessages } from "#worker";
import { wasmBlake3 } from "../crypto/blake3_wasm.ts";
import { emptyResult, type PieceBatch, PieceHasher, unpackPiece } from "./piece_batch.ts";

const { hash, pieces } = wasmBlake3();
const hasher = new PieceHasher("Hash file", hash, pieces!);

answerMessages((message) => {
  const batch = message as PieceBatch;
  const result = emptyResult(batch.paths.length);
  for (let i = 0; i < batch.paths.length; i++) {
    try {
      hasher.hashPiece(...unpackPiece(batch, i), i, result);
    } catch {
      result.failed.push(i);
    }
  }
  return { message: result, move: [result.hashes.buffer, result.identities.buffer] };
});
