/**
 * The folder beside the destination in which a tree is made, and what earlier, killed fetches left there.
 *
 * `.<name>.fetch_<id>/` holds `lock` (locked as long as its process lives), `key` (of what is fetched, see
 * `outline_key.ts`), `tree/` and, while that is made, directories of it by their number (see `staged_dirs.ts`).
 * `.<name>.replaced_<id>` is an old tree between the two renames of an install.
 *
 * @module
 */

import { type FileLock, tryLockFile } from "#lock";
import { FileSystemError } from "../errors.ts";
import { errorCode, fileError } from "../runtime/file_errors.ts";
import {
  closeSync,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  writeFileSync,
} from "../runtime/files.ts";
import { dirname } from "../runtime/path.ts";
import { toHex } from "../wire/bytes.ts";
import { type Destination, statOf } from "./destination.ts";
import { removeTree } from "./remove_tree.ts";

const ID_PATTERN = /^[0-9a-f]{16}$/;
/** How often to draw another id: one is enough unless somebody sweeps the folder in the moment before it is locked. */
const ATTEMPTS = 8;

const stagingPath = (dest: Destination, id: string) => `${dest.parent}/${dest.siblingPrefix}.fetch_${id}`;
const backupPath = (dest: Destination, id: string) => `${dest.parent}/${dest.siblingPrefix}.replaced_${id}`;

/** Facts about the file system that a tree is made on. */
export interface FileSystemFacts {
  /** Permission bits that the process's umask takes away. */
  readonly umask: number;
  /** Mode bits of a directory made without a mode of its own. */
  readonly dirMode: number;
  /** Whose the files are that are made. */
  readonly uid: number;
  /** Whether names that differ in case or normalisation only are one name. */
  readonly foldsNames: boolean;
}

/** A staging folder of this fetch. */
export class Staging {
  /** The folder in which the tree is made. */
  readonly tree: string;
  /** Name for the old tree during the install. */
  readonly backup: string;
  /** What was found out about the file system. */
  readonly facts: FileSystemFacts;

  private constructor(
    readonly path: string,
    backup: string,
    readonly lock: FileLock,
    readonly createdParent: string | undefined,
    readonly parent: string,
  ) {
    this.tree = `${path}/tree`;
    this.backup = backup;
    this.facts = probe(path, this.tree);
  }

  /** Makes the folder and the destination's parents. Without a key, what a killed fetch leaves is nobody's. */
  static async create(dest: Destination): Promise<Staging> {
    const createdParent = makeParents(dest.parent);
    let path = "";
    try {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const id = toHex(crypto.getRandomValues(new Uint8Array(8)));
        path = stagingPath(dest, id);
        const lock = claim(path);
        if (lock === undefined) continue;
        try {
          return new Staging(path, backupPath(dest, id), lock, createdParent, dest.parent);
        } catch (error) {
          await removeTree(path).finally(() => release(lock));
          throw error;
        }
      }
    } catch (error) {
      removeParents(dest.parent, createdParent);
      throw fileError(error, "Create staging folder", path, dest.parent);
    }
    removeParents(dest.parent, createdParent);
    throw new FileSystemError(`Create staging folder "${path}": no name could be kept`, path);
  }

  /** Says by its key which directory is made in the folder. */
  setKey(key: string): void {
    try {
      writeFileSync(`${this.path}/key`, key + "\n", { flag: "wx" });
    } catch (error) {
      throw fileError(error, "Create staging folder", this.path, this.parent);
    }
  }

  /** Empties the folder in which the tree is made. */
  async clear(): Promise<void> {
    try {
      await removeTree(this.tree);
      mkdirSync(this.tree);
    } catch (error) {
      throw fileError(error, "Clear staging folder", this.path, this.parent);
    }
  }

  /** Removes the folder with all in it. After a failure also the parents that were made for it. */
  async remove(installed: boolean): Promise<void> {
    try {
      await removeTree(this.path);
    } finally {
      release(this.lock);
      if (!installed) removeParents(this.parent, this.createdParent);
    }
  }
}

/** Makes a folder of one's own and locks it; `undefined` when another process was quicker. */
function claim(path: string): FileLock | undefined {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (errorCode(error) === "EEXIST") return undefined;
    throw error;
  }
  const lockPath = `${path}/lock`;
  const lock = tryLock(lockPath);
  // A sweeper that came before the lock holds it until the folder is gone: then ours is on a file without a name.
  if (lock !== undefined && existsSync(lockPath)) return lock;
  if (lock !== undefined) release(lock);
  return undefined;
}

function tryLock(path: string): FileLock | undefined {
  try {
    return tryLockFile(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT" || (error as Error).name === "NotFound") return undefined;
    throw error;
  }
}

function release(lock: FileLock): void {
  try {
    lock.release();
  } catch {
    // The lock file is removed together with its folder, which some drivers notice.
  }
}

function probe(path: string, tree: string): FileSystemFacts {
  mkdirSync(tree);
  const { mode, uid } = lstatSync(tree);
  const dirMode = mode & 0o7777;
  // Holds a letter with a case and one with an accent; made in one form, looked for in another.
  const name = `${path}/probe_\u00e9`;
  const fd = openSync(name, "wx", 0o777);
  const umask = 0o777 & ~fstatSync(fd).mode;
  closeSync(fd);
  const foldsNames = existsSync(`${path}/PROBE_\u00e9`) || existsSync(`${path}/probe_e\u0301`);
  unlinkSync(name);
  return { umask, dirMode, uid, foldsNames };
}

function makeParents(parent: string): string | undefined {
  try {
    return mkdirSync(parent, { recursive: true });
  } catch (error) {
    throw fileError(error, "Create parent directory", parent);
  }
}

function removeParents(parent: string, first: string | undefined): void {
  if (first === undefined) return;
  try {
    for (let dir = parent;; dir = dirname(dir)) {
      rmdirSync(dir);
      if (dir === first) return;
    }
  } catch {
    // Somebody put something there meanwhile: it stays.
  }
}

/** An unlocked staging folder of an earlier fetch to the same destination. Locked by us now. */
export interface Leftover {
  /** The folder. */
  readonly path: string;
  /** Of what was fetched; `undefined` when it was killed before it could say so. */
  readonly key: string | undefined;
  /** Keeps others off. */
  readonly lock: FileLock;
}

/**
 * Mends what killed fetches to `dest` left: an old tree whose replacement never came gets its name back, one that was
 * replaced is removed. What a living fetch works on is left alone. Returns the other staging folders.
 */
export async function recover(dest: Destination): Promise<Leftover[]> {
  const { staging, backups } = findSiblings(dest);
  const leftovers = new Map<string, Leftover>();
  for (const id of staging) {
    const path = stagingPath(dest, id);
    const lock = lockLeftover(path);
    if (lock !== undefined) leftovers.set(id, { path, key: readKey(path), lock });
  }
  try {
    for (const id of backups) {
      const isLive = staging.includes(id) && !leftovers.has(id);
      if (!isLive) await recoverBackup(dest, backupPath(dest, id));
    }
    return [...leftovers.values()];
  } catch (error) {
    for (const { lock } of leftovers.values()) release(lock);
    throw fileError(error, "Clean up after an earlier fetch", dest.path, dest.parent);
  }
}

/** Removes and lets go those of `leftovers` that are of other directories. Leaves the others in the array. */
export async function keepSame(leftovers: Leftover[], key: string): Promise<void> {
  for (const leftover of [...leftovers]) {
    if (leftover.key === key) continue;
    try {
      await removeTree(leftover.path);
    } catch (error) {
      throw fileError(error, "Clean up after an earlier fetch", leftover.path, dirname(leftover.path));
    }
    leftovers.splice(leftovers.indexOf(leftover), 1);
    release(leftover.lock);
  }
}

/** Lets leftovers go: removed when they have served, else as they were found. */
export async function releaseLeftovers(leftovers: readonly Leftover[], remove: boolean): Promise<void> {
  for (const { path, lock } of leftovers) {
    try {
      if (remove) await removeTree(path);
    } catch {
      // The next fetch to this destination tries again.
    }
    release(lock);
  }
}

function findSiblings(dest: Destination): { staging: string[]; backups: string[] } {
  const staging: string[] = [];
  const backups: string[] = [];
  const kinds = [[`${dest.siblingPrefix}.fetch_`, staging], [
    `${dest.siblingPrefix}.replaced_`,
    backups,
  ]] as const;
  if (statOf("Fetch directory", dest.parent) === undefined) return { staging, backups };
  let names: string[];
  try {
    names = readdirSync(dest.parent);
  } catch (error) {
    throw fileError(error, "Fetch directory", dest.parent);
  }
  for (const name of names) {
    for (const [prefix, ids] of kinds) {
      const id = name.slice(prefix.length);
      if (!name.startsWith(prefix) || !ID_PATTERN.test(id)) continue;
      // A file or a link by that name is none of ours.
      if (statOf("Fetch directory", `${dest.parent}/${name}`)?.isDirectory()) ids.push(id);
    }
  }
  return { staging, backups };
}

/** Locks a folder that somebody left; `undefined` when that somebody lives, or it is not ours to touch. */
function lockLeftover(path: string): FileLock | undefined {
  try {
    return tryLockFile(`${path}/lock`);
  } catch {
    return undefined;
  }
}

async function recoverBackup(dest: Destination, backup: string): Promise<void> {
  if (statOf("Fetch directory", dest.path) !== undefined) return await removeTree(backup);
  try {
    renameSync(backup, dest.path);
  } catch (error) {
    // Another fetch to the same destination was quicker.
    if (errorCode(error) !== "ENOENT") throw error;
  }
}

function readKey(path: string): string | undefined {
  try {
    return readFileSync(`${path}/key`, "utf8").trim();
  } catch {
    return undefined;
  }
}
