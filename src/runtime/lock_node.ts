/**
 * Exclusive lock on a file, Node driver. Node has no advisory locks, so the file names its holder: process id and,
 * where `/proc` tells it, the time that process started, for an id may come to another process. A file whose holder
 * is gone counts as free. A store must not be opened by Node while a Deno program holds it for writing or the other
 * way round: this driver notices Deno's holder, Deno's does not notice this one's.
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
  writeFileSync,
  writeSync,
} from "node:fs";
import process from "node:process";

/** A held lock. */
export interface FileLock {
  /** Lets the lock go. */
  release(): void;
}

/** Locks of this process: the liveness check below would take our own id for a stranger's. */
const held = new Set<string>();

/**
 * Takes the exclusive lock on the file at `path`, which is created when missing; `undefined` when another process
 * (or another holder in this one) has it. Throws what the runtime throws when the file cannot be written.
 */
export function tryLockFile(path: string): FileLock | undefined {
  if (held.has(path) || isAlive(readHolder(path))) return undefined;
  if (!claim(path)) return undefined;
  held.add(path);
  return {
    release() {
      if (held.delete(path)) unlinkSync(path);
    },
  };
}

/**
 * Puts our name into the lock file. Link fails when the file exists, so of two processes that both saw it free one
 * loses. What a dead holder left is renamed away and looked at again before it counts as gone: by then it may be the
 * fresh lock of a process that was faster.
 */
function claim(path: string): boolean {
  const own = `${path}.${process.pid}`;
  const stale = `${own}.stale`;
  writeFileSync(own, holderText(process.pid));
  try {
    if (existsSync(path)) {
      renameSync(path, stale);
      const alive = isAlive(readHolder(stale));
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
    writeSync(fd, holderText(process.pid));
    closeSync(fd);
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code === "EEXIST") return false;
    throw error;
  }
}

function holderText(pid: number): string {
  return `${pid} ${startTime(pid) ?? ""}\n`;
}

/** What the lock file says, `undefined` when there is none. */
function readHolder(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function isAlive(holder: string | undefined): boolean {
  const [, pidText, started] = /^(\d+) ?(\d*)/.exec(holder ?? "") ?? [];
  if (pidText === undefined) return false;
  const pid = Number(pidText);
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Not permitted to signal it: it is there, and another user's.
    if ((error as { code?: unknown }).code !== "EPERM") return false;
  }
  const now = startTime(pid);
  return started === "" || now === undefined || now === started;
}

/** When the process started, in ticks since boot; `undefined` where the system does not tell. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
