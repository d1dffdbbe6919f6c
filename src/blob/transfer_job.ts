/**
 * A chunk on its way: what was received of it, by whom it was refused, how it is verified.
 *
 * @module
 */

import type { Blake3, Blake3Hasher } from "../crypto/blake3.ts";
import { equalBytes } from "../wire/bytes.ts";
import { unpackBlob } from "./packed_blob.ts";
import type { ChunkJob } from "./source.ts";

/** Hashers in use at once are few: as many as streams and interrupted chunks. They are kept and used again. */
export class HasherPool {
  readonly #free: Blake3Hasher[] = [];

  constructor(readonly blake3: Blake3) {}

  /** Hashers that nobody uses. */
  get free(): number {
    return this.#free.length;
  }

  /** Makes sure that `count` hashers are free. */
  async reserve(count: number): Promise<void> {
    while (this.#free.length < count) this.#free.push(await this.blake3.createHasher());
  }

  /** A hasher at its beginning. Whoever uses the pool sees to it that one is free. */
  take(): Blake3Hasher {
    return this.#free.pop()!.reset();
  }

  /** Takes a hasher back. */
  give(hasher: Blake3Hasher): void {
    this.#free.push(hasher);
  }
}

/** What most jobs have of failures. */
const NO_FAILURES: ReadonlyMap<number, Error> = new Map<number, Error>();

/** One chunk of a fetch. */
export class TransferJob {
  /** Bytes received and hashed. */
  received = 0;
  /** Holders (by index) that cannot give it, with what they did instead. */
  failures: ReadonlyMap<number, Error> = NO_FAILURES;
  /** Index of the holder that sent what was received: bytes of several are never mixed, or nobody could be blamed. */
  holder: number | undefined;
  /** Times that a holder was too busy for it. */
  busy = 0;
  /** Whether it is asked for in packed form. */
  asksPacked: boolean;
  /** What came of the packed form, of which `received` counts the bytes. */
  #packed: Uint8Array | undefined;
  #hasher: Blake3Hasher | undefined;
  /** Hash of all of it, where it came in one piece. */
  #whole: Uint8Array | undefined;
  /** That piece, where the job takes it verified: valid until the stream's callback returns. */
  #piece: Uint8Array | undefined;

  constructor(readonly job: ChunkJob, readonly pool: HasherPool) {
    this.asksPacked = job.packable ?? false;
  }

  /** BLAKE3 address. */
  get hash(): Uint8Array {
    return this.job.hash;
  }

  /** Declared size, bytes. */
  get length(): number {
    return this.job.length;
  }

  /** Whether what was received is of the packed form: of use only with the rest of it. */
  get isPacked(): boolean {
    return this.#packed !== undefined;
  }

  /** Whether what was received is gone with the stream that it came from. */
  get isBorrowed(): boolean {
    return this.#piece !== undefined;
  }

  /** Notes that a holder cannot give it. */
  fail(holder: number, error: Error): void {
    this.failures = new Map(this.failures).set(holder, error);
  }

  /** Begins to take a packed form of `length` bytes instead of the bytes themselves. */
  beginPacked(length: number): void {
    this.#packed = new Uint8Array(length);
  }

  /** Takes the packed form as complete. Throws `DecodeError` when it is not one of as many bytes as declared. */
  unpack(): void {
    const bytes = unpackBlob(this.#packed!, this.length);
    this.restart();
    this.write(bytes);
  }

  /** Takes the next bytes. */
  write(bytes: Uint8Array): void {
    if (this.#packed !== undefined) {
      this.#packed.set(bytes, this.received);
      this.received += bytes.length;
      return;
    }
    // A piece that is the whole chunk is hashed at once, below: most chunks are small files in one piece.
    if (this.#hasher === undefined && bytes.length === this.length) {
      if (this.job.take === undefined) this.job.write(bytes, 0);
      else this.#piece = bytes;
      this.received = bytes.length;
      this.#whole = this.pool.blake3.hash(bytes);
      return;
    }
    this.#hasher ??= this.pool.take();
    this.#hasher.update(bytes);
    this.job.write(bytes, this.received);
    this.received += bytes.length;
  }

  /** The hash of what was received, all of it; the hasher is free again. */
  digest(): Uint8Array {
    const digest = this.#whole ?? this.#hasher?.digest() ?? this.pool.blake3.hash(new Uint8Array());
    this.forget();
    return digest;
  }

  /** Whether a digest is the chunk's address. */
  matches(digest: Uint8Array): boolean {
    return equalBytes(digest, this.hash);
  }

  /** Tells the job that all of it is here and right. */
  complete(): void {
    const piece = this.#piece;
    this.#piece = undefined;
    if (piece === undefined) this.job.complete();
    else this.job.take!(piece);
  }

  /** Starts again from the first byte. */
  restart(): void {
    this.received = 0;
    this.#packed = this.#piece = undefined;
    this.forget();
  }

  /** Gives the hasher back. */
  forget(): void {
    if (this.#hasher !== undefined) this.pool.give(this.#hasher);
    this.#hasher = this.#whole = undefined;
  }
}
