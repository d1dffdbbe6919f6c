/**
 * Temporary directories of tests.
 *
 * @module
 */

import { chmodSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Absolute path of the folder below which all temporary directories of tests are: tests that narrow their
 * permissions name it. Made once, when a test file is loaded.
 */
export const tempRoot: string = (() => {
  const root = join(realpathSync(tmpdir()), "hawser-tests");
  mkdirSync(root, { recursive: true });
  return root;
})();

/** Permissions of a test that works in temporary directories and nowhere else. */
export const tempPermissions: { read: string[]; write: string[] } = { read: [tempRoot], write: [tempRoot] };

/** A fresh directory that is removed when it is disposed of. */
export interface TempDir {
  /** Absolute path, without links. */
  readonly path: string;
  /** Removes it. */
  [Symbol.dispose](): void;
}

/** Makes a fresh directory. */
export function tempDir(): TempDir {
  const path = mkdtempSync(join(tempRoot, "t"));
  return { path, [Symbol.dispose]: () => removeAll(path) };
}

function removeAll(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // Tests make read-only directories, and do not always run as root.
    openDirectories(path);
    rmSync(path, { recursive: true, force: true });
  }
}

function openDirectories(path: string): void {
  chmodSync(path, 0o700);
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) openDirectories(join(path, entry.name));
  }
}

/** Calls `fn` with the absolute path of a fresh directory, which is removed afterwards. */
export async function withTempDir<T>(fn: (path: string) => T | Promise<T>): Promise<T> {
  using dir = tempDir();
  return await fn(dir.path);
}

/** Registers a test that works in a temporary folder, and may do nothing else. */
export function testInTempDir(title: string, work: (path: string) => void | Promise<void>): void {
  Deno.test(title, { permissions: tempPermissions }, () => withTempDir(work));
}
