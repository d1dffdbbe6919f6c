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
  readFlag: (path) => `--allow-fs-read=${path ?? "*"}`,
  writeFlag: (path) => `--allow-fs-write=${path ?? "*"}`,
  deniedFlags(error) {
    if (!(error instanceof Error) || (error as { code?: string }).code !== "ERR_ACCESS_DENIED") {
      return undefined;
    }
    const { permission, resource } = error as { permission?: string; resource?: string };
    return [
      permission === "FileSystemWrite"
        ? this.writeFlag(resource || undefined)
        : this.readFlag(resource || undefined),
    ];
  },
};
