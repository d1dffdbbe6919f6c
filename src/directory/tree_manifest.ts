/**
 * The manifest of a tree of which it is known what the files hold.
 *
 * @module
 */

import { CHUNK_SIZE, encodeBlobRef } from "../wire/blob_ref.ts";
import { DirManifestWriter } from "../wire/dir_manifest.ts";
import { HASH_LENGTH, type TreeHashes } from "./tree_hashes.ts";
import type { RecordTable } from "./record_table.ts";

/**
 * The bytes of the manifest: those of its entries encoded, in a quarter of the time, because none of them is made.
 *
 * @param table the entries, sorted. @param hashes what files hold. @param rowOf says where in `hashes` a file is, by
 * its number; below 0 leaves it out.
 */
export function encodeTree(
  table: RecordTable,
  hashes: TreeHashes,
  rowOf: (entry: number) => number,
): Uint8Array {
  let count = 0;
  for (let i = 0; i < table.length; i++) if (!table.isFile(i) || rowOf(i) >= 0) count++;
  const { paths, modes, targets } = table;
  const writer = new DirManifestWriter(count);
  for (let i = 0; i < table.length; i++) {
    const path = paths[i];
    const mode = modes[i];
    if (!table.isFile(i)) {
      const target = targets.get(i);
      if (target === undefined) writer.dir(path, mode);
      else writer.symlink(path, target);
    } else {
      const row = rowOf(i);
      if (row < 0) continue;
      const size = table.sizeOf(i);
      if (size > 0 && size <= CHUNK_SIZE) {
        writer.smallFile(path, mode, hashes.bytes, hashes.firstOf(row) * HASH_LENGTH, size);
      } else writer.file(path, mode, encodeBlobRef(hashes.contentOf(row).ref));
    }
  }
  return writer.finish();
}
