/**
 * Removing a tree on two threads: the parts of it that lie beside each other, each by whoever is free.
 *
 * @module
 */

import { listDirectory } from "#look";
import { removePart } from "#remove";
import { DIRECTORY_MARK } from "../runtime/look.ts";
import { type CallBatch, takeBatch } from "./call_batch.ts";
import { removeTree } from "./remove_tree.ts";
import type { TreeHand } from "./tree_hand.ts";

/** Parts in a batch: few, for one may be large. */
const BATCH_PARTS = 16;

/** As {@linkcode removeTree}, with the help of a hand. */
export async function removeTreeWith(hand: TreeHand, path: string): Promise<void> {
  const batches = batchesOf(path);
  for (const batch of batches) hand.do(batch, () => {});
  for (const { paths, claim } of batches.reverse()) {
    if (!takeBatch(claim)) continue;
    // What cannot be removed is found out below.
    for (const part of paths) await removePart(part).catch(() => {});
  }
  await hand.idle();
  await removeTree(path);
}

function batchesOf(path: string): (CallBatch & Required<Pick<CallBatch, "claim">>)[] {
  const parts = partsOf(path);
  const count = Math.ceil(parts.length / BATCH_PARTS);
  const cells = new Int32Array(new SharedArrayBuffer(4 * count));
  return Array.from({ length: count }, (_, index) => {
    const paths = parts.slice(index * BATCH_PARTS, (index + 1) * BATCH_PARTS);
    return { call: "removeTree", paths, goesOn: true, claim: { cells, index } };
  });
}

/** What is in a directory, or in the only one that is in it. */
function partsOf(path: string): string[] {
  try {
    for (;;) {
      const names = listDirectory(path);
      const [first] = names;
      if (names.length !== 1 || !first.endsWith(DIRECTORY_MARK)) {
        return names.map((name) => `${path}/${nameOf(name)}`);
      }
      path = `${path}/${nameOf(first)}`;
    }
  } catch {
    // Absent, or not readable: then it is removed as a whole or not at all.
    return [];
  }
}

function nameOf(name: string): string {
  return name.endsWith(DIRECTORY_MARK) ? name.slice(0, -DIRECTORY_MARK.length) : name;
}
