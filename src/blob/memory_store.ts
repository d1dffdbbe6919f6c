/**
 * A blob store in memory, for tests and for small things.
 *
 * @module
 */

import { LimitExceededError } from "../errors.ts";
import { blobKey } from "./blob_key.ts";
import type { GcOptions, GcResult, StoreCallOptions } from "./store.ts";
import { hashForPut, rootKeys, SyncBlobStore } from "./sync_store.ts";

/** Options of {@linkcode MemoryBlobStore}. */
export interface MemoryBlobStoreOptions {
  /** Bound of all blobs together, bytes; a `put` beyond it is refused with `LimitExceededError`. @default none */
  readonly maxBytes?: number;
}

/**
 * Keeps blobs in memory.
 *
 * @example
 * ```ts
 * import { MemoryBlobStore } from "./memory_store.ts";
 *
 * const store = new MemoryBlobStore();
 * const hash = await store.put(new TextEncoder().encode("hello world"));
 * console.log(await store.has(hash));
 * ```
 */
export class MemoryBlobStore extends SyncBlobStore {
  /** As {@linkcode SyncBlobStore.label}. */
  protected override readonly label: string = "memory store";
  readonly #blobs = new Map<string, Uint8Array>();
  readonly #pins = new Set<string>();
  readonly #maxBytes: number;
  #bytes = 0;

  /** An empty store. */
  constructor(options: MemoryBlobStoreOptions = {}) {
    super();
    this.#maxBytes = options.maxBytes ?? Infinity;
  }

  /** As {@linkcode BlobStore.put}. */
  override async put(
    bytes: Uint8Array,
    expected?: Uint8Array,
    options?: StoreCallOptions,
  ): Promise<Uint8Array> {
    const hash = hashForPut(await this.begin("Put blob", options), bytes, expected);
    const key = blobKey(hash);
    if (!this.#blobs.has(key)) {
      const total = this.#bytes + bytes.length;
      if (total > this.#maxBytes) {
        const message = `Put blob: ${total} bytes in the store exceed ${this.#maxBytes}`;
        throw new LimitExceededError(message, "maxBytes", total, this.#maxBytes);
      }
      this.#blobs.set(key, bytes.slice());
      this.#bytes = total;
    }
    return hash;
  }

  /** As {@linkcode BlobStore.delete}. */
  // deno-lint-ignore require-await -- async so that wrong arguments reject instead of throwing
  override async delete(hash: Uint8Array, options?: StoreCallOptions): Promise<boolean> {
    return this.#remove(this.keyOf("Delete blob", hash, options));
  }

  /** As {@linkcode BlobStore.pin}. */
  // deno-lint-ignore require-await -- as `delete`
  override async pin(hash: Uint8Array, options?: StoreCallOptions): Promise<void> {
    this.#pins.add(this.keyOf("Pin blob", hash, options));
  }

  /** As {@linkcode BlobStore.unpin}. */
  // deno-lint-ignore require-await -- as `delete`
  override async unpin(hash: Uint8Array, options?: StoreCallOptions): Promise<void> {
    this.#pins.delete(this.keyOf("Unpin blob", hash, options));
  }

  /** As {@linkcode BlobStore.gc}. */
  // deno-lint-ignore require-await -- as `delete`
  override async gc(options: GcOptions = {}): Promise<GcResult> {
    this.assertOpen("Collect garbage", options);
    const roots = rootKeys(options.roots);
    let blobs = 0;
    let bytes = 0;
    for (const [key, blob] of this.#blobs) {
      if (this.#pins.has(key) || roots.has(key)) continue;
      blobs++;
      bytes += blob.length;
      if (options.dryRun !== true) this.#remove(key);
    }
    return { blobs, bytes };
  }

  /** As {@linkcode BlobStore.close}. */
  override async close(): Promise<void> {
    await super.close();
    this.#blobs.clear();
  }

  #remove(key: string): boolean {
    this.#bytes -= this.#blobs.get(key)?.length ?? 0;
    return this.#blobs.delete(key);
  }

  /** As {@linkcode SyncBlobStore.sizeOf}. */
  protected override sizeOf(key: string): number | undefined {
    return this.#blobs.get(key)?.length;
  }

  /** As {@linkcode SyncBlobStore.read}. */
  protected override read(key: string, offset: number, length: number, into?: Uint8Array): Uint8Array {
    const bytes = this.#blobs.get(key)!;
    if (into === undefined) return bytes.slice(offset, offset + length);
    into.set(bytes.subarray(offset, offset + length));
    return into;
  }

  /** As {@linkcode SyncBlobStore.keys}. */
  protected override keys(): Iterable<string> {
    return [...this.#blobs.keys()];
  }

  /** As {@linkcode SyncBlobStore.isPinned}. */
  protected override isPinned(key: string): boolean {
    return this.#pins.has(key);
  }
}
