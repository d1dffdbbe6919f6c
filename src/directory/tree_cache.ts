/**
 * The folder in which trees are remembered from one process to the next: a file for each, bounded in number and size.
 * Everything about it is optional: what cannot be read or written is as good as not there.
 *
 * @module
 */

import { permissions } from "#permissions";
import { sha256 } from "../crypto/sha256.ts";
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  renameSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from "../runtime/files.ts";
import { hostPlatform, processUser, runtimeName } from "../runtime/host.ts";
import { resolve } from "../runtime/path.ts";
import { encodeUtf8, toHex } from "../wire/bytes.ts";
import type { PathPatterns } from "./path_filter.ts";
import { decodeTreeMemory, encodeTreeMemory, type TreeMemory } from "./tree_cache_format.ts";

/** Greatest size of a file, bytes: a tree of a million files has some 150 MB. */
const MAX_FILE_BYTES: number = 256 * 1024 * 1024;
/** Greatest size of all files, bytes, and their greatest number; those not used for longest are removed. */
const MAX_FOLDER_BYTES: number = 512 * 1024 * 1024;
const MAX_FILES = 128;
/** How old an unfinished file is when whoever wrote it is certainly gone, milliseconds. */
const STALE_MS = 3_600_000;
/** How long after its last use a file is marked as used again, milliseconds: not every time, for that is a write. */
const REUSE_MS = 86_400_000;

const FILE_NAME = /^tree_[0-9a-f]{32}(?:\.[0-9a-f]{16})?$/;
const WRITABLE_BY_OTHERS = 0o022;
const PRIVATE_FILE = 0o600;
const PRIVATE_FOLDER = 0o700;

/** Which tree is meant, and how it is listed. */
export interface TreeName extends PathPatterns {
  /** Absolute path of the directory. */
  readonly root: string;
  /** The only name in it that counts. */
  readonly only?: string;
}

/** Remembers trees in a folder. */
export class TreeCache {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * The cache in `folder`, which is made when something is saved. `undefined` without a folder, and where it must not be
   * read and written.
   */
  static open(folder: string | undefined): TreeCache | undefined {
    if (folder === undefined) return undefined;
    const absolute = resolve(folder);
    if (!permissions.mayRead(absolute) || !permissions.mayWrite(absolute)) return undefined;
    return new TreeCache(absolute);
  }

  /** What is remembered of a tree. */
  load(name: TreeName): TreeMemory | undefined {
    try {
      const key = keyOf(name);
      const file = this.#read(this.#pathOf(key));
      return file && decodeTreeMemory(file, key);
    } catch {
      return undefined;
    }
  }

  /** Remembers a tree in place of what was remembered of it. Two processes may do so at once: one of both counts. */
  save(name: TreeName, tree: TreeMemory): void {
    let temporary: string | undefined;
    try {
      const key = keyOf(name);
      const path = this.#pathOf(key);
      temporary = `${path}.${toHex(crypto.getRandomValues(new Uint8Array(8)))}`;
      const file = encodeTreeMemory(tree, key);
      if (file.length > MAX_FILE_BYTES) return;
      mkdirSync(this.#folder, { recursive: true, mode: PRIVATE_FOLDER });
      if (!this.#isOurs(this.#folder)) return;
      writeFile(temporary, file);
      renameSync(temporary, path);
      this.#bound();
    } catch {
      // A full disk, a folder that is a file, one of somebody else's: nothing is remembered, and nothing is lost.
      if (temporary !== undefined) remove(temporary);
    }
  }

  #pathOf(key: string): string {
    return `${this.#folder}/tree_${toHex(sha256(encodeUtf8(key)).subarray(0, 16))}`;
  }

  /** The bytes of a file of the user's own that nobody else can write. */
  #read(path: string): Uint8Array | undefined {
    if (!this.#isOurs(this.#folder) || !this.#isOurs(path)) return undefined;
    const fd = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
    try {
      const { size, mtimeMs } = fstatSync(fd);
      if (size > MAX_FILE_BYTES) return undefined;
      const bytes = new Uint8Array(size);
      let filled = 0;
      while (filled < size) {
        const count = readSync(fd, bytes, filled, size - filled, filled);
        if (count === 0) return undefined;
        filled += count;
      }
      const now = Date.now();
      if (now - mtimeMs > REUSE_MS) utimesSync(path, now / 1000, now / 1000);
      return bytes;
    } finally {
      closeSync(fd);
    }
  }

  /** Whether there is a folder or regular file of the user's, not a link to one, that nobody else can write. */
  #isOurs(path: string): boolean {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined || !(path === this.#folder ? stat.isDirectory() : stat.isFile())) return false;
    if (hostPlatform() === "windows") return true;
    const user = processUser();
    return (stat.mode & WRITABLE_BY_OTHERS) === 0 && (user === undefined || stat.uid === user);
  }

  /** Removes what is too much, and what killed processes left. */
  #bound(): void {
    const files: { path: string; size: number; mtimeMs: number }[] = [];
    for (const name of readdirSync(this.#folder)) {
      if (!FILE_NAME.test(name)) continue;
      const path = `${this.#folder}/${name}`;
      const stat = lstatSync(path, { throwIfNoEntry: false });
      if (stat === undefined || !stat.isFile()) continue;
      const isTemporary = name.includes(".");
      if (!isTemporary) files.push({ path, size: stat.size, mtimeMs: stat.mtimeMs });
      else if (Date.now() - stat.mtimeMs > STALE_MS) remove(path);
    }
    files.sort((a, b) => b.mtimeMs - a.mtimeMs);
    let bytes = 0;
    for (const [index, { path, size }] of files.entries()) {
      bytes += size;
      if (index >= MAX_FILES || bytes > MAX_FOLDER_BYTES) remove(path);
    }
  }
}

/** Runtimes give times with different digits: what one remembers is of no use to the other. */
function keyOf({ root, only, include, exclude }: TreeName): string {
  return JSON.stringify([
    runtimeName().split(" ")[0],
    realpathSync(root),
    only ?? null,
    include ?? null,
    exclude?.length ? exclude : null,
  ]);
}

function writeFile(path: string, bytes: Uint8Array): void {
  const fd = openSync(path, "wx", PRIVATE_FILE);
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at, bytes.length - at, null);
  } finally {
    closeSync(fd);
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody else was quicker, or it was never made.
  }
}
