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

/** Changes on their way. */
export interface PackedChanges {
  /** Size of the changes, bytes. */
  readonly length: number;
  /** Their packed form. */
  readonly packed: Uint8Array;
}

/** Packs encoded changes. */
export function packChanges(bytes: Uint8Array): PackedChanges {
  return { length: bytes.length, packed: packBytes([bytes]) };
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
  return decodeTreeChanges(unpackBlob(packed, length));
}

/** What a remembered directory is known by in the question for changes. */
export function baseKey(blake3: Blake3, { ref }: TreeAddress): Uint8Array {
  return blake3.hash(fromHex(ref)!);
}
