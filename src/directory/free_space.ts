/**
 * Whether there is room for a tree.
 *
 * @module
 */

import { permissions } from "#permissions";
import { DiskFullError } from "../errors.ts";
import { existsSync, statfsSync } from "../runtime/files.ts";
import { dirname } from "../runtime/path.ts";
import type { Destination } from "./destination.ts";

/** Throws `DiskFullError` where it can be known that the tree will not fit. */
export function checkFreeSpace(action: string, destination: Destination, bytes: number): void {
  if (!permissions.mayReadFreeSpace()) return;
  let existing = destination.parent;
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  let free: number;
  try {
    const { bavail, bsize } = statfsSync(existing);
    free = bavail * bsize;
  } catch {
    // Not every file system tells. It says so itself when it is full.
    return;
  }
  if (bytes <= free) return;
  const message = `${action}: the tree has ${bytes} bytes, but only ${free} are free at "${existing}"`;
  throw new DiskFullError(message, destination.path, "ENOSPC");
}
