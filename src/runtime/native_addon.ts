/**
 * Native code from npm packages that a user may have installed beside this one. Where there is none, or the runtime
 * does not permit it, there is simply none.
 *
 * @module
 */

import process from "node:process";
import { permissions } from "#permissions";

/** How the names of the packages with the code itself end: on Linux there are two C libraries. */
const ENDINGS: Readonly<Record<string, readonly string[]>> = { linux: ["-gnu", "-musl"], win32: ["-msvc"] };

/**
 * The exports of package `name`, which has its code for each platform in a package of its own, as NAPI-RS makes them;
 * `undefined` where it cannot be had. Takes some milliseconds. Never prompts, never downloads.
 */
export function loadAddon(name: string): unknown {
  if (!permissions.mayRunNative()) return undefined;
  try {
    // From where the package lies; its own code would ask for variables and commands that Deno may not permit. The
    // name is no import, so that nothing is looked for until now.
    const require = process.getBuiltinModule("node:module").createRequire(import.meta.resolve(name));
    const platform = `${name}-${process.platform}-${process.arch}`;
    for (const ending of ENDINGS[process.platform] ?? [""]) {
      try {
        return require(platform + ending);
      } catch {
        // Not installed, or for the other C library.
      }
    }
  } catch {
    // The package is not installed.
  }
  return undefined;
}
