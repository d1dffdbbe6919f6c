/**
 * A look at what is at a path, for walks over many: the few facts that they need, without what is slow to make.
 *
 * @module
 */

/** What is at a path; links are not followed. */
export interface Look {
  /** What it is. */
  readonly kind: "file" | "dir" | "symlink" | "other";
  /** Complete `st_mode`. */
  readonly mode: number;
  /** Size, bytes. */
  readonly size: number;
  /** Time of the last change of the content, milliseconds since 1970: the same number that `fstatSync` gives. */
  readonly mtimeMs: number;
  /** Time of the last change of anything, milliseconds since 1970. */
  readonly ctimeMs: number;
  /** Inode number. */
  readonly ino: number;
  /** The file system. */
  readonly dev: number;
  /** Number of its names. */
  readonly nlink: number;
  /** Its owner; 0 where the system has none. */
  readonly uid: number;
}

/** Looks at `path`. Throws as `lstatSync` does. */
export type LookAt = (path: string) => Look;

/**
 * Looks at the open file `fd`, or where that is quicker at what is at `path`, by which it was opened. Somebody who puts
 * another file there and takes it away again in time deceives the latter: for what only becomes a hash.
 */
export type LookAtOpen = (path: string, fd: number) => Look;

/** What a directory's name ends with in a list of names: nothing that a name can hold, and first in every order. */
export const DIRECTORY_MARK = "\0";

/**
 * The names in the directory at `path`, in any order; links to it are followed. What of a name is no UTF-8 is U+FFFD.
 * Those of directories, by what the system says without a look at them, end with {@linkcode DIRECTORY_MARK}. Throws as
 * `readdirSync` does.
 */
export type ListDirectory = (path: string) => string[];
