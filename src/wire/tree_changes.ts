/**
 * How a directory differs from an earlier one (`formats.md` 3.5): what is no more, and what is new or other. This is the
 * format only; whether it fits the earlier one is decided by `directory/`.
 *
 * @module
 */

import { UnsupportedVersionError } from "../errors.ts";
import { decodeDirManifest, type DirEntry, encodeDirManifest } from "./dir_manifest.ts";
import { PostcardReader, PostcardWriter } from "./postcard.ts";

/** The version of the format that this release reads and writes. */
const TREE_CHANGES_VERSION = 1;
/** Greatest size of encoded changes, bytes: some 6,000 files. More is worth a manifest. */
export const MAX_TREE_CHANGES_LENGTH: number = 1024 * 1024;

/** From one directory to another. */
export interface TreeChanges {
  /** Paths that are there no more, sorted by their UTF-8 bytes. */
  readonly removed: readonly string[];
  /** What is new or other, sorted likewise. */
  readonly entries: readonly DirEntry[];
}

/** The bytes of changes. Throws `InvalidArgumentError` when a mode is not an unsigned 32-bit number. */
export function encodeTreeChanges({ removed, entries }: TreeChanges): Uint8Array {
  const manifest = encodeDirManifest(entries);
  const writer = new PostcardWriter(16 + 80 * removed.length + manifest.length);
  writer.u8(TREE_CHANGES_VERSION).varint(removed.length);
  for (const path of removed) writer.string(path);
  return writer.fixed(manifest).finish();
}

/**
 * Reads changes; bytes after them are ignored. References are views of `bytes`.
 *
 * Throws `DecodeError` when malformed, `UnsupportedVersionError` on an unknown version, `LimitExceededError` when there
 * are more entries than a manifest may have.
 */
export function decodeTreeChanges(bytes: Uint8Array): TreeChanges {
  const reader = new PostcardReader(bytes, "tree changes");
  const version = reader.u8();
  if (version !== TREE_CHANGES_VERSION) throw new UnsupportedVersionError("tree changes", version);
  const count = reader.u64();
  const removed: string[] = [];
  for (let i = 0; i < count; i++) removed.push(reader.string());
  return { removed, entries: decodeDirManifest(reader.fixed(reader.remaining)).entries };
}
