/**
 * Exclusive lock on a file, Deno driver: the operating system's advisory lock, which ends with the process however
 * that ends. A holder on Node has none, and is found by what the file says.
 *
 * @module
 */

import { BEAT_TIMEOUT, denoHolderText, isAlive, parseHolder } from "./lock_holder.ts";

/** A held lock. */
export interface FileLock {
  /** Lets the lock go. The file stays: removing it would let two processes lock two different files. */
  release(): void;
}

/**
 * Takes the exclusive lock on the file at `path`, which is created when missing; `undefined` when another process
 * (or another holder in this one) has it. Throws what the runtime throws when the file cannot be opened.
 */
export function tryLockFile(path: string): FileLock | undefined {
  const file = Deno.openSync(path, { create: true, read: true, write: true });
  let isOurs = false;
  try {
    isOurs = file.tryLockSync(true) && !isHeldByNode(file) && claim(file, path);
  } finally {
    if (!isOurs) file.close();
  }
  if (!isOurs) return undefined;
  let held = true;
  return {
    release() {
      if (!held) return;
      held = false;
      try {
        file.truncateSync(0);
      } finally {
        file.close();
      }
    },
  };
}

/** Whether the file names a process of Node's that lives, as far as one may know: without `--allow-run` by its age. */
function isHeldByNode(file: Deno.FsFile): boolean {
  const bytes = new Uint8Array(64);
  const length = file.readSync(bytes) ?? 0;
  const holder = parseHolder(new TextDecoder().decode(bytes.subarray(0, length)));
  if (holder === undefined || !holder.isNode) return false;
  const touched = file.statSync().mtime?.getTime() ?? 0;
  return isAlive(holder) ?? Math.abs(Date.now() - touched) < BEAT_TIMEOUT;
}

/**
 * Puts our name into the file. `false` when Node has put another in its place since it was opened: either Node sees our
 * name in what it took away, or we see here that it is gone.
 */
function claim(file: Deno.FsFile, path: string): boolean {
  file.truncateSync(0);
  file.seekSync(0, Deno.SeekMode.Start);
  file.writeSync(new TextEncoder().encode(denoHolderText()));
  if (isAt(file, path)) return true;
  file.truncateSync(0);
  return false;
}

/** Whether `path` still leads to the open file. */
function isAt(file: Deno.FsFile, path: string): boolean {
  const open = file.statSync();
  try {
    const { dev, ino } = Deno.statSync(path);
    return dev === open.dev && ino === open.ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
