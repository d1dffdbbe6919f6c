/**
 * Small files of a fetch, asked for before there is a place for them: they are on their way while the old tree is linked.
 *
 * @module
 */

import { blobKey } from "../blob/blob_key.ts";
import type { ChunkJob, ChunkJobs, ChunkSource, FetchChunksOptions } from "../blob/source.ts";
import { withSignal } from "../mesh/abort.ts";
import type { ManifestPlan } from "./plan.ts";
import { SMALL_FILE } from "./tree_builder.ts";

/** Greatest size and number of what is held. Putting as many files in their places takes some milliseconds. */
const MAX_BYTES = 4 * 1024 * 1024;
const MAX_FILES = 512;

/** A chunk to hold. */
class HeldJob implements ChunkJob {
  readonly #bytes: Uint8Array;

  constructor(
    readonly hash: Uint8Array,
    readonly length: number,
    readonly hold: (bytes: Uint8Array) => unknown,
  ) {
    this.#bytes = new Uint8Array(length);
  }

  write(bytes: Uint8Array, offset: number): void {
    this.#bytes.set(bytes, offset);
  }

  complete(): void {
    this.hold(this.#bytes);
  }
}

/** A source that has asked another one for some chunks already. */
export class EarlyContent implements ChunkSource {
  readonly #source: ChunkSource;
  readonly #held: ReadonlyMap<string, Uint8Array>;
  readonly #asked: Promise<void>;

  private constructor(source: ChunkSource, held: ReadonlyMap<string, Uint8Array>, asked: Promise<void>) {
    this.#source = source;
    this.#held = held;
    // What does not come is asked for once more, and then it is said why.
    this.#asked = asked.catch(() => {});
  }

  /**
   * Asks `source` for as many of the files with these numbers as can be held. Those that cannot be on this machine under
   * another name are worth it.
   */
  static ask(
    source: ChunkSource,
    { files: planned, chunks }: ManifestPlan,
    files: readonly number[],
    options: FetchChunksOptions,
  ): ChunkSource {
    const jobs = new Map<string, ChunkJob>();
    let room = MAX_BYTES;
    const held = new Map<string, Uint8Array>();
    for (const file of files) {
      const { size, chunkCount, firstChunk } = planned[file];
      if (chunkCount !== 1 || size > Math.min(SMALL_FILE, room) || jobs.size === MAX_FILES) continue;
      const hash = chunks.hashOf(firstChunk);
      const key = blobKey(hash);
      if (jobs.has(key)) continue;
      room -= size;
      jobs.set(key, new HeldJob(hash, size, (bytes) => held.set(key, bytes)));
    }
    if (jobs.size === 0) return source;
    // A source may complete some at once.
    return new EarlyContent(source, held, source.fetchChunks([...jobs.values()], options));
  }

  /** As {@linkcode ChunkSource.fetchChunks}. */
  async fetchChunks(jobs: ChunkJobs, options?: FetchChunksOptions): Promise<void> {
    await withSignal(this.#asked, options?.signal);
    const others = this.#others(jobs);
    const first = others.next();
    if (first.done) return;
    await this.#source.fetchChunks(beginningWith(first.value, others), options);
  }

  /** The jobs for what is not here. */
  *#others(jobs: ChunkJobs): Generator<ChunkJob | Promise<void>, void> {
    for (const job of jobs) {
      const bytes = job instanceof Promise ? undefined : this.#held.get(blobKey(job.hash));
      if (bytes === undefined) yield job;
      else give(job as ChunkJob, bytes);
    }
  }
}

function* beginningWith<T>(first: T, others: Iterable<T>): Generator<T, void> {
  yield first;
  yield* others;
}

function give(job: ChunkJob, bytes: Uint8Array): void {
  if (job.take !== undefined) return job.take(bytes);
  job.write(bytes, 0);
  job.complete();
}
