/**
 * Looking into, and damaging, the folder of a file store.
 *
 * @module
 */

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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
