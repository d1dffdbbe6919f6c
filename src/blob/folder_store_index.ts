/**
 * Which blob is where in a folder: in columns, for a folder of a million files should not cost a gigabyte.
 *
 * @module
 */

import { InvalidArgumentError } from "../errors.ts";
import { blobKey } from "./blob_key.ts";
import type { ContentChunk } from "./chunking.ts";

/** What tells a file from another, and from itself after a change. `fstat`'s result has these fields. */
export interface FileIdentity {
  /** Size, bytes. */
  readonly size: number;
  /** When its content changed last, milliseconds. */
  readonly mtimeMs: number;
  /** When anything of it changed last, milliseconds. */
  readonly ctimeMs: number;
  /** Its number in the file system. */
  readonly ino: number;
  /** The file system. */
  readonly dev: number;
}

/** Where a blob is. */
export interface FolderPlace {
  /** Number of the file. */
  readonly file: number;
  /** First byte in the file. */
  readonly offset: number;
  /** Size, bytes. */
  readonly size: number;
  /** Where its bytes were kept when it was added; -1 when they were not. */
  readonly kept: number;
}

const IDENTITY_FIELDS = 5;
const PLACE_FIELDS = 4;
/** {@linkcode FolderPlace.kept} of what is read from its file. */
const NOT_KEPT = -1;

/** Files and the places of their chunks. */
export class FolderIndex {
  readonly #paths: string[] = [];
  readonly #identities = new NumberRows(IDENTITY_FIELDS);
  readonly #places = new NumberRows(PLACE_FIELDS);
  readonly #byKey = new Map<string, number>();

  /**
   * Adds chunks of a file. When it is the file that was added last and its content is the same still, they are more of
   * its chunks, and it is now what `identity` says. Throws `InvalidArgumentError` when a chunk leaves the file.
   *
   * @param kept where the bytes of its only chunk are kept.
   */
  add(path: string, identity: FileIdentity, chunks: readonly ContentChunk[], kept: number = NOT_KEPT): void {
    for (const { offset, size } of chunks) {
      if (offset >= 0 && size >= 0 && offset + size <= identity.size) continue;
      throw new InvalidArgumentError(
        `Add file "${path}": chunk of ${size} bytes at ${offset} leaves its ${identity.size} bytes`,
      );
    }
    const { size, mtimeMs, ctimeMs, ino, dev } = identity;
    const row = [size, mtimeMs, ctimeMs, ino, dev];
    let file = this.#paths.length - 1;
    if (this.#paths[file] === path && isSameContent(this.identity(file), identity)) {
      this.#identities.set(file, row);
    } else {
      file = this.#paths.push(path) - 1;
      this.#identities.push(row);
    }
    for (const chunk of chunks) {
      const key = blobKey(chunk.hash);
      if (this.#byKey.has(key)) continue;
      this.#byKey.set(key, this.#places.push([file, chunk.offset, chunk.size, kept]));
    }
  }

  /** Where a blob is, `undefined` when nowhere. */
  find(key: string): FolderPlace | undefined {
    const row = this.#byKey.get(key);
    if (row === undefined) return undefined;
    const places = this.#places;
    return {
      file: places.get(row, 0),
      offset: places.get(row, 1),
      size: places.get(row, 2),
      kept: places.get(row, 3),
    };
  }

  /** All blobs. */
  keys(): IterableIterator<string> {
    return this.#byKey.keys();
  }

  /** The path of a file, as it was added. */
  path(file: number): string {
    return this.#paths[file];
  }

  /** What the file was when it was hashed. */
  identity(file: number): FileIdentity {
    const rows = this.#identities;
    return {
      size: rows.get(file, 0),
      mtimeMs: rows.get(file, 1),
      ctimeMs: rows.get(file, 2),
      ino: rows.get(file, 3),
      dev: rows.get(file, 4),
    };
  }
}

/** Whether a file is what it was, but for its name and its permissions. */
function isSameContent(then: FileIdentity, now: FileIdentity): boolean {
  return then.size === now.size && then.mtimeMs === now.mtimeMs && then.ino === now.ino &&
    then.dev === now.dev;
}

/** Rows of a fixed number of numbers in one array that grows. */
class NumberRows {
  readonly #width: number;
  #values: Float64Array = new Float64Array(0);
  #rows = 0;

  constructor(width: number) {
    this.#width = width;
  }

  /** Adds a row; its number. */
  push(row: readonly number[]): number {
    const at = this.#rows * this.#width;
    if (at === this.#values.length) {
      // By half: twice as much would be wasted on average as is needed.
      const grown = new Float64Array((64 + Math.ceil(this.#rows * 1.5)) * this.#width);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values.set(row, at);
    return this.#rows++;
  }

  /** Writes over a row. */
  set(row: number, values: readonly number[]): void {
    this.#values.set(values, row * this.#width);
  }

  get(row: number, field: number): number {
    return this.#values[row * this.#width + field];
  }
}
