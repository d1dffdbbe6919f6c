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
  /** Inode number. */
  readonly ino: number;
  /** Number of its names. */
  readonly nlink: number;
  /** Its owner; 0 where the system has none. */
  readonly uid: number;
}

/** Looks at `path`. Throws as `lstatSync` does. */
export type LookAt = (path: string) => Look;
