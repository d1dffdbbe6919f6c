/**
 * Where chunks come from. A directory fetch is written against {@linkcode ChunkSource} and does not know whether a
 * local store or several peers stand behind it.
 *
 * @module
 */

/**
 * One chunk that is wanted. The source verifies its BLAKE3 before it calls `complete`; until then what was written
 * is not to be trusted. Calls for different jobs interleave; for one job `write` comes with ascending offsets, and
 * starts again from 0 when another holder is tried after wrong bytes.
 */
export interface ChunkJob {
  /** BLAKE3 address, 32 bytes. */
  readonly hash: Uint8Array;
  /** Size that the reference declares, bytes. A holder that announces another is refused. */
  readonly length: number;
  /** Whether it is likely to be part of a directory manifest, which a holder can send in a third of the bytes. @default false */
  readonly packable?: boolean;
  /** Takes `bytes` at `offset` of the chunk. The bytes are valid during the call only. Synchronous: it paces the source. */
  write(bytes: Uint8Array, offset: number): void;
  /** Called once, after the last byte was verified. */
  complete(): void;
  /**
   * Takes all bytes of the chunk, verified, in place of `write` and `complete`: from a source that has them in one piece.
   * They are valid during the call only.
   */
  take?(bytes: Uint8Array): void;
}

/**
 * What a source is given to fetch, in the order in which it is best asked for. A promise in place of a job says that
 * there is none yet: the source goes on with what it has and asks again once the promise has resolved. When it rejects,
 * the fetch ends with its reason.
 */
export type ChunkJobs = Iterable<ChunkJob | Promise<void>>;

/** Options of {@linkcode ChunkSource.fetchChunks}. */
export interface FetchChunksOptions {
  /** Ends the work with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Bound of declared bytes asked for and not yet complete. @default 32 MiB */
  readonly maxInFlightBytes?: number;
}

/** A manifest that is wanted, and one that is here. */
export interface DeltaRequest {
  /** The chunks of the manifest that is wanted. */
  readonly chunks: readonly { readonly hash: Uint8Array; readonly size: number }[];
  /** A manifest of which large parts may be the same. */
  readonly base: Uint8Array;
}

/** Something that can fetch chunks: sessions to peers, or a local store. */
export interface ChunkSource {
  /**
   * Fetches every job. Jobs are pulled from the iterable only as the bytes in flight allow, so a lazy generator
   * keeps memory flat. Resolves when all are complete; rejects with the first error that no other holder could
   * make good (`BlobNotFoundError`, `HashMismatchError`, `SizeMismatchError`, `TransferRefusedError`,
   * `PeerSilentError`, whatever a job's `write` or `complete` threw, or a promise among the jobs was rejected with),
   * after which no job is called again.
   */
  fetchChunks(jobs: ChunkJobs, options?: FetchChunksOptions): Promise<void>;
  /**
   * Fetches a directory manifest by its difference from one that is here. Resolves with its verified bytes, or with
   * `undefined` when that cannot be done, for whatever reason: then it is to be fetched chunk by chunk. Rejects with
   * the signal's reason only.
   */
  fetchDelta?(request: DeltaRequest, options?: FetchChunksOptions): Promise<Uint8Array | undefined>;
}
