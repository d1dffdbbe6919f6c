/**
 * Cutting content into chunks of 4 MiB and naming it (`formats.md` 1.2): up to 4 MiB one small blob, above that a
 * manifest of chunks whose URI carries the hash of the whole. A pure function of the bytes: every program that
 * follows the format makes the same reference of the same content.
 *
 * @module
 */

import { type Blake3, type Blake3Hasher, loadBlake3 } from "../crypto/blake3.ts";
import { InvalidArgumentError, LimitExceededError, SizeMismatchError } from "../errors.ts";
import {
  type BlobRef,
  blobUri,
  CHUNK_SIZE,
  type ChunkRef,
  manifestRef,
  MAX_BLOB_SIZE,
  smallRef,
} from "../wire/blob_ref.ts";

/** One chunk and where it lies in the content. */
export interface ContentChunk extends ChunkRef {
  /** First byte in the content. */
  readonly offset: number;
}

/** What content is called and what it consists of. */
export interface ChunkedContent {
  /** The reference. */
  readonly ref: BlobRef;
  /** The chunks in order: never none, for empty content is one empty chunk. */
  readonly chunks: readonly ContentChunk[];
}

/** Options of {@linkcode chunkStream}. */
export interface ChunkStreamOptions {
  /** Size of the content, bytes, where it is known: spares a second hash of content that is one chunk. */
  readonly size?: number;
  /** Ends the work with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Cuts and names content that is in memory. Throws `LimitExceededError` above 16 GiB. */
export function chunkBytes(bytes: Uint8Array, blake3: Blake3): ChunkedContent {
  checkSize(bytes.length);
  const whole = blake3.hash(bytes);
  if (bytes.length <= CHUNK_SIZE) return oneChunk(whole, bytes.length);
  const chunks: ContentChunk[] = [];
  for (let offset = 0; offset < bytes.length; offset += CHUNK_SIZE) {
    const chunk = bytes.subarray(offset, offset + CHUNK_SIZE);
    chunks.push({ hash: blake3.hash(chunk), offset, size: chunk.length });
  }
  return manyChunks(whole, chunks);
}

/**
 * The reference of content that is in memory.
 *
 * @example
 * ```ts
 * import { referenceOf } from "./chunking.ts";
 *
 * const ref = await referenceOf(new TextEncoder().encode("hello world"));
 * console.log(ref.uri, ref.size);
 * ```
 */
export async function referenceOf(bytes: Uint8Array): Promise<BlobRef> {
  return chunkBytes(bytes, await loadBlake3()).ref;
}

/** Cuts and names the content of a stream, which is read to its end. Holds one piece of it at a time. */
export async function chunkStream(
  stream: ReadableStream<Uint8Array>,
  options: ChunkStreamOptions = {},
): Promise<ChunkedContent> {
  const hasher = await BlobHasher.create();
  hasher.begin(options.size);
  for await (const piece of stream) {
    options.signal?.throwIfAborted();
    hasher.update(piece);
  }
  return hasher.finish();
}

/**
 * Cuts and names content that arrives in pieces, with no more memory than two hash states. One content at a time:
 * `begin`, `update` as often as needed, `finish`, and again. When the size is told to `begin` and is at most one
 * chunk, every byte is hashed once; otherwise once for its chunk and once for the whole.
 */
export class BlobHasher {
  readonly #chunk: Blake3Hasher;
  readonly #whole: Blake3Hasher;
  #chunks: ContentChunk[] = [];
  #declared: number | undefined;
  /** Whether the whole gets a hash of its own. */
  #both = true;
  #size = 0;
  /** Bytes in the current chunk. */
  #filled = 0;

  private constructor(chunk: Blake3Hasher, whole: Blake3Hasher) {
    this.#chunk = chunk;
    this.#whole = whole;
  }

  /** A hasher, ready for content of unknown size. Keep it: making one costs more than hashing a small file. */
  static async create(): Promise<BlobHasher> {
    const blake3 = await loadBlake3();
    return new BlobHasher(await blake3.createHasher(), await blake3.createHasher());
  }

  /**
   * Forgets everything and starts on new content. With `size`, other than that many bytes are an error. Throws
   * `LimitExceededError` above 16 GiB.
   */
  begin(size?: number): this {
    if (size !== undefined) {
      if (!Number.isSafeInteger(size) || size < 0) {
        throw new InvalidArgumentError(`Hash blob: size ${size} is not a natural number`);
      }
      checkSize(size);
    }
    this.#declared = size;
    this.#both = size === undefined || size > CHUNK_SIZE;
    this.#chunks = [];
    this.#size = this.#filled = 0;
    this.#chunk.reset();
    this.#whole.reset();
    return this;
  }

  /**
   * Takes the next bytes. Throws `SizeMismatchError` beyond the size told to `begin`, `LimitExceededError` beyond
   * 16 GiB.
   */
  update(bytes: Uint8Array): this {
    const size = this.#size + bytes.length;
    if (this.#declared !== undefined && size > this.#declared) throw this.#mismatch(size);
    checkSize(size);
    if (this.#both) this.#whole.update(bytes);
    for (let at = 0; at < bytes.length;) {
      // Only when another byte follows: an exact multiple of the chunk size has no empty chunk at its end.
      if (this.#filled === CHUNK_SIZE) this.#cut();
      const piece = bytes.subarray(at, at + CHUNK_SIZE - this.#filled);
      this.#chunk.update(piece);
      this.#filled += piece.length;
      at += piece.length;
    }
    this.#size = size;
    return this;
  }

  /** The reference and the chunks. Throws `SizeMismatchError` when less came than was told to `begin`. */
  finish(): ChunkedContent {
    if (this.#declared !== undefined && this.#size !== this.#declared) throw this.#mismatch(this.#size);
    this.#cut();
    const chunks = this.#chunks;
    const content = chunks.length === 1
      ? oneChunk(chunks[0].hash, this.#size)
      : manyChunks(this.#whole.digest(), chunks);
    this.begin();
    return content;
  }

  #cut(): void {
    let offset = 0;
    if (this.#chunks.length > 0) {
      const last = this.#chunks[this.#chunks.length - 1];
      offset = last.offset + last.size;
    }
    this.#chunks.push({ hash: this.#chunk.digest(), offset, size: this.#filled });
    this.#chunk.reset();
    this.#filled = 0;
  }

  #mismatch(actual: number): SizeMismatchError {
    const declared = this.#declared!;
    return new SizeMismatchError(`Hash blob: ${actual} bytes, want ${declared}`, declared, actual);
  }
}

function checkSize(size: number): void {
  if (size <= MAX_BLOB_SIZE) return;
  const message = `Chunk blob: ${size} bytes exceed cap ${MAX_BLOB_SIZE}`;
  throw new LimitExceededError(message, "blob size", size, MAX_BLOB_SIZE);
}

function oneChunk(hash: Uint8Array, size: number): ChunkedContent {
  return { ref: smallRef(blobUri(hash), hash, size), chunks: [{ hash, offset: 0, size }] };
}

function manyChunks(whole: Uint8Array, chunks: readonly ContentChunk[]): ChunkedContent {
  const plain = chunks.map(({ hash, size }) => ({ hash, size }));
  return { ref: manifestRef(blobUri(whole), { kind: "replicated" }, plain), chunks };
}
