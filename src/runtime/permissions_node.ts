/**
 * Permissions of Node, whose permission model is off unless the process was started with `--permission`.
 *
 * @module
 */

import { parse } from "node:path";
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

/** Without `path`, whether there are no limits: asked so, Node 20 says yes to programs that may read one folder. */
function mayUse(scope: "fs.read" | "fs.write", path: string = parse(process.cwd()).root): boolean {
  return model()?.has(scope, path) ?? true;
}

/** The flag for sockets, which Node has since version 25: before, its permission model leaves them alone. */
const NETWORK_FLAG = "--allow-net";

function mayUseSockets(): boolean {
  const asked = model();
  return asked === undefined || !process.allowedNodeEnvironmentFlags.has(NETWORK_FLAG) || asked.has("net");
}

/** What Node allows this process. */
export const permissions: PermissionQueries = {
  mayRead: (path) => mayUse("fs.read", path),
  mayWrite: (path) => mayUse("fs.write", path),
  resolvesPaths: () => false,
  mayReadFreeSpace: () => mayUse("fs.read"),
  mayReadUser: () => true,
  mayReadVariable: () => true,
  mayUseNetwork: mayUseSockets,
  mayRunNative: () => model()?.has("addon") ?? true,
  networkFlag: () => NETWORK_FLAG,
  readFlag: (path) => `--allow-fs-read=${path ?? "*"}`,
  writeFlag: (path) => `--allow-fs-write=${path ?? "*"}`,
};
