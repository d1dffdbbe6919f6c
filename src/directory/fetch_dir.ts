/**
 * The call that fetches a directory.
 *
 * @module
 */

import type { ChunkSource } from "../blob/source.ts";
import type { BlobRef } from "../wire/blob_ref.ts";
import type { DirectoryOffer, OfferSource } from "./directory_offer.ts";
import type { FetchDirOptions, FetchDirStats } from "./fetch_options.ts";

/**
 * Makes `dest` the directory behind a reference, or the one that a peer offers, all or nothing: the new tree is made in
 * a folder beside `dest`, verified byte by byte, and then takes its place, with the old tree, if any, gone. On any
 * failure, and when `signal` is aborted, `dest` is what it was and nothing is left beside it. A process that is killed
 * leaves a folder `.<name>.fetch_<id>`, which the next fetch of the same directory continues, by whatever it is fetched,
 * and any other removes.
 *
 * What is offered is fetched while its holder still reads it, if there is nothing at `dest` and nothing to reuse; else
 * the reference is waited for, and what is on this machine is read meanwhile. An offer given here is closed in the end.
 * An `OfferSource` is asked again when its answer breaks off. A holder that is there
 * and tells of no hash in 30 s is given up; how long one may read before that is for `signal` to say.
 *
 * Content that is at `dest` already is not fetched again; when `dest` is the same already, nothing is done. A file
 * that does not change (path, content and mode) becomes part of the new tree as it is, by a hard link, if it has no
 * other name: whoever holds it open holds the new tree's file, and a failed fetch leaves no trace of it but the file's
 * ctime. Where a link cannot be made it is copied. Equal content is fetched once. If `dest` is a link to a directory,
 * that directory is replaced. Missing parents are made.
 *
 * Permission bits are those of the manifest, whatever the umask says, for directories too (a read-only one can be
 * replaced by a later fetch all the same); setuid, setgid and sticky bits only with `specialModes`. `dest` itself has
 * no mode in a manifest: it keeps the one it had.
 *
 * Needs permission to read and write the directory that holds `dest`; trees with symbolic links need unscoped read and
 * write, because neither runtime makes links with less.
 *
 * Throws, before it changes anything but the ctime of files at `dest`: `PermissionDeniedError`; `UnsafePathError`,
 * `ManifestError`, `LimitExceededError`, `DecodeError`, `UnsupportedError` for manifests that are refused;
 * `FileSystemError` when `dest` cannot be replaced; `DiskFullError` when it is known that the space will not do. Later: what the source throws,
 * `SizeMismatchError` when content has not its declared size, `FileSystemError`, `DiskFullError`; of offers what
 * `requestOffer` throws, `TransferProtocolError` when names and hashes do not make the reference that the offer ends
 * with.
 *
 * @example
 * ```ts
 * import { MemoryBlobStore, StoreChunkSource } from "@hawser/mesh/blob";
 * import { fetchDir, storeDir } from "@hawser/mesh/directory";
 *
 * async function copy(from: string, to: string): Promise<void> {
 *   const store = new MemoryBlobStore();
 *   const { ref } = await storeDir(store, from);
 *   const stats = await fetchDir(new StoreChunkSource(store), ref, to, { signal: AbortSignal.timeout(60_000) });
 *   console.log(stats.files, stats.bytes, stats.installed);
 * }
 * ```
 */
export async function fetchDir(
  source: ChunkSource,
  from: BlobRef | DirectoryOffer | OfferSource,
  dest: string,
  options: FetchDirOptions = {},
): Promise<FetchDirStats> {
  // Loaded with the first fetch: programs that only serve start sooner without.
  const { fetchDirWith } = await import("./fetch_tree.ts");
  return await fetchDirWith(source, from, dest, options);
}
