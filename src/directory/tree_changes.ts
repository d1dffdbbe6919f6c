/**
 * The holder's side of changes (`content.md` 5): how a directory that was read differs from what was remembered of it
 * before.
 *
 * @module
 */

import { CHUNK_SIZE, encodeBlobRef } from "../wire/blob_ref.ts";
import { equalBytes } from "../wire/bytes.ts";
import type { DirEntry } from "../wire/dir_manifest.ts";
import { encodeTreeChanges, MAX_TREE_CHANGES_LENGTH } from "../wire/tree_changes.ts";
import type { HashedTree } from "./hash_tree.ts";
import { comparePaths } from "./path_rules.ts";
import { KINDS, type RecordTable } from "./record_table.ts";
import type { TreeMemory } from "./tree_cache_format.ts";
import type { TreeHashes } from "./tree_hashes.ts";

const PERMISSIONS = 0o777;
const REGULAR = 0o100000;
const DIRECTORY = 0o040000;
/** Bytes that an entry takes besides its path. */
const LEAST_ENTRY = 4;

/**
 * The encoded changes from what `memory` is of, sorted as everything here, to a tree that was read; `undefined` when they
 * are more than is sent. Among them is what did not change, but cannot be known to who made the tree from its manifest:
 * the hash of the whole of files of several chunks, and modes of which a fetch leaves out bits.
 */
export function changesOf(
  table: RecordTable,
  { hashes, known }: Pick<HashedTree, "hashes" | "known">,
  memory: TreeMemory,
): Uint8Array | undefined {
  const before = memory.table;
  const removed: string[] = [];
  const entries: DirEntry[] = [];
  let left = MAX_TREE_CHANGES_LENGTH;
  /** The next of the files that are known to hold what is remembered. */
  let next = 0;
  let row = 0;
  const remove = () => {
    const path = before.paths[row++];
    removed.push(path);
    left -= path.length;
  };
  for (let entry = 0; entry < table.length && left >= 0; entry++) {
    const path = table.paths[entry];
    const isKnown = known[next] === entry;
    if (isKnown) next++;
    while (row < before.length && before.paths[row] !== path && comparePaths(before.paths[row], path) < 0) {
      remove();
    }
    const isThere = row < before.length && before.paths[row] === path;
    const isSame = isThere && isPlain(table, entry) && table.hasShapeOf(entry, before, row) &&
      (isKnown || !table.isFile(entry) || equalBytes(hashes.of(entry), memory.hashes.of(row)));
    if (isThere) row++;
    if (isSame) continue;
    const changed = entryOf(table, hashes, entry);
    entries.push(changed);
    left -= path.length + LEAST_ENTRY + (changed.kind === "file" ? changed.blob.length : 0);
  }
  while (row < before.length && left >= 0) remove();
  if (left < 0) return undefined;
  const changes = encodeTreeChanges({ removed, entries });
  return changes.length <= MAX_TREE_CHANGES_LENGTH ? changes : undefined;
}

/** Whether who made this from its entry can tell the entry from what was made. */
function isPlain(table: RecordTable, entry: number): boolean {
  const type = table.modes[entry] & ~PERMISSIONS;
  if (table.isFile(entry)) return type === REGULAR && table.sizeOf(entry) <= CHUNK_SIZE;
  return type === DIRECTORY || table.targets.has(entry);
}

function entryOf({ paths, modes, targets, kinds }: RecordTable, hashes: TreeHashes, entry: number): DirEntry {
  const path = paths[entry];
  const mode = modes[entry];
  switch (KINDS[kinds[entry]]) {
    case "file":
      return { kind: "file", path, mode, blob: encodeBlobRef(hashes.contentOf(entry).ref) };
    case "dir":
      return { kind: "dir", path, mode };
    case "symlink":
      return { kind: "symlink", path, target: targets.get(entry)! };
  }
}
