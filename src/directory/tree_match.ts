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
  /** Whether besides that every file holds what is remembered. */
  readonly isUnchanged: boolean;
}

/** Compares entries, sorted by the UTF-8 bytes of their paths, with what is remembered. */
export function matchTree(records: readonly WalkRecord[], memory: TreeMemory, needed: Needed): TreeMatch {
  const { records: known, trust } = memory;
  const rows = new Int32Array(records.length).fill(-1);
  const sameSize: [number, number][] = [];
  let isSameShape = records.length === known.length;
  let isUnchanged = isSameShape;
  let row = 0;
  for (let i = 0; i < records.length; i++) {
    const record = records[i];
    // Most are where they are expected, which is sooner found out than which of two comes first.
    while (row < known.length && known.at(row)!.path !== record.path) {
      if (comparePaths(known.at(row)!.path, record.path) > 0) break;
      row++;
    }
    const old = row < known.length ? known.at(row) : undefined;
    if (old === undefined || old.path !== record.path) {
      isSameShape = isUnchanged = false;
      continue;
    }
    if (!hasSameShape(record, old)) isSameShape = isUnchanged = false;
    if (record.kind === "file") {
      if (isTrusted(record, old, trust[row], needed)) rows[i] = row;
      else {
        isUnchanged = false;
        if (old.kind === "file" && old.size === record.size) sameSize.push([i, row]);
      }
    }
    row++;
  }
  return { rows, sameSize, isSameShape, isUnchanged };
}

function hasSameShape(a: WalkRecord, b: WalkRecord): boolean {
  if (a.kind !== b.kind) return false;
  if (a.kind === "symlink") return a.target === b.target;
  return a.mode === b.mode && (a.kind === "dir" || a.size === b.size);
}

/** Whether a file that looks like `now` holds what was recorded of one that looked like `then`. */
export function isTrusted(now: WalkRecord, then: WalkRecord, trust: number, needed: Needed): boolean {
  if (now.kind !== "file" || then.kind !== "file") return false;
  if (
    now.size !== then.size || now.mtimeMs !== then.mtimeMs || now.ino !== then.ino || now.dev !== then.dev
  ) {
    return false;
  }
  if (needed === "all" && (trust & TRUST.chunksOnly) !== 0) return false;
  switch (trust & ~TRUST.chunksOnly) {
    case TRUST.sameCtime:
      return now.ctimeMs === then.ctimeMs;
    case TRUST.ctimeUntil:
      return now.ctimeMs <= then.ctimeMs;
    default:
      return false;
  }
}

/** Whether a file that looked like `record` before it was hashed, not before `since`, can be relied upon. */
export function isSettled({ mtimeMs, ctimeMs }: WalkRecord, since: number): boolean {
  return Math.max(mtimeMs, ctimeMs) < since - SETTLED_MS;
}
