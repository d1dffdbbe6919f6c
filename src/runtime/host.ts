/**
 * Facts about the machine and the process that file work depends on.
 *
 * @module
 */

import process from "node:process";
import { clearTimeout as clearTimer, setTimeout as setTimer } from "node:timers";
import { permissions } from "#permissions";

/** The families of systems whose file names follow different rules. */
export type HostPlatform = "posix" | "darwin" | "windows";

/** The family that this process runs on. */
export function hostPlatform(): HostPlatform {
  if (process.platform === "win32") return "windows";
  return process.platform === "darwin" ? "darwin" : "posix";
}

/** The runtime and its version, such as `Deno 2.9.6`. */
export function runtimeName(): string {
  const { deno, node } = process.versions as { deno?: string; node: string };
  return deno === undefined ? `Node ${node}` : `Deno ${deno}`;
}

/** Absolute path of the working directory. */
export function workingDirectory(): string {
  return process.cwd();
}

/** The user's number; `undefined` where there is none, or it may not be asked for. */
export function processUser(): number | undefined {
  return permissions.mayReadUser() ? process.getuid?.() : undefined;
}

/** Calls `work` after `ms` milliseconds, if the process has other reasons to live that long. Returns what prevents it. */
export function callLater(work: () => void, ms: number): () => void {
  const timer = setTimer(work, ms);
  timer.unref();
  return () => clearTimer(timer);
}

/**
 * Turns of Deno's event loop in which whatever happened outside is looked at once: while there is always something to
 * do next, the scheduler below it (tokio) polls sockets and other threads every 61st turn only.
 */
const DENO_TURNS = 62;
const isDeno = "deno" in process.versions;

/** Ends this turn of the event loop: what is ready has its turn. Costs some microseconds. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Lets timers, sockets, abort signals and messages of other threads have their turn. Cheaper than a timer, which waits
 * for a tick; in Deno, where it takes some dozen turns, less than a tenth of a millisecond.
 */
export async function yieldToEventLoop(): Promise<void> {
  for (let turns = isDeno ? DENO_TURNS : 1; turns > 0; turns--) await nextTurn();
}
