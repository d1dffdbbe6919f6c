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

const hostAndPort = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;

/** What Deno allows this process. */
export const permissions: PermissionQueries = {
  mayRead: (path) => granted(path === undefined ? { name: "read" } : { name: "read", path }),
  mayWrite: (path) => granted(path === undefined ? { name: "write" } : { name: "write", path }),
  // Neither with --allow-all nor where the C library makes the files (`linux_files.ts`): both have this permission.
  resolvesPaths: () => !granted({ name: "ffi" }),
  mayReadFreeSpace: () => granted({ name: "sys", kind: "statfs" }),
  mayReadUser: () => granted({ name: "sys", kind: "uid" }),
  mayReadVariable: (variable) => granted({ name: "env", variable }),
  mayUseNetwork: (host, port) => granted({ name: "net", host: hostAndPort(host, port) }),
  mayRunNative: () => granted({ name: "ffi" }),
  networkFlag: (host, port) => flag("net", hostAndPort(host, port)),
  readFlag: (path) => flag("read", path),
  writeFlag: (path) => flag("write", path),
};
