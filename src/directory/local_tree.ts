/**
 * A tree that is already on this machine: what a fetch compares with and takes known content from.
 *
 * @module
 */

import { hashLocalTree } from "./hash_local.ts";
import { KnownTree } from "./known_tree.ts";
import type { WorkPacer } from "./pacer.ts";
import type { RecordTable } from "./record_table.ts";
import type { TreeCache } from "./tree_cache.ts";
import type { TreeMemory } from "./tree_cache_format.ts";
import { walkTree } from "./walk.ts";

/** A listed tree. */
export interface LocalTree {
  /** Absolute path. */
  readonly root: string;
  /** Its entries, sorted by the UTF-8 bytes of their paths. */
  readonly table: RecordTable;
  /** Whether it holds something that no manifest can hold, or that cannot be read. */
  readonly hasOther: boolean;
  /** What is remembered of it: of the same entries. */
  readonly known?: KnownTree;
}

/** How much is to be known of a tree. */
export interface LocalTreeOptions {
  /** Where it may be remembered what its files hold. */
  readonly cache?: TreeCache;
  /** What is remembered of it. @default what the cache remembers */
  readonly remembered?: TreeMemory;
  /** Hashes its files where nothing is remembered. @default false */
  readonly hashes?: boolean;
}

/** Lists the tree at `root`, an existing directory. What cannot be read is as good as absent. */
export async function readLocalTree(
  action: string,
  root: string,
  pacer: WorkPacer,
  { cache, remembered = cache?.load({ root }), hashes = false }: LocalTreeOptions = {},
): Promise<LocalTree> {
  const unlimited = Number.MAX_SAFE_INTEGER;
  const since = Date.now();
  const walked = await walkTree(root, {
    action,
    pacer,
    tolerant: true,
    maxEntries: unlimited,
    maxDepth: unlimited,
    expected: remembered?.table,
  });
  const memory = remembered ??
    (hashes ? await hashLocalTree(action, root, walked.table, since, pacer) : undefined);
  const known = memory && await KnownTree.compare(root, walked.table, memory, pacer);
  return { root, table: walked.table, hasOther: walked.skipped.length > 0, known };
}
