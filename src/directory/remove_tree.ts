/**
 * Removing a tree whose directories may be read-only.
 *
 * @module
 */

import { removeAll } from "#remove";
import { chmodSync, lstatSync, readdirSync } from "../runtime/files.ts";
import { errorCode } from "../runtime/file_errors.ts";

/** What an owner needs to empty a directory. */
const OWNER_ALL = 0o700;

/** Removes `path` and all below it, links not followed; it need not exist. Throws what the runtime throws. */
export async function removeTree(path: string): Promise<void> {
  try {
    await removeAll(path);
  } catch (error) {
    const code = errorCode(error);
    if (code !== "EACCES" && code !== "EPERM") throw error;
    // Directories keep the modes of the tree that they came from, read-only ones too.
    openDirectories(path);
    await removeAll(path);
  }
}

function openDirectories(path: string): void {
  const pending = [path];
  for (let dir = pending.pop(); dir !== undefined; dir = pending.pop()) {
    if (!lstatSync(dir).isDirectory()) continue;
    chmodSync(dir, OWNER_ALL);
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      if (entry.isDirectory()) pending.push(`${dir}/${entry.name}`);
    }
  }
}
