/**
 * Fetches the directory at the first argument to the second, with a thread that makes its files where one is to be had,
 * and kills this process when so many files are complete as the third says.
 *
 * @module
 */

import process from "node:process";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { fetchDirWith } from "../../src/directory/fetch_tree.ts";
import { INSTALL_CALLS } from "../../src/directory/install.ts";
import { storeDir } from "../../src/directory/store_dir.ts";
import { TreeHand } from "../../src/directory/tree_hand.ts";

const [root, dest, count] = process.argv.slice(2);
const store = new MemoryBlobStore();
const { ref } = await storeDir(store, root);
const hand = TreeHand.start();
// It is up when it has done something that nobody waits for. Node's permission model has none unless asked to.
if (hand !== undefined) {
  await new Promise<void>((resolve) => hand.do({ call: "makeDirectory", paths: [] }, () => resolve()));
}
const onProgress = ({ files }: { files: number }) => {
  if (files >= Number(count)) process.kill(process.pid, "SIGKILL");
};
const source = new StoreChunkSource(store);
await fetchDirWith(source, ref, dest, { onProgress }, INSTALL_CALLS, undefined, hand);
