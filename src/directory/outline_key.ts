/**
 * What the staging folders of a directory are known by: the hash of its outline, which is there before the reference is,
 * and follows from a manifest.
 *
 * @module
 */

import type { Blake3 } from "../crypto/blake3.ts";
import { toHex } from "../wire/bytes.ts";
import type { DirEntry } from "../wire/dir_manifest.ts";
import { encodeDirOutline, type OutlineEntry } from "../wire/dir_outline.ts";
import type { PlannedFile } from "./plan_files.ts";

/** The key of a directory, hex. */
export function outlineKey(blake3: Blake3, outline: readonly OutlineEntry[]): string {
  return keyOfOutline(blake3, encodeDirOutline(outline));
}

/** The same of an encoded outline. */
export function keyOfOutline(blake3: Blake3, outline: Uint8Array): string {
  return toHex(blake3.hash(outline));
}

/** The outline of a manifest. @param files those of its plan. */
export function outlineOf(entries: readonly DirEntry[], files: readonly PlannedFile[]): OutlineEntry[] {
  let file = 0;
  return entries.map((entry) => {
    if (entry.kind !== "file") return entry;
    const { kind, path, mode } = entry;
    return { kind, path, mode, size: files[file++].size };
  });
}
