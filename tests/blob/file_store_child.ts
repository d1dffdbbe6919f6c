/**
 * Stores and deletes blobs until it is killed, and prints what was acknowledged: `+size` when a blob is stored,
 * `~size` before and `-size` after it is deleted. Arguments: the folder, the first size.
 *
 * @module
 */

import { writeSync } from "node:fs";
import process from "node:process";
import { FileBlobStore } from "../../src/blob/file_store.ts";
import { patterned } from "../support/patterned.ts";

const [path, first] = process.argv.slice(2);
const store = await FileBlobStore.open(path, { packBytes: 32 * 1024 });
writeSync(1, "open\n");
for (let round = 1;; round++) {
  const sizes = Array.from({ length: 8 }, (_, i) => Number(first) + 8 * round + i);
  await Promise.all(sizes.map(async (size) => {
    const hash = await store.put(patterned(size));
    writeSync(1, `+${size}\n`);
    if (size % 3 !== 0) return;
    writeSync(1, `~${size}\n`);
    await store.delete(hash);
    writeSync(1, `-${size}\n`);
  }));
  // Packs go, too, but no blob.
  if (round % 4 !== 0) continue;
  const roots: Uint8Array[] = [];
  for await (const { hash } of store.list()) roots.push(hash);
  await store.gc({ roots });
}
