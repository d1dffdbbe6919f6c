/**
 * Stores a directory in a new `FileBlobStore` and prints the milliseconds. Arguments: the directory, the store's folder.
 *
 * @module
 */

import process from "node:process";
import { FileBlobStore } from "@hawser/mesh/blob";
import { storeDir } from "@hawser/mesh/directory";

const [root, folder] = process.argv.slice(2);
const begin = performance.now();
const store = await FileBlobStore.open(folder);
await storeDir(store, root);
await store.close();
console.log(JSON.stringify({ ms: performance.now() - begin }));
