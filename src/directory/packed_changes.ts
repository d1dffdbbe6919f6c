/**
 * What changed in a directory, in the form in which it is sent (`content.md` 5): packed as manifests are.
 *
 * @module
 */

import { packBytes, unpackBlob } from "../blob/packed_blob.ts";
import type { Blake3 } from "../crypto/blake3.ts";
import { LimitExceededError } from "../errors.ts";
import { fromHex } from "../wire/bytes.ts";
import { decodeTreeChanges, MAX_TREE_CHANGES_LENGTH, type TreeChanges } from "../wire/tree_changes.ts";
import type { TreeAddress } from "./tree_cache_format.ts";

/**
 * Changes up to this length, bytes, go as they are: loading what packs and unpacks takes as long as sending them with
 * 10 Mbit/s.
 */
const PLAIN_LENGTH: number = 32 * 1024;

/** Changes on their way. */
export interface PackedChanges {
  /** Size of the changes, bytes. */
  readonly length: number;
  /** Their packed form; as they are, when that has as many bytes. */
  readonly packed: Uint8Array;
}

/** Packs encoded changes, if they are worth the time. */
export function packChanges(bytes: Uint8Array): PackedChanges {
  const packed = bytes.length > PLAIN_LENGTH ? packBytes([bytes]) : bytes;
  return { length: bytes.length, packed: packed.length < bytes.length ? packed : bytes };
}

/**
 * Checks what a holder says of its changes before the packed form is received. Throws `LimitExceededError` when either
 * form is larger than any that is sent.
 */
export function checkChangesSize(length: number, packedLength: number): void {
  const larger = Math.max(length, packedLength);
  if (larger <= MAX_TREE_CHANGES_LENGTH) return;
  const message = `Fetch changes: they have ${larger} bytes, wanted at most ${MAX_TREE_CHANGES_LENGTH}`;
  throw new LimitExceededError(message, "changes", larger, MAX_TREE_CHANGES_LENGTH);
}

/**
 * The changes behind a packed form. Takes no more memory than some times `length`, whatever `packed` holds. Throws
 * `DecodeError` when it is malformed or of another length, `UnsupportedVersionError`, `LimitExceededError`.
 */
export function unpackChanges({ length, packed }: PackedChanges): TreeChanges {
  return decodeTreeChanges(packed.length === length ? packed : unpackBlob(packed, length));
}

/** What a remembered directory is known by in the question for changes. */
export function baseKey(blake3: Blake3, { ref }: TreeAddress): Uint8Array {
  return blake3.hash(fromHex(ref)!);
}
