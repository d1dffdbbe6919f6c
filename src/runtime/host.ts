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

/** Lets timers, sockets and abort signals have their turn. Cheaper than a timer: it does not wait for a tick. */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * As {@linkcode yieldToEventLoop}, and messages of other threads have their turn, too: Deno looks for these every few
 * dozen turns only, unless it has nothing else to do. Costs a millisecond.
 */
export function yieldToThreads(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
