/**
 * A tree that is already on this machine: what a fetch compares with and takes known content from.
 *
 * @module
 */

import { KnownTree } from "./known_tree.ts";
import type { WorkPacer } from "./pacer.ts";
import type { TreeCache } from "./tree_cache.ts";
import { type WalkRecord, walkTree } from "./walk.ts";

/** A listed tree. */
export interface LocalTree {
  /** Absolute path. */
  readonly root: string;
  /** Its entries by path. */
  readonly records: ReadonlyMap<string, WalkRecord>;
  /** Whether it holds something that no manifest can hold, or that cannot be read. */
  readonly hasOther: boolean;
  /** What is remembered of it. */
  readonly known?: KnownTree;
}

/**
 * Lists the tree at `root`, an existing directory. What cannot be read is as good as absent.
 *
 * @param cache where it may be remembered what the files hold.
 */
export async function readLocalTree(
  action: string,
  root: string,
  pacer: WorkPacer,
  cache?: TreeCache,
): Promise<LocalTree> {
  const unlimited = Number.MAX_SAFE_INTEGER;
  const memory = cache?.load({ root });
  const walked = await walkTree(root, {
    action,
    pacer,
    tolerant: true,
    maxEntries: unlimited,
    maxDepth: unlimited,
  });
  const known = memory && await KnownTree.compare(root, walked.records, memory, pacer);
  return new ListedTree(root, walked.records, walked.skipped.length > 0, known);
}

class ListedTree implements LocalTree {
  #records: ReadonlyMap<string, WalkRecord> | undefined;

  constructor(
    readonly root: string,
    readonly list: readonly WalkRecord[],
    readonly hasOther: boolean,
    readonly known: KnownTree | undefined,
  ) {}

  /** Made when it is asked for: of a tree that nothing was done to nobody wants to know more. */
  get records(): ReadonlyMap<string, WalkRecord> {
    return this.#records ??= new Map(this.list.map((record) => [record.path, record]));
  }
}
