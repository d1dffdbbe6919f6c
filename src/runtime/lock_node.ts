/**
 * Exclusive lock on a file, Node driver. Node has no advisory locks, so the file names its holder, and is touched as long
 * as it is held, see `lock_holder.ts`. A file whose holder is gone counts as free.
 *
 * @module
 */

import {
  closeSync,
  existsSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import process from "node:process";
import { BEAT_INTERVAL, isAlive, nodeHolderText, parseHolder } from "./lock_holder.ts";

/** A held lock. */
export interface FileLock {
  /** Lets the lock go. */
  release(): void;
}

/** Locks of this process: the check of who lives would take our own id for a stranger's. */
const held = new Set<string>();

/**
 * Takes the exclusive lock on the file at `path`, which is created when missing; `undefined` when another process
 * (or another holder in this one) has it. Throws what the runtime throws when the file cannot be written.
 */
export function tryLockFile(path: string): FileLock | undefined {
  if (held.has(path) || isHeld(path)) return undefined;
  if (!claim(path)) return undefined;
  held.add(path);
  const beat = setInterval(() => touch(path), BEAT_INTERVAL);
  // The lock is no reason to go on.
  beat.unref();
  return {
    release() {
      if (!held.delete(path)) return;
      clearInterval(beat);
      unlinkSync(path);
    },
  };
}

function touch(path: string): void {
  try {
    const now = new Date();
    utimesSync(path, now, now);
  } catch {
    // Removed with the folder around it. Then nobody looks for it either.
  }
}

/**
 * Puts our name into the lock file. Link fails when the file exists, so of two processes that both saw it free one
 * loses. What a dead holder left is renamed away and looked at again before it counts as gone: by then it may be the
 * fresh lock of a process that was faster.
 */
function claim(path: string): boolean {
  const own = `${path}.${process.pid}`;
  const stale = `${own}.stale`;
  writeFileSync(own, nodeHolderText());
  try {
    if (existsSync(path)) {
      renameSync(path, stale);
      const alive = isHeld(stale);
      if (alive) linkSync(stale, path);
      unlinkSync(stale);
      if (alive) return false;
    }
    linkSync(own, path);
    return true;
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    // ENOENT: another process renamed the left-over first.
    if (code === "EEXIST" || code === "ENOENT") return false;
    if (code === "EPERM" || code === "ENOTSUP") return claimWithoutLinks(path);
    throw error;
  } finally {
    unlinkSync(own);
  }
}

/** As {@linkcode claim} on file systems without hard links. */
function claimWithoutLinks(path: string): boolean {
  try {
    const fd = openSync(path, "wx");
    writeSync(fd, nodeHolderText());
    closeSync(fd);
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code === "EEXIST") return false;
    throw error;
  }
}

/** Whether a living process is named in the file. */
function isHeld(path: string): boolean {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return false;
  }
  const holder = parseHolder(text);
  return holder !== undefined && (isAlive(holder) ?? true);
}
