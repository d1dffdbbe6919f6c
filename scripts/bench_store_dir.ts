/**
 * Measured by `bench.ts` in a process of its own: storing a directory in a `FileBlobStore`.
 * Arguments: the directory, the store's folder. Prints one line of JSON.
 *
 * @module
 */

import { FileBlobStore } from "../src/blob/mod.ts";
import { storeDir } from "../src/directory/mod.ts";

const [root, folder] = Deno.args;
const begin = performance.now();
const store = await FileBlobStore.open(folder);
const { stats } = await storeDir(store, root);
await store.close();
console.log(
  JSON.stringify({ files: stats.files, bytes: stats.bytes, ms: Math.round(performance.now() - begin) }),
);
