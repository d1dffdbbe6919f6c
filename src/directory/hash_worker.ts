/**
 * The helping thread of {@linkcode hashFiles}: reads and hashes batches of pieces. What it cannot read it says, and
 * leaves the error to the thread that asked.
 *
 * @module
 */

import { answerMessages } from "#worker";
import { newBlake3 } from "../crypto/blake3.ts";
import { emptyResult, type PieceBatch, PieceHasher, unpackPiece } from "./piece_batch.ts";

const blake3 = newBlake3();
const hasher = new PieceHasher("Hash file", (bytes) => blake3.hash(bytes), blake3.pieces!);

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
