/**
 * A blob store as a source of chunks, so that a directory is written from a local store by the same code that
 * fetches it from peers.
 *
 * @module
 */

import { type Blake3, loadBlake3 } from "../crypto/blake3.ts";
import { BlobNotFoundError, HashMismatchError, SizeMismatchError } from "../errors.ts";
import { withSignal } from "../mesh/abort.ts";
import { equalBytes, toHex } from "../wire/bytes.ts";
import type { ChunkJob, ChunkJobs, ChunkSource, FetchChunksOptions } from "./source.ts";
import type { BlobStore, SyncReadableStore } from "./store.ts";
import { yieldToOthers } from "./sync_store.ts";

/** Default of {@linkcode FetchChunksOptions.maxInFlightBytes}. */
const DEFAULT_IN_FLIGHT = 32 * 1024 * 1024;
/** Reads of a remote store at the same time. */
const MAX_READS = 64;
/** Bytes read synchronously before others get to run. */
const YIELD_BYTES = 8 * 1024 * 1024;
/** Chunks read synchronously before others get to run. */
const YIELD_CHUNKS = 256;

/** Takes chunks from any {@linkcode BlobStore}, verified. */
export class StoreChunkSource implements ChunkSource {
  readonly #store: BlobStore;

  /**
   * A source that reads `store`.
   *
   * @param store Where the chunks are. It stays the caller's to close.
   */
  constructor(store: BlobStore) {
    this.#store = store;
  }

  async fetchChunks(jobs: ChunkJobs, options: FetchChunksOptions = {}): Promise<void> {
    options.signal?.throwIfAborted();
    const blake3 = await loadBlake3();
    const store = this.#store;
    if (isSyncReadable(store)) await copySync(store, jobs, blake3, options);
    else await copyAsync(store, jobs, blake3, options);
  }
}

function isSyncReadable(store: BlobStore | SyncReadableStore): store is SyncReadableStore {
  return "readSync" in store && "sizeSync" in store;
}

async function copySync(
  store: SyncReadableStore,
  jobs: ChunkJobs,
  blake3: Blake3,
  { signal }: FetchChunksOptions,
): Promise<void> {
  let bytes = 0;
  let chunks = 0;
  for (const job of jobs) {
    signal?.throwIfAborted();
    if (job instanceof Promise) {
      await withSignal(job, signal);
      continue;
    }
    const size = store.sizeSync(job.hash);
    if (size === undefined) throw notFound(job);
    // Before the read: a wrong size is not worth its bytes.
    checkSize(job, size);
    deliver(job, store.readSync(job.hash, 0, size), blake3);
    bytes += size;
    if (bytes < YIELD_BYTES && ++chunks < YIELD_CHUNKS) continue;
    bytes = chunks = 0;
    await yieldToOthers();
  }
}

async function copyAsync(
  store: BlobStore,
  jobs: ChunkJobs,
  blake3: Blake3,
  { signal, maxInFlightBytes = DEFAULT_IN_FLIGHT }: FetchChunksOptions,
): Promise<void> {
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const running = new Set<Promise<void>>();
  let inFlight = 0;
  const run = async (job: ChunkJob): Promise<void> => {
    try {
      const bytes = await store.get(job.hash, undefined, { signal: either });
      // Another job may have failed: none is called any more.
      either.throwIfAborted();
      if (bytes === undefined) throw notFound(job);
      checkSize(job, bytes.length);
      deliver(job, bytes, blake3);
    } catch (error) {
      // Only the first call counts, so the first error is the one that is reported.
      stop.abort(error);
    }
  };
  for (const job of jobs) {
    if (job instanceof Promise) {
      // What is being read may fail meanwhile.
      await withSignal(job, either).catch((error) => stop.abort(error));
      if (either.aborted) break;
      continue;
    }
    while (running.size > 0 && (running.size >= MAX_READS || inFlight + job.length > maxInFlightBytes)) {
      await Promise.race(running);
    }
    if (either.aborted) break;
    inFlight += job.length;
    const work: Promise<void> = run(job).finally(() => {
      inFlight -= job.length;
      running.delete(work);
    });
    running.add(work);
  }
  await Promise.all(running);
  either.throwIfAborted();
}

function deliver(job: ChunkJob, bytes: Uint8Array, blake3: Blake3): void {
  const actual = blake3.hash(bytes);
  if (!equalBytes(actual, job.hash)) throw new HashMismatchError(toHex(job.hash), toHex(actual));
  if (job.take !== undefined) return job.take(bytes);
  if (bytes.length > 0) job.write(bytes, 0);
  job.complete();
}

function checkSize(job: ChunkJob, actual: number): void {
  if (actual === job.length) return;
  const message = `Fetch chunk ${toHex(job.hash)}: ${actual} bytes, want ${job.length}`;
  throw new SizeMismatchError(message, job.length, actual);
}

function notFound(job: ChunkJob): BlobNotFoundError {
  const hash = toHex(job.hash);
  return new BlobNotFoundError(`Fetch chunk ${hash}: store has it not`, hash);
}
