/**
 * What the staging folders of a directory are known by: a hash of its outline, which is there before the reference is,
 * and follows from a manifest.
 *
 * @module
 */

import type { Blake3 } from "../crypto/blake3.ts";
import { concatBytes, encodeUtf8, toHex } from "../wire/bytes.ts";
import type { DirectoryEntry, DirEntry, SymlinkEntry } from "../wire/dir_manifest.ts";
import type { OutlineEntry } from "../wire/dir_outline.ts";
import type { PlannedFile } from "./plan_files.ts";

/** What paths and targets that were checked cannot hold. */
const SEPARATOR = "\0";
const NUMBERS = 3;
const FILE = 0;
const DIR = 1;
const SYMLINK = 2;

/**
 * Makes a directory's key, entry by entry: text and numbers apart, each encoded in one go, numbers in the order of bytes
 * that this machine has.
 */
export class OutlineKey {
  readonly #texts: string[] = [];
  /** Of each entry: kind, mode, size. */
  readonly #numbers: Float64Array;
  #at = 0;

  /** @param count how many entries there will be. */
  constructor(count: number) {
    this.#numbers = new Float64Array(count * NUMBERS);
  }

  /** A file. */
  file(path: string, mode: number, size: number): void {
    this.#texts.push(path);
    this.#note(FILE, mode, size);
  }

  /** A directory. */
  dir(path: string, mode: number): void {
    this.#texts.push(path);
    this.#note(DIR, mode, 0);
  }

  /** A symbolic link. */
  symlink(path: string, target: string): void {
    this.#texts.push(path, target);
    this.#note(SYMLINK, 0, 0);
  }

  /** A directory or a symbolic link. */
  other(entry: DirectoryEntry | SymlinkEntry): void {
    if (entry.kind === "dir") this.dir(entry.path, entry.mode);
    else this.symlink(entry.path, entry.target);
  }

  /** The key, hex. */
  finish(blake3: Blake3): string {
    const numbers = new Uint8Array(this.#numbers.buffer);
    return toHex(blake3.hash(concatBytes([numbers, encodeUtf8(this.#texts.join(SEPARATOR))])));
  }

  #note(kind: number, mode: number, size: number): void {
    this.#numbers[this.#at++] = kind;
    this.#numbers[this.#at++] = mode;
    this.#numbers[this.#at++] = size;
  }
}

/** The key of a directory whose outline is known. */
export function outlineKey(blake3: Blake3, outline: readonly OutlineEntry[]): string {
  const key = new OutlineKey(outline.length);
  for (const entry of outline) {
    if (entry.kind === "file") key.file(entry.path, entry.mode, entry.size);
    else key.other(entry);
  }
  return key.finish(blake3);
}

/** The same of a directory whose manifest is known. @param files those of its plan. */
export function manifestKey(
  blake3: Blake3,
  entries: readonly DirEntry[],
  files: readonly PlannedFile[],
): string {
  const key = new OutlineKey(entries.length);
  let file = 0;
  for (const entry of entries) {
    if (entry.kind === "file") key.file(entry.path, entry.mode, files[file++].size);
    else key.other(entry);
  }
  return key.finish(blake3);
}
