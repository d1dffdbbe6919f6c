/**
 * A look at a path, Node driver.
 *
 * @module
 */

import { lstatSync } from "node:fs";
import type { LookAt } from "./look.ts";

/** As {@linkcode LookAt}. */
export const lookAt: LookAt = (path) => {
  const stat = lstatSync(path);
  const { mode, size, mtimeMs, ino, nlink, uid } = stat;
  const kind = stat.isFile()
    ? "file"
    : stat.isDirectory()
    ? "dir"
    : stat.isSymbolicLink()
    ? "symlink"
    : "other";
  return { kind, mode, size, mtimeMs, ino, nlink, uid };
};
