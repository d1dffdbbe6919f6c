/**
 * Where a fetched tree goes: the name it takes, the directory that holds it, and what is there now.
 *
 * @module
 */

import { loadBlake3 } from "../crypto/blake3.ts";
import { FileSystemError, UnsafePathError } from "../errors.ts";
import { fileError } from "../runtime/file_errors.ts";
import { lstatSync, realpathSync, type Stats } from "../runtime/files.ts";
import { hostPlatform, workingDirectory } from "../runtime/host.ts";
import { basename, dirname, resolve, sep } from "../runtime/path.ts";
import { encodeUtf8, toHex } from "../wire/bytes.ts";
import { requireReadWrite } from "./access.ts";
import { MAX_NAME_BYTES } from "./limits.ts";

/** Room that the longest suffix of a sibling's name takes: `.replaced_` and 16 digits, and the leading dot. */
const SIBLING_EXTRA = 27;

/** A checked destination. */
export interface Destination {
  /** Absolute path of the tree; where links led, if the path given was one. */
  readonly path: string;
  /** Absolute path of the directory that holds it. */
  readonly parent: string;
  /** What the names of its temporary siblings start with. */
  readonly siblingPrefix: string;
}

/**
 * Checks `dest` and asks for the permissions that a fetch to it needs: read and write in the directory that holds it.
 *
 * Throws `UnsafePathError` when it has no name of its own (`/`, `.`, `..`), `FileSystemError` when it is there and
 * not a directory, a dangling link, a mount point or (around) the working directory, `PermissionDeniedError`.
 */
export async function resolveDestination(action: string, dest: string): Promise<Destination> {
  checkName(action, dest);
  const given = resolve(dest);
  requireReadWrite(action, dirname(given));
  const path = followLink(action, given);
  const parent = dirname(path);
  if (path !== given) requireReadWrite(action, parent);
  const existing = statOf(action, path);
  if (existing !== undefined) checkReplaceable(action, path, existing);
  return { path, parent, siblingPrefix: await siblingPrefix(basename(path)) };
}

/** What is at `path`, links not followed; `undefined` when nothing is. */
export function statOf(action: string, path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw fileError(error, action, path);
  }
}

/** Throws unless `path`, which looks like `stat`, is a directory. */
export function checkDirectory(action: string, path: string, stat: Stats): void {
  if (stat.isDirectory()) return;
  throw new FileSystemError(`${action}: destination "${path}" is there and not a directory`, path, "ENOTDIR");
}

function checkName(action: string, dest: string): void {
  const separators = hostPlatform() === "windows" ? /[\\/]+/ : /\/+/;
  const name = dest.split(separators).findLast((part) => part !== "") ?? "";
  if (name === "" || name === "." || name === ".." || dest.includes("\0")) {
    throw new UnsafePathError(
      `${action}: destination ${JSON.stringify(dest)} has no name that a tree could take`,
      dest,
    );
  }
}

function followLink(action: string, path: string): string {
  if (!statOf(action, path)?.isSymbolicLink()) return path;
  try {
    return realpathSync(path);
  } catch (error) {
    throw fileError(error, `${action}: follow the link at the destination`, path);
  }
}

function checkReplaceable(action: string, path: string, existing: Stats): void {
  checkDirectory(action, path, existing);
  const busy = (what: string) =>
    new FileSystemError(`${action}: destination "${path}" ${what} and cannot be replaced`, path, "EBUSY");
  if (statOf(action, dirname(path))?.dev !== existing.dev) throw busy("is a mount point");
  const real = realpathSync(path);
  const current = workingDirectory();
  if (current === real || current.startsWith(real + sep)) throw busy("is or holds the working directory");
}

/** `.name`, shortened where the system would not take the sibling's whole name. */
async function siblingPrefix(name: string): Promise<string> {
  const bytes = encodeUtf8(name);
  if (bytes.length + SIBLING_EXTRA <= MAX_NAME_BYTES) return `.${name}`;
  const hash = toHex((await loadBlake3()).hash(bytes).subarray(0, 8));
  // A third of the bytes is room enough for as many UTF-16 units; the hash tells long names apart.
  return `.${name.slice(0, 64)}~${hash}`;
}
