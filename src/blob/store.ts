/**
 * The interface that every blob store implements, and that the transfer, directories and the compliance suite are
 * written against (`content.md` 3). A blob is addressed by its BLAKE3 hash; here a blob is one chunk or one small
 * blob, never larger than {@linkcode MAX_STORED_BLOB}.
 *
 * @module
 */

/** Greatest size of one stored blob, bytes: the largest chunk of any reference format (16 MiB). */
export const MAX_STORED_BLOB: number = 16 * 1024 * 1024;

/** What a store knows of one blob without reading it. */
export interface BlobStat {
  /** BLAKE3 address, 32 bytes. */
  readonly hash: Uint8Array;
  /** Size in bytes. */
  readonly size: number;
  /** Whether {@linkcode BlobStore.pin} protects it from {@linkcode BlobStore.gc}. */
  readonly pinned: boolean;
}

/** Part of a blob: `length` bytes from `offset`. */
export interface BlobRange {
  /** First byte. */
  readonly offset: number;
  /** Number of bytes. */
  readonly length: number;
}

/** Options of every store call. */
export interface StoreCallOptions {
  /** Ends the call with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** What {@linkcode BlobStore.gc} keeps besides pinned blobs. */
export interface GcOptions extends StoreCallOptions {
  /** Addresses to keep: what the application's roots reach. */
  readonly roots?: Iterable<Uint8Array>;
  /** Only counts what would go. @default false */
  readonly dryRun?: boolean;
}

/** What a collection or a verification found. */
export interface GcResult {
  /** Blobs removed (or that would be). */
  readonly blobs: number;
  /** Their bytes. */
  readonly bytes: number;
}

/** Result of {@linkcode BlobStore.verify}. */
export interface VerifyResult {
  /** Blobs read and hashed. */
  readonly checked: number;
  /** Addresses whose bytes are damaged or gone. */
  readonly damaged: readonly Uint8Array[];
}

/** A place that keeps blobs by content address. All implementations pass `tests/compliance/blob_store.ts`. */
export interface BlobStore {
  /** Whether the blob is here, and was not found to be damaged. Never creates anything. */
  has(hash: Uint8Array, options?: StoreCallOptions): Promise<boolean>;
  /**
   * The blob's bytes, or a range of it, verified against its address where the whole is read; `undefined` when
   * absent. The bytes belong to the caller.
   *
   * Throws `HashMismatchError` when stored bytes are damaged, `SourceChangedError` when a file served in place is
   * no longer what was hashed, `InvalidArgumentError` when the range leaves the blob.
   */
  get(hash: Uint8Array, range?: BlobRange, options?: StoreCallOptions): Promise<Uint8Array | undefined>;
  /**
   * The blob as a stream of pieces; `undefined` when absent. A damaged blob errors the stream before its end. What
   * was not read is let go by cancelling the stream.
   */
  getStream(hash: Uint8Array, options?: StoreCallOptions): Promise<ReadableStream<Uint8Array> | undefined>;
  /**
   * Keeps `bytes` and returns their address; the caller may reuse the array once that resolved. Storing what is
   * there already writes nothing, unless it was found to be damaged: then it is replaced. With `expected`, other
   * bytes are refused with `HashMismatchError`. What it means for durability that it resolved is the store's to say.
   *
   * Throws `LimitExceededError` above {@linkcode MAX_STORED_BLOB}, `UnsupportedError` on a read-only store.
   */
  put(bytes: Uint8Array, expected?: Uint8Array, options?: StoreCallOptions): Promise<Uint8Array>;
  /** As {@linkcode BlobStore.put}, from a stream of one blob. */
  putStream(
    stream: ReadableStream<Uint8Array>,
    expected?: Uint8Array,
    options?: StoreCallOptions,
  ): Promise<Uint8Array>;
  /** Removes a blob; whether it was there. A pinned blob is removed too: pins guard against `gc` only. */
  delete(hash: Uint8Array, options?: StoreCallOptions): Promise<boolean>;
  /** All blobs whose hex address begins with `prefix` (an odd number of digits is allowed), in no set order. */
  list(prefix?: string, options?: StoreCallOptions): AsyncIterable<BlobStat>;
  /** Size and pin of one blob, `undefined` when absent. */
  stat(hash: Uint8Array, options?: StoreCallOptions): Promise<BlobStat | undefined>;
  /** Protects a blob, present or future, from {@linkcode BlobStore.gc}. Lasting where the store is. */
  pin(hash: Uint8Array, options?: StoreCallOptions): Promise<void>;
  /** Takes the protection away. */
  unpin(hash: Uint8Array, options?: StoreCallOptions): Promise<void>;
  /** Removes every blob that is neither pinned nor in `roots`, and gives the space back. */
  gc(options?: GcOptions): Promise<GcResult>;
  /** Reads and hashes everything. */
  verify(options?: StoreCallOptions): Promise<VerifyResult>;
  /** Makes everything durable and lets the place go. Later calls throw `StoreError`. */
  close(): Promise<void>;
  /** Same as {@linkcode BlobStore.close}. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * What serving needs on the hot path: bytes now, without a promise and without a copy that can be avoided. Stores
 * that can, implement it; the transfer falls back to {@linkcode BlobStore.get} where it is missing.
 */
export interface SyncReadableStore {
  /** Size in bytes, `undefined` when absent. */
  sizeSync(hash: Uint8Array): number | undefined;
  /**
   * Reads `length` bytes at `offset` into the beginning of `into`, or where that is missing or too short into a new
   * array; the store does not touch either again. Throws as {@linkcode BlobStore.get} does, but does not verify the
   * hash: the receiver does.
   */
  readSync(hash: Uint8Array, offset: number, length: number, into?: Uint8Array): Uint8Array;
}
