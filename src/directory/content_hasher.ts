/**
 * Names content chunk by chunk as it is read (`formats.md` 1.2), and passes every chunk on to whoever keeps it.
 *
 * @module
 */

import { type Blake3, type Blake3Hasher, loadBlake3 } from "../crypto/blake3.ts";
import { LimitExceededError } from "../errors.ts";
import {
  type BlobRef,
  blobUri,
  CHUNK_SIZE,
  type ChunkRef,
  manifestRef,
  MAX_BLOB_SIZE,
  smallRef,
} from "../wire/blob_ref.ts";
import type { FilePiece } from "./file_reader.ts";
import type { WorkPacer } from "./pacer.ts";

/** Takes a chunk and tells its BLAKE3 address. May keep the bytes only after copying them. */
export type ChunkSink = (bytes: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/** Content and what it consists of. */
export interface HashedContent {
  /** The reference. */
  readonly ref: BlobRef;
  /** Its chunks in order; empty content is one empty chunk. */
  readonly chunks: readonly ChunkRef[];
}

/** Makes references of files and of manifests. */
export class ContentHasher {
  readonly #whole: Blake3Hasher;
  /** The driver, for sinks that only hash. */
  readonly blake3: Blake3;

  private constructor(blake3: Blake3, whole: Blake3Hasher) {
    this.blake3 = blake3;
    this.#whole = whole;
  }

  /** A hasher, ready for use. */
  static async create(): Promise<ContentHasher> {
    const blake3 = await loadBlake3();
    return new ContentHasher(blake3, await blake3.createHasher());
  }

  /**
   * The reference of content of `size` bytes that comes in `pieces`, each but the last of 4 MiB. Every piece goes
   * through `sink`. Returns a promise only when `sink` does or the content is large, so that small files cost none.
   * Between the chunks of large content `pacer` lets the event loop turn.
   */
  hash(
    size: number,
    pieces: Iterable<FilePiece>,
    sink: ChunkSink,
    pacer?: WorkPacer,
  ): HashedContent | Promise<HashedContent> {
    if (size > MAX_BLOB_SIZE) {
      const message = `Hash content: ${size} bytes exceed the limit of ${MAX_BLOB_SIZE}`;
      throw new LimitExceededError(message, "blob size", size, MAX_BLOB_SIZE);
    }
    if (size > CHUNK_SIZE) {
      // One hash of all: it cannot change the driver halfway.
      this.blake3.expect?.(size);
      return this.#hashLarge(pieces, sink, pacer);
    }
    let result: HashedContent | Promise<HashedContent> | undefined;
    for (const { bytes } of pieces) {
      const hash = sink(bytes);
      result = hash instanceof Uint8Array ? oneChunk(hash, size) : hash.then((hash) => oneChunk(hash, size));
    }
    return result!;
  }

  /** As {@linkcode ContentHasher.hash}, for content in memory. */
  async hashBytes(bytes: Uint8Array, sink: ChunkSink): Promise<HashedContent> {
    return await this.hash(bytes.length, piecesOf(bytes), sink);
  }

  async #hashLarge(pieces: Iterable<FilePiece>, sink: ChunkSink, pacer?: WorkPacer): Promise<HashedContent> {
    const chunks: ChunkRef[] = [];
    this.#whole.reset();
    for (const { bytes } of pieces) {
      this.#whole.update(bytes);
      chunks.push({ hash: await sink(bytes), size: bytes.length });
      if (pacer?.due) await pacer.pause();
    }
    return manyChunks(this.#whole.digest(), chunks);
  }
}

/** Content of several chunks, whose BLAKE3 is `hash`. */
export function manyChunks(hash: Uint8Array, chunks: readonly ChunkRef[]): HashedContent {
  return { ref: manifestRef(blobUri(hash), { kind: "replicated" }, chunks), chunks };
}

/** Content of one chunk, small or empty. */
export function oneChunk(hash: Uint8Array, size: number): HashedContent {
  return { ref: smallRef(blobUri(hash), hash, size), chunks: [{ hash, size }] };
}

function* piecesOf(bytes: Uint8Array): Generator<FilePiece> {
  for (let offset = 0; offset < bytes.length || offset === 0; offset += CHUNK_SIZE) {
    yield { offset, bytes: bytes.subarray(offset, offset + CHUNK_SIZE) };
  }
}
