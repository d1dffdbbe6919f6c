/**
 * Putting a directory into a store.
 *
 * @module
 */

import type { BlobStore } from "../blob/store.ts";
import { type BlobRef, CHUNK_SIZE } from "../wire/blob_ref.ts";
import { openRoot, scanInto, type ScanOptions, type ScanStats } from "./scan.ts";

/** A stored directory. */
export interface StoreDirResult {
  /** Reference of the manifest: give it to whoever is to fetch the directory. */
  readonly ref: BlobRef;
  /** What was read. */
  readonly stats: ScanStats;
}

/**
 * Copies the directory `root` into `store`: the chunks of every file, then its manifest. Holds one chunk and the
 * manifest in memory. Nothing is pinned; what was stored before a failure stays in the store.
 *
 * Throws as `scanDir` does, and whatever the store throws.
 *
 * @example
 * ```ts
 * import { MemoryBlobStore } from "@hawser/mesh/blob";
 * import { storeDir } from "@hawser/mesh/directory";
 *
 * const store = new MemoryBlobStore();
 * const { ref, stats } = await storeDir(store, ".", { include: ["src"] });
 * console.log(ref.uri, stats.files);
 * ```
 */
export async function storeDir(
  store: BlobStore,
  root: string,
  options: ScanOptions = {},
): Promise<StoreDirResult> {
  const action = "Store directory";
  const { signal } = options;
  // Small files are read on while the store keeps earlier ones: the buffer they are read into is used again.
  const chunk = (bytes: Uint8Array) =>
    store.put(bytes.length < CHUNK_SIZE ? bytes.slice() : bytes, undefined, { signal });
  const { ref, stats } = await scanInto(action, { base: openRoot(action, root) }, options, { chunk });
  return { ref, stats };
}
