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

/** Node's permission model; `undefined` while it is off, and where Deno runs this. */
function model(): ProcessPermission | undefined {
  return (process as { permission?: ProcessPermission }).permission;
}

function has(scope: string, path?: string): boolean {
  const asked = model();
  return asked === undefined || (path === undefined ? asked.has(scope) : asked.has(scope, path));
}

/** The flag for sockets, which Node has since version 25: before, its permission model leaves them alone. */
const NETWORK_FLAG = "--allow-net";

function hasNetwork(): boolean {
  return !process.allowedNodeEnvironmentFlags.has(NETWORK_FLAG) || has("net");
}

/** What Node allows this process. */
export const permissions: PermissionQueries = {
  mayRead: (path) => has("fs.read", path),
  mayWrite: (path) => has("fs.write", path),
  mayReadFreeSpace: () => has("fs.read"),
  mayUseNetwork: () => model() === undefined || hasNetwork(),
  networkFlag: () => NETWORK_FLAG,
  readFlag: (path) => `--allow-fs-read=${path ?? "*"}`,
  writeFlag: (path) => `--allow-fs-write=${path ?? "*"}`,
};
