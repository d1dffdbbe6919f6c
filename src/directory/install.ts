/**
 * Putting a finished tree in its place, all or nothing.
 *
 * @module
 */

import { exchangeNames } from "#exchange";
import { FileSystemError } from "../errors.ts";
import { errorCode, fileError } from "../runtime/file_errors.ts";
import {
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  type Stats,
} from "../runtime/files.ts";
import { hostPlatform } from "../runtime/host.ts";
import { checkDirectory, type Destination, statOf } from "./destination.ts";
import { removeTree } from "./remove_tree.ts";

/** How often to look again when something appears or disappears at the destination between two steps. */
const ATTEMPTS = 4;
/** What moving a directory to another parent takes, because its `..` changes. */
const OWNER_WRITE = 0o200;
const MODE_BITS = 0o7777;

/** The calls that touch what is at the destination; tests make them fail. */
export interface InstallCalls {
  /** Renames a directory. */
  rename(from: string, to: string): void;
  /** Makes `to` another name of the file `from`. */
  link(from: string, to: string): void;
  /** Swaps two names; `false` where that is not offered. */
  exchange(a: string, b: string): boolean;
}

/** The real calls. */
export const INSTALL_CALLS: InstallCalls = { rename: renameSync, link: linkSync, exchange: exchangeNames };

/** What to install. */
export interface InstallOptions {
  /** The finished tree, in a folder beside the destination. */
  readonly tree: string;
  /** Name for the old tree while both exist. */
  readonly backup: string;
  /** Whether the directory that holds the destination is flushed to the disk. */
  readonly durable: boolean;
  /** The calls to make. */
  readonly calls: InstallCalls;
  /** Removes the old tree, wherever it is now. @default `removeTree` */
  readonly remove?: (path: string) => Promise<void>;
  /** Is called when the tree is in place, while the old one is removed. */
  readonly onInstalled?: () => void;
}

/**
 * Makes `tree` the destination. Where a directory is there already, it is swapped in one step if the system offers
 * that; else it is renamed aside, and back again if the second rename fails. Its mode is kept. Afterwards the old tree is
 * gone, or some of it is where `tree` was. Returns the path of an old tree that could not be removed.
 */
export async function installTree(dest: Destination, options: InstallOptions): Promise<string | undefined> {
  const { tree, backup, calls, durable, remove = removeTree, onInstalled } = options;
  let old: string | undefined;
  for (let attempt = 1;; attempt++) {
    const existing = statOf("Install directory", dest.path);
    try {
      if (existing === undefined) calls.rename(tree, dest.path);
      else old = replace(dest.path, existing, options);
      break;
    } catch (error) {
      // Somebody else installed or removed a tree since `statOf`.
      const code = errorCode(error);
      const raced = existing === undefined ? code === "ENOTEMPTY" || code === "EEXIST" : code === "ENOENT";
      if (!raced || attempt === ATTEMPTS) throw fileError(error, "Install directory", dest.path);
    }
  }
  if (durable) syncDirectory(dest.parent);
  // On failure, too, the new tree is in place; the next fetch to this destination tries again.
  const removing = old && remove(old).then(() => undefined, () => old === backup ? backup : undefined);
  onInstalled?.();
  return await removing;
}

/** Returns where the old tree is now. */
function replace(path: string, existing: Stats, { tree, backup, calls }: InstallOptions): string {
  checkDirectory("Install directory", path, existing);
  const hasModes = hostPlatform() !== "windows";
  const mode = existing.mode & MODE_BITS;
  const early = hasModes && (mode & OWNER_WRITE) !== 0;
  if (early) chmodSync(tree, mode);
  const isExchanged = calls.exchange(tree, path);
  if (!isExchanged) {
    calls.rename(path, backup);
    try {
      calls.rename(tree, path);
    } catch (error) {
      rollBack(path, backup, calls, error);
    }
  }
  if (hasModes && !early) chmodSync(path, mode);
  return isExchanged ? tree : backup;
}

function rollBack(path: string, backup: string, calls: InstallCalls, cause: unknown): never {
  try {
    calls.rename(backup, path);
  } catch (error) {
    const message =
      `Install directory: the old tree could not be renamed back to "${path}", it is at "${backup}"`;
    throw new FileSystemError(message, path, errorCode(error), { cause: new AggregateError([cause, error]) });
  }
  throw cause;
}

/** Flushes a directory to the disk: the names in it, not what they stand for. */
export function syncDirectory(path: string): void {
  // Windows cannot open directories, and keeps their entries with the file.
  if (hostPlatform() === "windows") return;
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw fileError(error, "Flush directory", path);
  }
}
