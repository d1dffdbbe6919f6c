/**
 * What is remembered of trees, made to order: tests cannot wait until what they have just made is old enough to be
 * relied upon, nor see otherwise whether a file was read.
 *
 * @module
 */

import assert from "node:assert/strict";
import { RecordTable } from "../../src/directory/record_table.ts";
import { TreeCache, type TreeName } from "../../src/directory/tree_cache.ts";
import { type TreeMemory, TRUST } from "../../src/directory/tree_cache_format.ts";
import { TreeHashes } from "../../src/directory/tree_hashes.ts";
import type { WalkRecord } from "../../src/directory/walk.ts";

/** What to remember instead. */
export interface MemoryChange {
  /** How files looked. @default as they did */
  readonly look?: (record: WalkRecord) => Partial<WalkRecord>;
  /** What of them can be relied upon. @default `TRUST.sameCtime` */
  readonly trust?: number;
}

/** Remembers what is remembered as if all files had been left alone for long, and with changes. */
export function rememberAs(folder: string, name: TreeName, change: MemoryChange = {}): TreeMemory {
  const memory = recall(folder, name);
  const records = memory.table.records.map((record) => ({ ...record, ...change.look?.(record) }));
  const trust = Uint8Array.from(
    records,
    ({ kind }) => kind === "file" ? change.trust ?? TRUST.sameCtime : TRUST.none,
  );
  const changed = { ...memory, table: RecordTable.of(records), trust };
  TreeCache.open(folder)!.save(name, changed);
  return changed;
}

/** Remembers that every file holds something else than it does: whoever reads none of them believes it. */
export function rememberLies(folder: string, name: TreeName, change: MemoryChange = {}): void {
  const { scanned: _, fetched: __, ...memory } = rememberAs(folder, name, change);
  const hashes = new TreeHashes(memory.table, memory.hashes.bytes.map((byte) => byte ^ 0xff));
  TreeCache.open(folder)!.save(name, { ...memory, hashes });
}

/** What is remembered; fails when that is nothing. */
export function recall(folder: string, name: TreeName): TreeMemory {
  const memory = TreeCache.open(folder)!.load(name);
  assert.ok(memory !== undefined, "the tree is remembered");
  return memory;
}
