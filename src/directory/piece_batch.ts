/**
 * Pieces of files to read and hash, in batches that travel between threads: columns of numbers instead of objects.
 *
 * @module
 */

import type { FileIdentity } from "../blob/folder_store.ts";
import type { Blake3Pieces } from "../crypto/blake3.ts";
import { CHUNK_SIZE } from "../wire/blob_ref.ts";
import { FileReader, type SeenFile } from "./file_reader.ts";
import type { WalkRecord } from "./walk.ts";

/** Length of a hash and of a chaining value, bytes. */
const HASH_LENGTH = 32;
/** Columns of a {@linkcode FileIdentity}: what a file was when it was read. */
const IDENTITY = 5;

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
  let at = 0;
  for (const { offset, file } of parts) {
    numbers[at++] = offset;
    numbers[at++] = file.size;
    numbers[at++] = file.mtimeMs;
    numbers[at++] = file.ino;
  }
  return { paths: parts.map(({ file }) => `${root}/${file.path}`), numbers };
}

/** Piece `index` of a batch: what {@linkcode PieceHasher.hashPiece} takes. */
export function unpackPiece({ paths, numbers }: PieceBatch, index: number): [string, SeenFile, number] {
  const at = index * NUMBERS;
  const seen = { size: numbers[at + 1], mtimeMs: numbers[at + 2], ino: numbers[at + 3] };
  return [paths[index], seen, numbers[at]];
}

/** Room for the result of `count` pieces. */
export function emptyResult(count: number): HashedBatch {
  return {
    hashes: new Uint8Array(count * 2 * HASH_LENGTH),
    identities: new Float64Array(count * IDENTITY),
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
  const at = index * IDENTITY;
  return {
    size: identities[at],
    mtimeMs: identities[at + 1],
    ctimeMs: identities[at + 2],
    ino: identities[at + 3],
    dev: identities[at + 4],
  };
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

  /**
   * Reads the piece at `offset` of a file and writes what it is into `result` as number `index`. Returns its bytes,
   * valid until the next call. Throws as `FileReader.part` does.
   */
  hashPiece(path: string, seen: SeenFile, offset: number, index: number, result: HashedBatch): Uint8Array {
    const { size } = seen;
    const bytes = this.#reader.part(path, seen, offset, Math.min(CHUNK_SIZE, size - offset));
    const { hashes, identities } = result;
    if (size <= CHUNK_SIZE) {
      hashes.set(this.hash(bytes), 2 * index * HASH_LENGTH);
    } else {
      const { hash, part } = this.pieces.hash(bytes, offset);
      hashes.set(hash, 2 * index * HASH_LENGTH);
      hashes.set(part, (2 * index + 1) * HASH_LENGTH);
    }
    const stat = this.#reader.lastStat!;
    const at = index * IDENTITY;
    identities[at] = stat.size;
    identities[at + 1] = stat.mtimeMs;
    identities[at + 2] = stat.ctimeMs;
    identities[at + 3] = stat.ino;
    identities[at + 4] = stat.dev;
    return bytes;
  }
}
