/**
 * Permissions of Deno. A state of `prompt` counts as not allowed: a library must not stop to ask.
 *
 * @module
 */

import type { PermissionQueries } from "./permissions.ts";

const granted = (descriptor: Deno.PermissionDescriptor): boolean =>
  Deno.permissions.querySync(descriptor).state === "granted";

const flag = (name: string, value?: string): string =>
  value === undefined ? `--allow-${name}` : `--allow-${name}=${value}`;

/** What Deno allows this process. */
export const permissions: PermissionQueries = {
  mayRead: (path) => granted(path === undefined ? { name: "read" } : { name: "read", path }),
  mayWrite: (path) => granted(path === undefined ? { name: "write" } : { name: "write", path }),
  mayReadFreeSpace: () => granted({ name: "sys", kind: "statfs" }),
  readFlag: (path) => flag("read", path),
  writeFlag: (path) => flag("write", path),
  deniedFlags(error) {
    if (!(error instanceof Deno.errors.NotCapable)) return undefined;
    const [, access, path] = /Requires (\w+) access to "([^"]*)"/.exec(error.message) ?? [];
    // `all` is what Deno wants for /dev, /proc and /sys, whatever the path flags say.
    if (access === "all") return ["--allow-all"];
    if (access === undefined) return ["--allow-read", "--allow-write"];
    return [flag(access, path)];
  },
};
