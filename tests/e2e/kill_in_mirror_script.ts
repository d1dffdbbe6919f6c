/**
 * Fetches a tree over the one at the destination and kills its own process while that is mirrored. Arguments: the tree to
 * fetch, destination, cache, and who mirrors: "here", or "hand" for the helping thread.
 *
 * @module
 */

import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import type { ChunkSource } from "../../src/blob/source.ts";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { fetchDirWith } from "../../src/directory/fetch_tree.ts";
import { INSTALL_CALLS } from "../../src/directory/install.ts";
import { storeDir } from "../../src/directory/store_dir.ts";

/** A file of the old tree of which the link is waited for. */
const LINK = "tree/node_modules/pkg0000/index.js";

const [from, dest, cache, who] = process.argv.slice(2);
const store = new MemoryBlobStore();
const { ref } = await storeDir(store, from);
const die = () => process.kill(process.pid, "SIGKILL");
if (who === "hand") {
  // It is killed before it gets the manifest.
  const waiting: ChunkSource = {
    async fetchChunks() {
      const parent = dirname(dest);
      const isLinked = () => readdirSync(parent).some((name) => existsSync(join(parent, name, LINK)));
      while (!isLinked()) await new Promise((resolve) => setTimeout(resolve, 1));
      die();
    },
  };
  await fetchDirWith(waiting, ref, dest, { cache }, INSTALL_CALLS, 0);
} else {
  let links = 0;
  const link = (old: string, made: string) => {
    INSTALL_CALLS.link(old, made);
    if (++links === 100) die();
  };
  await fetchDirWith(new StoreChunkSource(store), ref, dest, { cache }, { ...INSTALL_CALLS, link }, 0);
}
