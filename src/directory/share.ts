/**
 * Serving a directory where it is.
 *
 * @module
 */

import type { ContentChunk } from "../blob/chunking.ts";
import { FolderBlobStore } from "../blob/folder_store.ts";
import type { BlobStore, SyncReadableStore } from "../blob/store.ts";
import type { BlobRef, ChunkRef } from "../wire/blob_ref.ts";
import { CHUNK_SIZE } from "../wire/blob_ref.ts";
import { openDirectoryOrFile, scanInto, type ScanOptions, type ScanSink, type ScanStats } from "./scan.ts";

/** A directory that can be served. */
export interface SharedFolder {
  /** Serves the files in place and the manifest from memory. The caller's to close. */
  readonly store: BlobStore & SyncReadableStore;
  /** Reference of the manifest: give it to whoever is to fetch the directory. */
  readonly ref: BlobRef;
  /** What was read. */
  readonly stats: ScanStats;
}

/**
 * Reads the directory `root` and returns a store that serves it in place: nothing is copied. A file is served as a
 * directory that holds nothing else; its name is its own, links to it resolved. A file that changes afterwards is noticed when it is asked for, and refused; share again to offer the new content.
 *
 * Throws as `scanDir` does.
 *
 * @example
 * ```ts
 * import { shareFolder } from "@hawser/mesh/directory";
 *
 * const { store, ref } = await shareFolder(".", { include: ["src"] });
 * console.log(ref.uri);
 * await store.close();
 * ```
 */
export async function shareFolder(root: string, options: ScanOptions = {}): Promise<SharedFolder> {
  const action = "Share directory";
  const target = openDirectoryOrFile(action, root);
  const store = new FolderBlobStore(target.base);
  try {
    const { ref, stats } = await scanInto(action, target, options, storeSink(store));
    return { store, ref, stats };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Tells a store where everything is. */
export function storeSink(store: FolderBlobStore): ScanSink {
  return {
    manifestChunk: (bytes) => store.addBytes(bytes),
    knownChunk: (hash, bytes) => store.addHashed(hash, bytes),
    file: (path, stat, chunks, bytes) => store.addFile(path, stat, placed(chunks), bytes),
    later: (tell) => store.addLater(tell),
  };
}

function placed(chunks: readonly ChunkRef[]): ContentChunk[] {
  return chunks.map(({ hash, size }, ordinal) => ({ hash, size, offset: ordinal * CHUNK_SIZE }));
}
