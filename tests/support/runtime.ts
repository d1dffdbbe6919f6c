/**
 * What differs between the runtimes that the tests run on.
 *
 * @module
 */

import process from "node:process";

/** Whether Node runs the tests. */
export const isNode: boolean = !("Deno" in globalThis);

/**
 * This runtime's flag for one of Deno's: on Node `--allow-fs-read=/a` for `--allow-read=/a`; `""` where this Node needs
 * none, as for sockets before version 25.
 */
export function ownFlag(flag: string): string {
  if (!isNode) return flag;
  if (flag.startsWith("--allow-net")) {
    return process.allowedNodeEnvironmentFlags.has("--allow-net") ? "--allow-net" : "";
  }
  const own = flag.replace(/^--allow-(read|write)/, "--allow-fs-$1");
  // Deno allows everything when there is no path.
  return own.includes("=") ? own : `${own}=*`;
}
