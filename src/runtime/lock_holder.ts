/**
 * What a lock file says about its holder. Deno holds the operating system's advisory lock and writes its process id, for
 * Node cannot see that lock. Node has no advisory locks: it writes its process id, a space and, where `/proc` tells it,
 * the time it started, for an id may come to another process; and it touches the file again and again, for Deno may ask
 * about processes only with `--allow-run`.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import process from "node:process";

/** How often a Node process touches the files that it holds, ms. */
export const BEAT_INTERVAL = 2000;
/** Age from which on a file counts as left by a Node process that is gone, ms: several beats, and a slow disk. */
export const BEAT_TIMEOUT = 10_000;

/** A holder as its file names it. */
export interface LockHolder {
  /** Process id. */
  readonly pid: number;
  /** Whether Node holds it; otherwise Deno does, or did. */
  readonly isNode: boolean;
  /** When the process started, in ticks since boot; `""` where the system does not tell. */
  readonly started: string;
}

/** What a Node process writes into the file. */
export function nodeHolderText(): string {
  return `${process.pid} ${startTime(process.pid) ?? ""}\n`;
}

/** What a Deno process writes into the file. */
export function denoHolderText(): string {
  return `${process.pid}\n`;
}

/** The holder that a lock file names; `undefined` when it names none. */
export function parseHolder(text: string): LockHolder | undefined {
  const match = /^(\d+)(?:( )(\d*))?\n/.exec(text);
  return match === null
    ? undefined
    : { pid: Number(match[1]), isNode: match[2] !== undefined, started: match[3] ?? "" };
}

/** Whether the holder is another process that lives; `undefined` where this one may not ask. */
export function isAlive({ pid, started }: LockHolder): boolean | undefined {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    const { name, code } = error as Error & { code?: unknown };
    if (name === "NotCapable") return undefined;
    // Not permitted to signal it: it is there, and another user's.
    if (code !== "EPERM") return false;
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
