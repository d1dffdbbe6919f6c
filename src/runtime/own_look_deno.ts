/**
 * A look at a path by Deno's own call, without anything that Deno has for Node's sake.
 *
 * @module
 */

import type { Look } from "./look.ts";

/** As `LookAt` of `look.ts`, but `undefined` on Windows, where not all of it is told. */
export function ownLook(path: string): Look | undefined {
  const { isFile, isDirectory, isSymlink, mode, size, mtime, ctime, ino, dev, nlink, uid } = Deno.lstatSync(
    path,
  );
  if (mode === null || mtime === null || ctime === null || ino === null || nlink === null) return undefined;
  const kind = isFile ? "file" : isDirectory ? "dir" : isSymlink ? "symlink" : "other";
  const mtimeMs = mtime.getTime();
  const ctimeMs = ctime.getTime();
  return { kind, mode, size, mtimeMs, ctimeMs, ino, dev, nlink, uid: uid ?? 0 };
}
