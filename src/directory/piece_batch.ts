/**
 * Pieces of files to read and hash, in batches that travel between threads: columns of numbers instead of objects.
 *
 * @module
 */

import type { FileIdentity } from "../blob/folder_store.ts";
import type { Blake3Pieces } from "../crypto/blake3.ts";
import { CHUNK_SIZE } from "../wire/blob_ref.ts";
import { FileReader } from "./file_reader.ts";
import type { WalkRecord } from "./walk.ts";

/** Length of a hash and of a chaining value, bytes. */
const HASH_LENGTH = 32;
/** What a file was when it was read: the columns of a {@linkcode FileIdentity}. */
const IDENTITY = ["size", "mtimeMs", "ctimeMs", "ino", "dev"] as const;

/** Pieces to hash, each a file or 4 MiB of it. */
export interface PieceBatch {
  /** Absolute path of each piece's file. */
  readonly paths: readonly string[];
  /** For each piece: where it begins in the file, and the file's size, mtimeMs and ino. */
  readonly numbers: Float64Array<ArrayBuffer>;
}

const NUMBERS = 4;

/** What became of a batch. */
export interface HashedBatch {
  /** For each piece its hash and, when its file has several, its part in that of the whole. */
  readonly hashes: Uint8Array<ArrayBuffer>;
  /** For each piece what its file was. */
  readonly identities: Float64Array<ArrayBuffer>;
  /** Pieces that could not be read, by number. */
  readonly failed: number[];
}

/** A piece of a file. */
export interface FilePart {
  /** The file as it was listed. */
  readonly file: WalkRecord;
  /** First byte of the piece; a multiple of 4 MiB. */
  readonly offset: number;
}

/** Makes a batch of pieces of files below `root`. */
export function packBatch(root: string, parts: readonly FilePart[]): PieceBatch {
  const numbers = new Float64Array(parts.length * NUMBERS);
  parts.forEach(({ offset, file: { size, mtimeMs, ino } }, i) => {
    numbers.set([offset, size, mtimeMs, ino], i * NUMBERS);
  });
  return { paths: parts.map(({ file }) => `${root}/${file.path}`), numbers };
}

/** Room for the result of `count` pieces. */
export function emptyResult(count: number): HashedBatch {
  return {
    hashes: new Uint8Array(count * 2 * HASH_LENGTH),
    identities: new Float64Array(count * IDENTITY.length),
    failed: [],
  };
}

/** The hash of piece `index`, as a new array. */
export function hashOfPiece({ hashes }: HashedBatch, index: number): Uint8Array {
  return hashes.slice(2 * index * HASH_LENGTH, (2 * index + 1) * HASH_LENGTH);
}

/** What piece `index` is in the hash of its file, as a new array. */
export function partOfPiece({ hashes }: HashedBatch, index: number): Uint8Array {
  return hashes.slice((2 * index + 1) * HASH_LENGTH, 2 * (index + 1) * HASH_LENGTH);
}

/** What the file of piece `index` was. */
export function identityOfPiece({ identities }: HashedBatch, index: number): FileIdentity {
  const [size, mtimeMs, ctimeMs, ino, dev] = identities.subarray(index * IDENTITY.length);
  return { size, mtimeMs, ctimeMs, ino, dev };
}

/** Reads and hashes pieces, one at a time. */
export class PieceHasher {
  readonly #reader: FileReader;

  /** @param action what is done, for messages. @param hash of one-piece files. @param pieces of others. */
  constructor(
    action: string,
    readonly hash: (bytes: Uint8Array) => Uint8Array,
    readonly pieces: Blake3Pieces,
  ) {
    this.#reader = new FileReader(action);
  }

  /** Writes piece `index` of a batch into `result`. Throws as `FileReader.part` does. */
  hashPiece({ paths, numbers }: PieceBatch, index: number, result: HashedBatch): void {
    const [offset, size, mtimeMs, ino] = numbers.subarray(index * NUMBERS, (index + 1) * NUMBERS);
    const length = Math.min(CHUNK_SIZE, size - offset);
    const bytes = this.#reader.part(paths[index], { size, mtimeMs, ino }, offset, length);
    const at = 2 * index * HASH_LENGTH;
    if (size <= CHUNK_SIZE) {
      result.hashes.set(this.hash(bytes), at);
    } else {
      const { hash, part } = this.pieces.hash(bytes, offset);
      result.hashes.set(hash, at);
      result.hashes.set(part, at + HASH_LENGTH);
    }
    const stat = this.#reader.lastStat!;
    for (const [i, field] of IDENTITY.entries()) result.identities[index * IDENTITY.length + i] = stat[field];
  }
}
