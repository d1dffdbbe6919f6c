/**
 * Offers that are read as slowly as a test likes.
 *
 * @module
 */

import { FolderBlobStore } from "../../src/blob/folder_store.ts";
import { FolderOffer } from "../../src/directory/offer_folder.ts";
import { concatBytes } from "../../src/wire/bytes.ts";
import type { OfferedTree } from "./scripted_offer.ts";

const STATS = { files: 0, dirs: 0, symlinks: 0, bytes: 0, manifestBytes: 0, skipped: [] };

/**
 * An offer that lists `tree`, which is at `root`, and tells of its hashes one by one, each once `wait` has resolved. The
 * content is served by others.
 *
 * @param onEnd is told when the last hash was.
 */
export function toldOffer(
  root: string,
  tree: OfferedTree,
  wait: (told: number) => Promise<void> | void,
  onEnd?: () => void,
): FolderOffer {
  return new FolderOffer(new FolderBlobStore(root), root, async (feed, stop) => {
    feed.list({ records: tree.outline });
    const hashes = concatBytes(tree.hashes);
    for (let told = 0; told < tree.hashes.length;) {
      await wait(told);
      stop.throwIfAborted();
      feed.know(hashes, ++told);
    }
    onEnd?.();
    return { ref: tree.ref, stats: STATS };
  });
}
