/**
 * Directories as content: giving a tree an address, serving it, and making it appear elsewhere exactly as it was, all or
 * nothing.
 *
 * A directory's address is the reference of its manifest. The same names, modes, contents and link targets have the same
 * address on every machine.
 *
 * @module
 */

export type { DirDiff } from "./compare.ts";
export { fetchDir } from "./fetch_dir.ts";
export { FileThread } from "./file_thread.ts";
export type {
  CompareDirOptions,
  FetchDirOptions,
  FetchDirStats,
  FetchProgress,
  ReadManifestOptions,
} from "./fetch_options.ts";
export {
  diffDir,
  type DirListing,
  listDir,
  type ListedEntry,
  verifyDir,
  type VerifyDirResult,
} from "./inspect.ts";
export type { ManifestLimits } from "./limits.ts";
export type { DirectoryOffer, OfferSource, RequestOfferOptions } from "./directory_offer.ts";
export { FolderOffer, type OfferedContent, offerFolder } from "./offer_folder.ts";
export { type OfferService, serveOffer, type ServeOfferOptions } from "./offer_server.ts";
export { OFFER_PROTOCOL, requestOffer } from "./offer_request.ts";
export { type OfferSourceOptions, toOfferSource } from "./offer_source.ts";
export type { PackedChanges } from "./packed_changes.ts";
export type { PathPatterns } from "./path_filter.ts";
export { referenceOfPath } from "./reference.ts";
export { scanDir, type ScanOptions, type ScanProgress, type ScanResult, type ScanStats } from "./scan.ts";
export { type SharedFolder, shareFolder } from "./share.ts";
export { storeDir, type StoreDirResult } from "./store_dir.ts";
export type { SymlinkPolicy } from "./symlink_rules.ts";
export type { SkippedEntry } from "./walk.ts";
export type {
  BlobRange,
  BlobStat,
  BlobStore,
  GcOptions,
  GcResult,
  StoreCallOptions,
  SyncReadableStore,
  VerifyResult,
} from "../blob/store.ts";
export type { ChunkJob, ChunkJobs, ChunkSource, FetchChunksOptions } from "../blob/source.ts";
export type { BlobRef, ChunkRef, Encoding, ManifestRef, SmallRef, TreeRef } from "../wire/blob_ref.ts";
export type { DirectoryEntry, DirEntry, FileEntry, SymlinkEntry } from "../wire/dir_manifest.ts";
export type { OutlineEntry, OutlineFile } from "../wire/dir_outline.ts";
