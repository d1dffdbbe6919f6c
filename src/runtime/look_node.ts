/**
 * A look at a path, Node driver.
 *
 * @module
 */

import { fstatSync, lstatSync, readdirSync, type Stats } from "node:fs";
import { DIRECTORY_MARK, type ListDirectory, type Look, type LookAt, type LookAtOpen } from "./look.ts";

/** As {@linkcode LookAt}. */
export const lookAt: LookAt = (path) => lookOf(lstatSync(path));

/** As {@linkcode LookAtOpen}: at the open file. */
export const lookAtOpen: LookAtOpen = (_path, fd) => lookOf(fstatSync(fd));

/** As {@linkcode ListDirectory}. */
export const listDirectory: ListDirectory = (path) =>
  readdirSync(path, { withFileTypes: true }).map((entry) =>
    entry.isDirectory() ? entry.name + DIRECTORY_MARK : entry.name
  );

function lookOf(stat: Stats): Look {
  const { mode, size, mtimeMs, ctimeMs, ino, dev, nlink, uid } = stat;
  const kind = stat.isFile()
    ? "file"
    : stat.isDirectory()
    ? "dir"
    : stat.isSymbolicLink()
    ? "symlink"
    : "other";
  return { kind, mode, size, mtimeMs, ctimeMs, ino, dev, nlink, uid };
}
