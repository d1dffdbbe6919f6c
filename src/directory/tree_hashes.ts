/**
 * What the files of a tree hold, as hashes in one array: for every file that is not empty that of each chunk, then,
 * when there are several, that of the whole file; files in the order of the tree's entries. So they go into a cache file
 * and into the messages of an offer.
 *
 * @module
 */

import { CHUNK_SIZE, type ChunkRef } from "../wire/blob_ref.ts";
import { fromHex } from "../wire/bytes.ts";
import { type HashedContent, manyChunks, oneChunk } from "./content_hasher.ts";
import type { RecordTable } from "./record_table.ts";

/** Length of a hash, bytes. */
export const HASH_LENGTH = 32;
/** BLAKE3 of nothing. */
const EMPTY_HASH = fromHex("af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")!;

/** Number of hashes of a file of `size` bytes. */
export function hashCountOf(size: number): number {
  const chunks = Math.ceil(size / CHUNK_SIZE);
  return chunks > 1 ? chunks + 1 : chunks;
}

/** The hashes of a tree's files, all or some of them known. */
export class TreeHashes {
  /** All hashes; zeros where one is not known. */
  readonly bytes: Uint8Array;
  /** How many bytes the hashes of these entries take. */
  readonly length: number;
  /** By entry: the size of the file. */
  readonly #sizes: Float64Array;
  /** By entry: the number of its first hash. */
  readonly #first: Uint32Array;

  /** @param table the entries, of which only files have hashes. @param bytes the hashes, if they are known. */
  constructor(table: RecordTable, bytes?: Uint8Array) {
    const { length } = table;
    const sizes = this.#sizes = new Float64Array(length);
    const first = this.#first = new Uint32Array(length);
    let count = 0;
    for (let i = 0; i < length; i++) {
      first[i] = count;
      const size = sizes[i] = table.sizeOf(i);
      // Most have one.
      if (table.isFile(i)) count += size > 0 && size <= CHUNK_SIZE ? 1 : hashCountOf(size);
    }
    this.length = count * HASH_LENGTH;
    this.bytes = bytes ?? new Uint8Array(this.length);
  }

  /** Number of the first hash of an entry; of the entry after the last, the number of all hashes. */
  firstOf(entry: number): number {
    return this.#first[entry] ?? this.length / HASH_LENGTH;
  }

  /** Hash number `index`, as a view. */
  at(index: number): Uint8Array {
    return this.bytes.subarray(index * HASH_LENGTH, (index + 1) * HASH_LENGTH);
  }

  /** All hashes of a file, as a view. */
  of(entry: number): Uint8Array {
    const first = this.#first[entry];
    const size = this.#sizes[entry];
    return this.bytes.subarray(first * HASH_LENGTH, (first + hashCountOf(size)) * HASH_LENGTH);
  }

  /** Takes the hashes of a file of another tree; both have one size. */
  copy(entry: number, from: TreeHashes, other: number): void {
    const to = this.#first[entry] * HASH_LENGTH;
    const at = from.#first[other] * HASH_LENGTH;
    // By hand: for a hash or two, views cost more than the bytes.
    const length = hashCountOf(this.#sizes[entry]) * HASH_LENGTH;
    for (let i = 0; i < length; i++) this.bytes[to + i] = from.bytes[at + i];
  }

  /** Puts hash `ordinal` of a file in its place: that of the whole comes after those of the chunks. */
  set(entry: number, ordinal: number, hash: Uint8Array): void {
    this.bytes.set(hash, (this.#first[entry] + ordinal) * HASH_LENGTH);
  }

  /** Chunks of a file whose hashes are known; one that is empty has one. The hashes are views. */
  chunksOf(entry: number): ChunkRef[] {
    const size = this.#sizes[entry];
    if (size === 0) return [{ hash: EMPTY_HASH, size }];
    const first = this.#first[entry];
    const chunks: ChunkRef[] = [];
    for (let offset = 0; offset < size; offset += CHUNK_SIZE) {
      chunks.push({ hash: this.at(first + chunks.length), size: Math.min(CHUNK_SIZE, size - offset) });
    }
    return chunks;
  }

  /** Reference and chunks of a file whose hashes are known. The hashes are views. */
  contentOf(entry: number): HashedContent {
    const chunks = this.chunksOf(entry);
    if (chunks.length === 1) return oneChunk(chunks[0].hash, chunks[0].size);
    return manyChunks(this.at(this.#first[entry] + chunks.length), chunks);
  }
}
