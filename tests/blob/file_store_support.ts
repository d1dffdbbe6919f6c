/**
 * Looking into, and damaging, the folder of a file store.
 *
 * @module
 */

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type FileBlobStore, type FileBlobStoreOptions, openWithFiles } from "../../src/blob/file_store.ts";
import { StoreFiles } from "../../src/blob/file_store_files.ts";
import { equalBytes } from "../../src/wire/bytes.ts";

/** Paths of the packs, oldest first. */
export function packsOf(path: string): string[] {
  return readdirSync(path).filter((name) => name.endsWith(".pack")).sort().map((name) => join(path, name));
}

/** Where the record of a blob begins, found by its address. */
export function findBlob(path: string, hash: Uint8Array): { pack: string; offset: number } {
  for (const pack of packsOf(path)) {
    const bytes = readFileSync(pack);
    for (let at = bytes.indexOf(hash[0]); at >= 0; at = bytes.indexOf(hash[0], at + 1)) {
      if (equalBytes(bytes.subarray(at, at + 32), hash)) return { pack, offset: at - 12 };
    }
  }
  throw new Error("blob is in no pack");
}

/** Flips a bit `at` bytes from `offset` of a file. */
export function flipBit(file: string, at: number, bit = 0): void {
  const bytes = readFileSync(file);
  assert(at < bytes.length);
  bytes[at] ^= 1 << bit;
  writeFileSync(file, bytes);
}

/** Flips a bit in the bytes of a stored blob. */
export function damageBlob(path: string, hash: Uint8Array): void {
  const { pack, offset } = findBlob(path, hash);
  flipBit(pack, offset + 48 + 3);
}

/** File calls that wait for no disk: a test that opens a store a thousand times has no power to lose. */
export class QuickFiles extends StoreFiles {
  override write(fd: number, name: string, bytes: Uint8Array, length: number, position: number): void {
    // The reserve is only there to be removed.
    if (name !== "reserve") super.write(fd, name, bytes, length, position);
  }

  override sync(_fd: number, _name: string): Promise<void> {
    return Promise.resolve();
  }

  override syncNow(_fd: number, _name: string): void {}

  override syncFolder(): void {}
}

/** Opens a store with {@linkcode QuickFiles}. */
export function openQuickly(path: string, options: FileBlobStoreOptions = {}): Promise<FileBlobStore> {
  return openWithFiles(path, options, new QuickFiles(path));
}
