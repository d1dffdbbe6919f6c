/**
 * Permissions of Node, whose permission model is off unless the process was started with `--permission`.
 *
 * @module
 */

import process from "node:process";
import type { PermissionQueries } from "./permissions.ts";

/** `process.permission`, which exists only while the permission model is on. */
interface ProcessPermission {
  has(scope: string, reference?: string): boolean;
}

function has(scope: string, path?: string): boolean {
  const model = (process as { permission?: ProcessPermission }).permission;
  return model === undefined || (path === undefined ? model.has(scope) : model.has(scope, path));
}

/** What Node allows this process. */
export const permissions: PermissionQueries = {
  mayRead: (path) => has("fs.read", path),
  mayWrite: (path) => has("fs.write", path),
  mayReadFreeSpace: () => has("fs.read"),
  // Node's permission model does not cover sockets in the versions that this library runs on.
  mayUseNetwork: () => true,
  networkFlag: () => "",
  readFlag: (path) => `--allow-fs-read=${path ?? "*"}`,
  writeFlag: (path) => `--allow-fs-write=${path ?? "*"}`,
};
