/**
 * Stores one directory and fetches it to another, and prints what came of it as JSON. Run by the tests in a process with few
 * permissions.
 *
 * @module
 */

import process from "node:process";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { fetchDirWith } from "../../src/directory/fetch_tree.ts";
import { INSTALL_CALLS } from "../../src/directory/install.ts";
import { storeDir } from "../../src/directory/store_dir.ts";
import { PermissionDeniedError } from "../../src/errors.ts";

const [from, to] = process.argv.slice(2);
let exchanged = false;
try {
  const store = new MemoryBlobStore();
  const { ref } = await storeDir(store, from);
  const stats = await fetchDirWith(new StoreChunkSource(store), ref, to, {}, {
    ...INSTALL_CALLS,
    exchange: (a, b) => exchanged = INSTALL_CALLS.exchange(a, b),
  });
  console.log(JSON.stringify({ ...stats, exchanged }));
} catch (error) {
  const { name, message } = error as Error;
  const flags = error instanceof PermissionDeniedError ? error.flags : undefined;
  console.log(JSON.stringify(flags ? { name, flags } : { name, message }));
}
