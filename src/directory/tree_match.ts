/**
 * Compares how a tree looks now with what is remembered of it: of which files it is known what they hold, without
 * reading them (`content.md` 6).
 *
 * A file counts as unchanged when its path, size, inode, file system and mtime are the recorded ones and its ctime
 * says that nothing at all was done to it since. So a rewrite is noticed that restored the mtime, and another file
 * that was moved to its name. What was changed so shortly before it was hashed that a later change could look the
 * same is recorded, but not relied upon.
 *
 * @module
 */

import { comparePaths } from "./path_rules.ts";
import { type TreeMemory, TRUST } from "./tree_cache_format.ts";
import { CTIME, DEV, INO, MTIME, NUMBERS, type RecordTable, SIZE } from "./record_table.ts";
import type { WalkRecord } from "./walk.ts";

/**
 * How long before its hashing a file must have been left alone to be relied upon, milliseconds: more than the clock of
 * any usual file system is coarse, and than the whole seconds that Deno gives of a ctime.
 */
const SETTLED_MS = 2000;

/** What is left of a file's trust for whoever needs the hash of the whole, too. */
export type Needed = "chunks" | "all";

/** A tree as it is now beside what is remembered of it. */
export interface TreeMatch {
  /** By entry of the tree as it is now: its number in the memory when what it holds is known, else -1. */
  readonly rows: Int32Array;
  /** Files of which it is not known, but which have the size remembered: number of the entry, number in the memory. */
  readonly sameSize: readonly (readonly [number, number])[];
  /** Whether it has the same entries, with the same kinds, sizes, modes and targets. */
  readonly isSameShape: boolean;
  /** Number of files of which it is not known. */
  readonly unknown: number;
}

/** Compares entries, sorted by the UTF-8 bytes of their paths, with what is remembered. */
export function matchTree(table: RecordTable, memory: TreeMemory, needed: Needed): TreeMatch {
  const { table: known, trust } = memory;
  const { paths } = table;
  const rows = new Int32Array(paths.length).fill(-1);
  const sameSize: [number, number][] = [];
  let isSameShape = paths.length === known.length;
  let unknown = 0;
  let row = 0;
  for (let entry = 0; entry < paths.length; entry++) {
    const path = paths[entry];
    // Most are where they are expected, which is sooner found out than which of two comes first.
    while (row < known.length && known.paths[row] !== path && comparePaths(known.paths[row], path) < 0) row++;
    const isFile = table.isFile(entry);
    if (row === known.length || known.paths[row] !== path) {
      isSameShape = false;
      if (isFile) unknown++;
      continue;
    }
    if (!table.hasShapeOf(entry, known, row)) isSameShape = false;
    if (isFile) {
      if (isTrusted(table, entry, known, row, trust[row], needed)) rows[entry] = row;
      else {
        unknown++;
        if (known.isFile(row) && known.sizeOf(row) === table.sizeOf(entry)) sameSize.push([entry, row]);
      }
    }
    row++;
  }
  return { rows, sameSize, isSameShape, unknown };
}

/** Whether a file that looks as in `now` holds what was recorded of the one in `then`. */
function isTrusted(
  now: RecordTable,
  entry: number,
  then: RecordTable,
  row: number,
  trust: number,
  needed: Needed,
): boolean {
  if (!then.isFile(row)) return false;
  const a = now.numbers;
  const b = then.numbers;
  const at = entry * NUMBERS;
  const was = row * NUMBERS;
  if (
    a[at + SIZE] !== b[was + SIZE] || a[at + MTIME] !== b[was + MTIME] || a[at + INO] !== b[was + INO] ||
    a[at + DEV] !== b[was + DEV]
  ) {
    return false;
  }
  if (needed === "all" && (trust & TRUST.chunksOnly) !== 0) return false;
  switch (trust & ~TRUST.chunksOnly) {
    case TRUST.sameCtime:
      return a[at + CTIME] === b[was + CTIME];
    case TRUST.ctimeUntil:
      return a[at + CTIME] <= b[was + CTIME];
    default:
      return false;
  }
}

/** Whether a file that looked like `record` before it was hashed, not before `since`, can be relied upon. */
export function isSettled({ mtimeMs, ctimeMs }: WalkRecord, since: number): boolean {
  return Math.max(mtimeMs, ctimeMs) < since - SETTLED_MS;
}
