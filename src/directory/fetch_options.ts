/**
 * Options and results of fetching a directory.
 *
 * @module
 */

import type { BlobRef } from "../wire/blob_ref.ts";
import type { FileThread } from "./file_thread.ts";
import type { ManifestLimits } from "./limits.ts";
import type { SymlinkPolicy } from "./symlink_rules.ts";
import type { SkippedEntry } from "./walk.ts";

/** Options of everything that reads a manifest from a source. */
export interface ReadManifestOptions extends ManifestLimits {
  /** Ends the work with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Bound of bytes asked for and not yet there. @default what the source takes, 32 MiB */
  readonly maxInFlightBytes?: number;
}

/** Options of comparing a manifest with a tree on disk. */
export interface CompareDirOptions extends ReadManifestOptions {
  /** What to do with symbolic links. @default "inside" */
  readonly symlinks?: SymlinkPolicy;
  /** Regards setuid, setgid and sticky bits of the manifest too. @default false */
  readonly specialModes?: boolean;
}

/** How far a fetch is. The object is reused: copy what you keep. */
export interface FetchProgress {
  /** Files complete. */
  readonly files: number;
  /** Bytes in the new tree so far, those of unfinished files too. */
  readonly bytes: number;
  /** Files in all. */
  readonly totalFiles: number;
  /** Bytes in all. */
  readonly totalBytes: number;
}

/** Options of `fetchDir`. */
export interface FetchDirOptions extends CompareDirOptions {
  /** Called whenever bytes have arrived and after every file; throwing ends the fetch. Must be quick. */
  readonly onProgress?: (progress: FetchProgress) => void;
  /**
   * Directories on this machine that may hold some of the content under any name, such as an earlier release.
   * Besides them the old tree at the destination is always made use of.
   * @default none
   */
  readonly reuse?: readonly string[];
  /**
   * Flushes every file and directory to the disk before the new tree takes its place, so that a power failure
   * leaves the old or the new one, whole. Costs about one disk write per file.
   * @default false
   */
  readonly durable?: boolean;
  /**
   * A folder in which trees are remembered: files that did not change since they were fetched or hashed last are not
   * read again, and when the tree at the destination is still what an earlier fetch made of the same reference, not even
   * the manifest is fetched (`content.md` 6). Made when it is not there; not used where it must not be read and written.
   * @default none
   */
  readonly cache?: string;
  /** Reads and hashes what is at the destination, and remembers that, whatever `cache` remembers. @default false */
  readonly verify?: boolean;
  /** Makes files of trees of 700 entries and more; for programs that fetch again and again. @default none */
  readonly fileThread?: FileThread;
}

/** What a fetch did. */
export interface FetchDirStats {
  /** Reference of the directory: of an offer it is known only in the end. */
  readonly ref: BlobRef;
  /** Regular files of the tree. */
  readonly files: number;
  /** Directories of the tree, the root not counted. */
  readonly dirs: number;
  /** Symbolic links made. */
  readonly symlinks: number;
  /** Sum of the files' sizes, bytes. */
  readonly bytes: number;
  /** Size of the manifest, bytes. */
  readonly manifestBytes: number;
  /** Bytes of content that came from the source; equal chunks come once. */
  readonly fetchedBytes: number;
  /** Bytes of content that were on this machine already; equal chunks counted once. */
  readonly reusedBytes: number;
  /** Whether a new tree was put in place: `false` when the old one was the same already. */
  readonly installed: boolean;
  /** Whether work of an earlier fetch that was killed could be made use of. */
  readonly resumed: boolean;
  /** Links that were left out because of `symlinks: "skip"`. */
  readonly skipped: readonly SkippedEntry[];
  /** Path of the old tree if it could not be removed; the next fetch tries again. */
  readonly leftBehind?: string;
}
