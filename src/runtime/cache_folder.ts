/**
 * Where programs keep what they can make again.
 *
 * @module
 */

import process from "node:process";
import { permissions } from "#permissions";
import { type HostPlatform, hostPlatform } from "./host.ts";
import { isAbsolute, join } from "./path.ts";

/** The folder of this user's cache files for the program `name`; `undefined` where the environment may not be asked. */
export function cacheFolder(name: string): string | undefined {
  const variable = (name: string) => permissions.mayReadVariable(name) ? process.env[name] : undefined;
  return cacheFolderOf(name, hostPlatform(), variable);
}

/**
 * The same for any system and environment: `LOCALAPPDATA` on Windows, elsewhere `XDG_CACHE_HOME` if that is absolute (XDG
 * Base Directory Specification), else the usual place below `HOME`.
 */
export function cacheFolderOf(
  name: string,
  platform: HostPlatform,
  variable: (name: string) => string | undefined,
): string | undefined {
  if (platform === "windows") {
    const local = variable("LOCALAPPDATA");
    return local && join(local, name);
  }
  const base = variable("XDG_CACHE_HOME");
  if (base !== undefined && isAbsolute(base)) return join(base, name);
  const home = variable("HOME");
  if (home === undefined || !isAbsolute(home)) return undefined;
  return join(home, platform === "darwin" ? "Library/Caches" : ".cache", name);
}
