/**
 * What all stores share whose reads are synchronous at heart (memory, packs in a folder, files served in place):
 * arguments are checked, closing is respected, bytes are verified, the rest of the interface is derived from a few
 * primitives.
 *
 * @module
 */

import { type Blake3, loadBlake3 } from "../crypto/blake3.ts";
import {
  BlobNotFoundError,
  FileSystemError,
  HashMismatchError,
  InvalidArgumentError,
  LimitExceededError,
  SourceChangedError,
  StoreError,
} from "../errors.ts";
import { concatBytes, equalBytes, toHex } from "../wire/bytes.ts";
import { blobKey, KEY_LENGTH, keyHash, keyHex } from "./blob_key.ts";
import {
  type BlobRange,
  type BlobStat,
  type BlobStore,
  type GcOptions,
  type GcResult,
  MAX_STORED_BLOB,
  type StoreCallOptions,
  type SyncReadableStore,
  type VerifyResult,
} from "./store.ts";

/** Size of the pieces of {@linkcode BlobStore.getStream}, bytes: large enough to be cheap, small enough to flow. */
const STREAM_PIECE = 256 * 1024;
/** Bytes that a long loop works through before it lets others run: some 10 ms of hashing. */
const YIELD_BYTES = 8 * 1024 * 1024;
/** Blobs that a long loop works through before it lets others run, where they are tiny. */
const YIELD_BLOBS = 1024;

/** A store whose reads are synchronous. Subclasses supply the primitives and everything that changes the store. */
export abstract class SyncBlobStore implements BlobStore, SyncReadableStore {
  /** What messages call this store. */
  protected abstract readonly label: string;
  /** Blobs whose bytes were found damaged: they count as missing for `has`, and a `put` replaces them. */
  protected readonly damaged: Set<string> = new Set<string>();
  #closed = false;
  #blake3: Blake3 | undefined;

  /** Size of a blob, `undefined` when absent. */
  protected abstract sizeOf(key: string): number | undefined;
  /** Reads part of a blob that is there, after the range was checked, into `into` if it is given, or a new array. */
  protected abstract read(key: string, offset: number, length: number, into?: Uint8Array): Uint8Array;
  /** Every address, as far as the store is concerned in any order; safe against changes while it is walked. */
  protected abstract keys(): Iterable<string>;
  /** Whether `gc` must leave the blob. */
  protected abstract isPinned(key: string): boolean;

  /** As {@linkcode BlobStore.put}. */
  abstract put(bytes: Uint8Array, expected?: Uint8Array, options?: StoreCallOptions): Promise<Uint8Array>;
  /** As {@linkcode BlobStore.delete}. */
  abstract delete(hash: Uint8Array, options?: StoreCallOptions): Promise<boolean>;
  /** As {@linkcode BlobStore.pin}. */
  abstract pin(hash: Uint8Array, options?: StoreCallOptions): Promise<void>;
  /** As {@linkcode BlobStore.unpin}. */
  abstract unpin(hash: Uint8Array, options?: StoreCallOptions): Promise<void>;
  /** As {@linkcode BlobStore.gc}. */
  abstract gc(options?: GcOptions): Promise<GcResult>;

  // --- SyncReadableStore ---

  /** As {@linkcode SyncReadableStore.sizeSync}. */
  sizeSync(hash: Uint8Array): number | undefined {
    return this.sizeOf(this.keyOf("Stat blob", hash));
  }

  /** As {@linkcode SyncReadableStore.readSync}. */
  readSync(hash: Uint8Array, offset: number, length: number, into?: Uint8Array): Uint8Array {
    const key = this.keyOf("Read blob", hash);
    const size = this.sizeOf(key);
    if (size === undefined) {
      throw new BlobNotFoundError(`Read blob: ${keyHex(key)} is not in ${this.label}`, keyHex(key));
    }
    checkRange(offset, length, size);
    const room = into !== undefined && into.length >= length ? into.subarray(0, length) : undefined;
    return this.read(key, offset, length, room);
  }

  // --- BlobStore ---

  /** As {@linkcode BlobStore.has}. */
  // deno-lint-ignore require-await -- async so that wrong arguments reject instead of throwing
  async has(hash: Uint8Array, options?: StoreCallOptions): Promise<boolean> {
    const key = this.keyOf("Look up blob", hash, options);
    return this.sizeOf(key) !== undefined && !this.damaged.has(key);
  }

  /** As {@linkcode BlobStore.get}. */
  async get(
    hash: Uint8Array,
    range?: BlobRange,
    options?: StoreCallOptions,
  ): Promise<Uint8Array | undefined> {
    const blake3 = await this.begin("Get blob", options);
    const key = this.keyOf("Get blob", hash);
    const size = this.sizeOf(key);
    if (size === undefined) return undefined;
    if (range === undefined) return this.readVerified(blake3, key, size);
    checkRange(range.offset, range.length, size);
    const isWhole = range.offset === 0 && range.length === size;
    return isWhole ? this.readVerified(blake3, key, size) : this.read(key, range.offset, range.length);
  }

  /** As {@linkcode BlobStore.getStream}. */
  async getStream(
    hash: Uint8Array,
    options?: StoreCallOptions,
  ): Promise<ReadableStream<Uint8Array> | undefined> {
    const blake3 = await this.begin("Get blob", options);
    const key = this.keyOf("Get blob", hash);
    if (this.sizeOf(key) === undefined) return undefined;
    // A blob has at most 16 MiB: it is read and verified as one when the reader first asks, so that no byte of a
    // damaged blob gets out.
    let bytes: Uint8Array | undefined;
    let at = 0;
    return new ReadableStream<Uint8Array>({
      pull: (controller) => {
        options?.signal?.throwIfAborted();
        if (bytes === undefined) {
          const size = this.sizeSync(hash);
          if (size === undefined) {
            throw new BlobNotFoundError(`Get blob: ${keyHex(key)} is gone`, keyHex(key));
          }
          bytes = this.readVerified(blake3, key, size);
        }
        if (at < bytes.length) controller.enqueue(bytes.slice(at, at += STREAM_PIECE));
        if (at >= bytes.length) controller.close();
      },
    }, { highWaterMark: 0 });
  }

  /** As {@linkcode BlobStore.putStream}. */
  async putStream(
    stream: ReadableStream<Uint8Array>,
    expected?: Uint8Array,
    options?: StoreCallOptions,
  ): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    let size = 0;
    this.assertOpen("Put blob", options);
    // Leaving the loop by an error cancels the stream.
    for await (const piece of stream) {
      this.assertOpen("Put blob", options);
      checkStoredSize(size += piece.length);
      pieces.push(piece);
    }
    return await this.put(pieces.length === 1 ? pieces[0] : concatBytes(pieces), expected, options);
  }

  /** As {@linkcode BlobStore.list}. */
  async *list(prefix = "", options?: StoreCallOptions): AsyncIterable<BlobStat> {
    this.assertOpen("List blobs", options);
    const wanted = prefix.toLowerCase();
    if (!/^[0-9a-f]{0,64}$/.test(wanted)) return;
    let seen = 0;
    for (const key of this.keys()) {
      if (++seen % YIELD_BLOBS === 0) await yieldToOthers();
      this.assertOpen("List blobs", options);
      if (wanted !== "" && !keyHex(key).startsWith(wanted)) continue;
      const size = this.sizeOf(key);
      if (size !== undefined) yield { hash: keyHash(key), size, pinned: this.isPinned(key) };
    }
  }

  /** As {@linkcode BlobStore.stat}. */
  // deno-lint-ignore require-await -- as `has`
  async stat(hash: Uint8Array, options?: StoreCallOptions): Promise<BlobStat | undefined> {
    const key = this.keyOf("Stat blob", hash, options);
    const size = this.sizeOf(key);
    return size === undefined ? undefined : { hash: keyHash(key), size, pinned: this.isPinned(key) };
  }

  /** As {@linkcode BlobStore.verify}. */
  async verify(options?: StoreCallOptions): Promise<VerifyResult> {
    const blake3 = await this.begin("Verify store", options);
    const found: Uint8Array[] = [];
    let checked = 0;
    let bytes = 0;
    for (const key of this.keys()) {
      if (bytes > YIELD_BYTES || checked % YIELD_BLOBS === YIELD_BLOBS - 1) {
        await yieldToOthers();
        bytes = 0;
        this.assertOpen("Verify store", options);
      }
      const size = this.sizeOf(key);
      if (size === undefined) continue;
      checked++;
      bytes += size;
      try {
        this.readVerified(blake3, key, size);
      } catch (error) {
        if (!isDamage(error)) throw error;
        found.push(keyHash(key));
      }
    }
    return { checked, damaged: found };
  }

  /** As {@linkcode BlobStore.close}. */
  // deno-lint-ignore require-await -- as `has`
  async close(): Promise<void> {
    this.#closed = true;
  }

  /** As {@linkcode BlobStore.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // --- for subclasses ---

  /** Whether `close` was called. */
  protected get isClosed(): boolean {
    return this.#closed;
  }

  /** Throws `StoreError` after `close`, and the reason of an aborted signal. */
  protected assertOpen(action: string, options?: StoreCallOptions): void {
    if (this.#closed) throw new StoreError(`${action}: ${this.label} is closed`);
    options?.signal?.throwIfAborted();
  }

  /** Checks what {@linkcode assertOpen} does, and resolves to the hash function. */
  protected async begin(action: string, options?: StoreCallOptions): Promise<Blake3> {
    this.assertOpen(action, options);
    if (this.#blake3 === undefined) {
      this.#blake3 = await loadBlake3();
      this.assertOpen(action, options);
    }
    return this.#blake3;
  }

  /** Checks what {@linkcode assertOpen} does and the address; its key. */
  protected keyOf(action: string, hash: Uint8Array, options?: StoreCallOptions): string {
    this.assertOpen(action, options);
    if (hash.length !== KEY_LENGTH) {
      throw new InvalidArgumentError(`${action}: address has ${hash.length} bytes, want ${KEY_LENGTH}`);
    }
    return blobKey(hash);
  }

  /** Reads a whole blob. Throws `HashMismatchError` when it is damaged. */
  protected readVerified(blake3: Blake3, key: string, size: number): Uint8Array {
    let bytes: Uint8Array;
    try {
      bytes = this.read(key, 0, size);
    } catch (error) {
      // Not on a FileSystemError: too many open files is no damage.
      if (error instanceof SourceChangedError || error instanceof StoreError) this.damaged.add(key);
      throw error;
    }
    const actual = blake3.hash(bytes);
    if (blobKey(actual) !== key) {
      this.damaged.add(key);
      throw new HashMismatchError(keyHex(key), toHex(actual), this.label);
    }
    return bytes;
  }
}

/** Hashes what is to be stored, after checking its size, and compares with the address it should have. */
export function hashForPut(blake3: Blake3, bytes: Uint8Array, expected: Uint8Array | undefined): Uint8Array {
  checkStoredSize(bytes.length);
  const hash = blake3.hash(bytes);
  if (expected !== undefined && !equalBytes(hash, expected)) {
    throw new HashMismatchError(toHex(expected), toHex(hash));
  }
  return hash;
}

/** Keys of the addresses that {@linkcode BlobStore.gc} must keep. */
export function rootKeys(roots: Iterable<Uint8Array> | undefined): Set<string> {
  const keys = new Set<string>();
  for (const root of roots ?? []) {
    if (root.length !== KEY_LENGTH) {
      throw new InvalidArgumentError(`Collect garbage: root has ${root.length} bytes, want ${KEY_LENGTH}`);
    }
    keys.add(blobKey(root));
  }
  return keys;
}

/** Lets the event loop turn once. */
export function yieldToOthers(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

function checkStoredSize(size: number): void {
  if (size <= MAX_STORED_BLOB) return;
  const message = `Put blob: ${size} bytes exceed ${MAX_STORED_BLOB}; store content of this size in chunks`;
  throw new LimitExceededError(message, "MAX_STORED_BLOB", size, MAX_STORED_BLOB);
}

function checkRange(offset: number, length: number, size: number): void {
  const natural = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (natural && offset + length <= size) return;
  throw new InvalidArgumentError(`Read blob: ${length} bytes at ${offset} are not inside 0..${size}`);
}

/** Whether an error says that bytes at rest are not what they should be, rather than that the call was wrong. */
function isDamage(error: unknown): boolean {
  return error instanceof HashMismatchError || error instanceof SourceChangedError ||
    error instanceof FileSystemError || error instanceof StoreError;
}
