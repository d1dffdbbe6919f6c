/**
 * The paths of a plan: none twice, none below what is no directory, none the same as another for the file system
 * (`formats.md` 5.4).
 *
 * @module
 */

import type { UnsafePathError } from "../errors.ts";
import { parentOf, unsafe } from "./path_rules.ts";
import { sliced, type Steps } from "./steps.ts";

/** What a path is. */
export interface NamedEntry {
  /** The kind. */
  readonly kind: "file" | "dir" | "symlink";
  /** The path. */
  readonly path: string;
}

/** All paths of a manifest by what the file system takes them for. */
export class NameTable {
  #kinds = new Map<string, NamedEntry>();
  #key: (path: string) => string;

  constructor(key: (path: string) => string) {
    this.#key = key;
  }

  /** Adds an entry. Refuses a path that is there. */
  add(entry: NamedEntry): void {
    const key = this.#key(entry.path);
    const known = this.#kinds.get(key);
    if (known === undefined) this.#kinds.set(key, entry);
    else if (known.path === entry.path) throw unsafe(entry.path, "is there twice");
    else throw collision(entry.path, known.path);
  }

  isLink(path: string): boolean {
    return this.#kinds.get(this.#key(path))?.kind === "symlink";
  }

  /** Directories that entries lie in without an entry of their own. Refuses entries below something else. */
  *impliedDirs(): Steps<string[]> {
    const implied: string[] = [];
    /** Keys of directories already looked at, and the spelling that the entries use. */
    const seen = new Map<string, string>();
    let last = "";
    yield* sliced(this.#kinds.values(), ({ path }) => {
      const parent = parentOf(path);
      // Most entries lie where the one before does.
      if (parent === last) return;
      last = parent;
      for (let dir = parent; dir !== ""; dir = parentOf(dir)) {
        const key = this.#key(dir);
        const spelling = seen.get(key);
        if (spelling === dir) break;
        if (spelling !== undefined) throw collision(dir, spelling);
        seen.set(key, dir);
        if (!this.#isDirectory(key, dir, path)) implied.push(dir);
      }
    });
    return implied;
  }

  /** Whether `dir`, which the entry `path` lies in, has an entry of its own. Refuses one that is no directory. */
  #isDirectory(key: string, dir: string, path: string): boolean {
    const entry = this.#kinds.get(key);
    if (entry === undefined) return false;
    if (entry.kind !== "dir") {
      const what = entry.kind === "file" ? "file" : "symbolic link";
      throw unsafe(path, `lies below the ${what} ${JSON.stringify(entry.path)}`);
    }
    if (entry.path !== dir) throw collision(dir, entry.path);
    return true;
  }
}

/** The error of two paths that are one on the destination's file system. */
export function collision(path: string, other: string): UnsafePathError {
  return unsafe(
    path,
    `is the same as ${JSON.stringify(other)} on a file system that ignores case or normalisation`,
  );
}
