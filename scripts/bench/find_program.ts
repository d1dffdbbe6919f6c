/**
 * Programs of this machine.
 *
 * @module
 */

import { execFileSync, spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";

/** Where a program is, on the path or where only the administrator looks. */
export function findProgram(name: string): string | undefined {
  const folders = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/usr/local/sbin"];
  return folders.filter((folder) => folder !== "").map((folder) => join(folder, name)).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** What a program writes to both streams, whatever its exit code. */
export function outputOf(path: string, ...args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(path, args, { encoding: "utf8" });
  return `${stdout}${stderr}`;
}

/** Runs a program; throws when it fails. */
export function run(path: string, ...args: readonly string[]): void {
  execFileSync(path, args, { stdio: "pipe" });
}

/** A TCP port that is free now. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    return listener.addr.port;
  } finally {
    listener.close();
  }
}

/** Waits until something accepts connections at a port of this machine, at most ten seconds. */
export async function untilListening(port: number): Promise<void> {
  const end = performance.now() + 10_000;
  for (;;) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}
