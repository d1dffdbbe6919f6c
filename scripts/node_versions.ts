/**
 * Which Node to use: the one on the path, or versions from npm.
 *
 * @module
 */

import { execFileSync } from "node:child_process";

/** A version of Node such as `24`; `undefined` is the one on the path. */
export type NodeVersion = string | undefined;

/** Takes `--node VERSION`, which may come several times, out of `args`. Without it, the one on the path. */
export function takeVersions(args: readonly string[]): { versions: NodeVersion[]; rest: string[] } {
  const versions: NodeVersion[] = [];
  const rest: string[] = [];
  for (let i = 0; i < args.length; i++) {
    if (args[i] === "--node") versions.push(args[++i]);
    else rest.push(args[i]);
  }
  return { versions: versions.length === 0 ? [undefined] : versions, rest };
}

/** Path of a version's executable, which npm fetches when it has it not yet. */
export function nodePath(version: NodeVersion): string {
  const print = ["-p", "process.execPath"];
  if (version === undefined) return execFileSync("node", print, { encoding: "utf8" }).trim();
  return execFileSync("npx", ["-y", "-p", `node@${version}`, "node", ...print], { encoding: "utf8" }).trim();
}
