/**
 * The manifest of a tree of which it is known what the files hold.
 *
 * @module
 */

import { CHUNK_SIZE, encodeBlobRef } from "../wire/blob_ref.ts";
import { DirManifestWriter } from "../wire/dir_manifest.ts";
import { HASH_LENGTH, type TreeHashes } from "./tree_hashes.ts";
import type { WalkRecord } from "./walk.ts";

/**
 * The bytes of the manifest: those of its entries encoded, in a quarter of the time, because none of them is made.
 *
 * @param records the entries, sorted. @param hashes what files hold. @param rowOf says where in `hashes` a file is, by
 * its number; below 0 leaves it out.
 */
export function encodeTree(
  records: readonly WalkRecord[],
  hashes: TreeHashes,
  rowOf: (entry: number) => number,
): Uint8Array {
  let count = 0;
  for (let i = 0; i < records.length; i++) if (records[i].kind !== "file" || rowOf(i) >= 0) count++;
  const writer = new DirManifestWriter(count);
  for (let i = 0; i < records.length; i++) {
    const { kind, path, mode, size, target } = records[i];
    if (kind === "dir") writer.dir(path, mode);
    else if (kind === "symlink") writer.symlink(path, target);
    else {
      const row = rowOf(i);
      if (row < 0) continue;
      if (size > 0 && size <= CHUNK_SIZE) {
        writer.smallFile(path, mode, hashes.bytes, hashes.firstOf(row) * HASH_LENGTH, size);
      } else writer.file(path, mode, encodeBlobRef(hashes.contentOf(row).ref));
    }
  }
  return writer.finish();
}
