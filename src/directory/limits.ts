/**
 * Bounds of what a directory manifest may ask for. A manifest is written by whoever made the tree: its hash says
 * which manifest it is, not that it is benign (`formats.md` 5.4).
 *
 * @module
 */

/** Greatest number of entries of a manifest: 30 times a large `node_modules`. */
export const DEFAULT_MAX_ENTRIES = 1_000_000;
/** Greatest size of an encoded manifest, bytes: it is held in memory whole. */
export const DEFAULT_MAX_MANIFEST_BYTES: number = 256 * 1024 * 1024;
/** Greatest number of components of a path: deeper ones break tools long before they break file systems. */
export const DEFAULT_MAX_DEPTH = 256;
/** Greatest length of an entry's path in UTF-8, bytes: what Linux calls `PATH_MAX`. */
export const MAX_PATH_BYTES = 4096;
/** Greatest length of one component in UTF-8, bytes: what Linux calls `NAME_MAX`. */
export const MAX_NAME_BYTES = 255;

/** Limits of what a manifest may ask for. */
export interface ManifestLimits {
  /** Greatest number of entries. @default 1,000,000 */
  readonly maxEntries?: number;
  /** Greatest size of the encoded manifest, bytes. @default 256 MiB */
  readonly maxManifestBytes?: number;
  /** Greatest number of components of a path. @default 256 */
  readonly maxDepth?: number;
  /**
   * Greatest sum of the declared sizes of all files, bytes; repeated content counts each time, because it is
   * written each time. @default no bound of its own; the free space of the file system bounds a fetch where it may be asked for
   */
  readonly maxBytes?: number;
}
