/**
 * A tree that is already on this machine: what a fetch compares with and takes known content from.
 *
 * @module
 */

import type { WorkPacer } from "./pacer.ts";
import { type WalkRecord, walkTree } from "./walk.ts";

/** A listed tree. */
export interface LocalTree {
  /** Absolute path. */
  readonly root: string;
  /** Its entries by path. */
  readonly records: ReadonlyMap<string, WalkRecord>;
  /** Whether it holds something that no manifest can hold, or that cannot be read. */
  readonly hasOther: boolean;
}

/** Lists the tree at `root`, an existing directory. What cannot be read is as good as absent. */
export async function readLocalTree(action: string, root: string, pacer: WorkPacer): Promise<LocalTree> {
  const unlimited = Number.MAX_SAFE_INTEGER;
  const walked = await walkTree(root, {
    action,
    pacer,
    tolerant: true,
    unsorted: true,
    maxEntries: unlimited,
    maxDepth: unlimited,
  });
  const records = new Map(walked.records.map((record) => [record.path, record]));
  return { root, records, hasOther: walked.skipped.length > 0 };
}
