/**
 * Looking at a stored directory without fetching its files.
 *
 * @module
 */

import type { ChunkSource } from "../blob/source.ts";
import { HawserError } from "../errors.ts";
import { resolve } from "../runtime/path.ts";
import { type BlobRef, decodeBlobRef } from "../wire/blob_ref.ts";
import type { DirEntry } from "../wire/dir_manifest.ts";
import type { OutlineEntry } from "../wire/dir_outline.ts";
import { requireRead } from "./access.ts";
import { compareTree, type DirDiff } from "./compare.ts";
import { statOf } from "./destination.ts";
import type { DirectoryOffer, OfferSource } from "./directory_offer.ts";
import { openTarget, referenceOf } from "./fetch_target.ts";
import type { CompareDirOptions, ReadManifestOptions } from "./fetch_options.ts";
import { type LocalTree, readLocalTree } from "./local_tree.ts";
import { WorkPacer } from "./pacer.ts";
import { readManifest } from "./read_manifest.ts";
import { RecordTable } from "./record_table.ts";
import { openRoot } from "./scan.ts";

/** One entry of a listing. */
export interface ListedEntry {
  /** Path below the root, as found: it may be one that a fetch would refuse. */
  readonly path: string;
  /** What it is. */
  readonly kind: "file" | "dir" | "symlink";
  /** Complete `st_mode`, as found; 0 for links. */
  readonly mode: number;
  /** Declared size of a file, bytes; 0 for other kinds. */
  readonly size: number;
  /** Reference of a file's content, unless it cannot be read, or the holder has not read the file yet. */
  readonly ref?: BlobRef;
  /** Text of a link. */
  readonly target?: string;
}

/** A stored directory's list. */
export interface DirListing {
  /** Entries in the order of the manifest. */
  readonly entries: readonly ListedEntry[];
  /** Sum of the declared sizes, bytes. */
  readonly bytes: number;
  /** Size of the manifest, bytes; absent when the holder is still reading the directory. */
  readonly manifestBytes?: number;
}

/**
 * Lists what the directory behind a reference holds; only its manifest is fetched. Of an offer that is still being read
 * the listing has no references. Entries are not judged: also a manifest that `fetchDir` would refuse can be looked at.
 *
 * Throws what the source throws, `DecodeError` when the content is no manifest, `LimitExceededError`.
 *
 * @example
 * ```ts
 * import { MemoryBlobStore, StoreChunkSource } from "@hawser/mesh/blob";
 * import { listDir, storeDir } from "@hawser/mesh/directory";
 *
 * const store = new MemoryBlobStore();
 * const { ref } = await storeDir(store, ".", { include: ["src"] });
 * const { entries } = await listDir(new StoreChunkSource(store), ref);
 * for (const { path, size } of entries) console.log(path, size);
 * ```
 */
export async function listDir(
  source: ChunkSource,
  from: BlobRef | DirectoryOffer | OfferSource,
  options: ReadManifestOptions = {},
): Promise<DirListing> {
  const offer = "ask" in from ? await from.ask(options) : "kind" in from ? undefined : from;
  if (offer?.outline !== undefined) {
    offer.close();
    return listingOf(offer.outline.map(listOutlineEntry));
  }
  const ref = offer === undefined ? from as BlobRef : await referenceOf(offer, options);
  const { entries, manifestBytes } = await readManifest(source, ref, options);
  return { ...listingOf(entries.map(listEntry)), manifestBytes };
}

function listingOf(entries: readonly ListedEntry[]): DirListing {
  return { entries, bytes: entries.reduce((sum, { size }) => sum + size, 0) };
}

function listOutlineEntry(entry: OutlineEntry): ListedEntry {
  if (entry.kind !== "file") return listEntry(entry);
  const { kind, path, mode, size } = entry;
  return { path, kind, mode, size };
}

function listEntry(entry: DirEntry): ListedEntry {
  const { kind, path } = entry;
  if (kind === "symlink") return { path, kind, mode: 0, size: 0, target: entry.target };
  if (kind === "dir") return { path, kind, mode: entry.mode, size: 0 };
  const ref = tryDecode(entry.blob);
  return { path, kind, mode: entry.mode, size: ref?.size ?? 0, ...(ref && { ref }) };
}

function tryDecode(blob: Uint8Array): BlobRef | undefined {
  try {
    return decodeBlobRef(blob);
  } catch (error) {
    if (error instanceof HawserError) return undefined;
    throw error;
  }
}

/**
 * Says what a fetch to `dest` would change, without changing anything: only the manifest is fetched, files of equal size
 * are read and hashed. Of an offer it waits for the reference. A `dest` that is absent is as good as empty. Needs permission to read it.
 *
 * Throws as `fetchDir` does when the manifest is refused.
 */
export async function diffDir(
  source: ChunkSource,
  from: BlobRef | DirectoryOffer | OfferSource,
  dest: string,
  options: CompareDirOptions = {},
): Promise<DirDiff> {
  const action = "Compare directory";
  const absolute = resolve(dest);
  requireRead(action, absolute);
  const pacer = new WorkPacer(options.signal);
  const target = await openTarget(source, from, { ...options, live: false });
  const plan = await target.check(options, pacer);
  const tree: LocalTree = statOf(action, absolute) === undefined
    ? { root: absolute, table: RecordTable.empty(), hasOther: false }
    : await readLocalTree(action, openRoot(action, dest), pacer);
  return await compareTree(plan, tree, pacer);
}

/** What {@linkcode verifyDir} found. */
export interface VerifyDirResult {
  /** Whether the tree is exactly what the manifest says. */
  readonly ok: boolean;
  /** Entries that are not there. */
  readonly missing: readonly string[];
  /** Entries of another kind, mode, target or content. */
  readonly changed: readonly string[];
  /** What is there and not in the manifest. */
  readonly extra: readonly string[];
  /** Number of entries that are as they should be. */
  readonly verified: number;
}

/**
 * Checks that `dest` is the directory behind a reference or an offer: every file is read and hashed. Throws as
 * {@linkcode diffDir} does.
 */
export async function verifyDir(
  source: ChunkSource,
  from: BlobRef | DirectoryOffer | OfferSource,
  dest: string,
  options: CompareDirOptions = {},
): Promise<VerifyDirResult> {
  const { added, changed, removed, unchanged } = await diffDir(source, from, dest, options);
  return {
    ok: added.length + changed.length + removed.length === 0,
    missing: added,
    changed,
    extra: removed,
    verified: unchanged.length,
  };
}
