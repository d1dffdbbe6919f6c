/**
 * What a directory fetch asks a source for, one job per distinct chunk, and what it does with the answers.
 *
 * @module
 */

import type { ChunkJob, ChunkSource, FetchChunksOptions } from "../blob/source.ts";
import { CheckedJob, type JobBatch, runJobs } from "./checked_jobs.ts";
import type { ManifestPlan } from "./plan.ts";
import type { TreeBuilder } from "./tree_builder.ts";

/**
 * How many repeats of a small file are written at once when its content arrives; more wait until everything has
 * arrived, so that one answer cannot hold up the event loop.
 */
const REPEATS_AT_ONCE = 64;

/** Content that is asked for before the directories are there, where it has to be kept in memory, bytes. */
const EARLY_BYTES = 4 * 1024 * 1024;

/** A chunk that is a small file: held until it is verified, then written to all places. */
class SmallFileJob extends CheckedJob {
  #bytes: Uint8Array | undefined;

  constructor(readonly chunk: number, batch: JobBatch, readonly fetch: PlanFetch) {
    super(fetch.plan.chunks.hashOf(chunk), fetch.plan.chunks.sizeOf(chunk), batch);
  }

  /** Takes what came in one piece, as most small files do: nothing has to be held. */
  take(bytes: Uint8Array): void {
    this.completeWith(bytes.length, () => this.fetch.place(this.chunk, bytes));
  }

  protected override accept(bytes: Uint8Array, offset: number): void {
    this.#bytes ??= new Uint8Array(this.length);
    this.#bytes.set(bytes, offset);
  }

  protected override finish(): void {
    this.fetch.place(this.chunk, this.#bytes!);
    this.#bytes = undefined;
  }
}

/** A chunk of a larger file: written as it arrives. It counts, and its file with it, only when it is verified. */
class LargeFileJob extends CheckedJob {
  constructor(readonly chunk: number, batch: JobBatch, readonly fetch: PlanFetch) {
    super(fetch.plan.chunks.hashOf(chunk), fetch.plan.chunks.sizeOf(chunk), batch);
  }

  protected override accept(bytes: Uint8Array, offset: number): void {
    this.fetch.builder.writePart(this.chunk, bytes, offset);
  }

  protected override finish(): void {
    this.fetch.builder.finishChunk(this.chunk);
    this.fetch.arrived(this.chunk);
  }
}

/** Tells how far the hashes of a plan are known that come while it is fetched. */
export interface KnownChunks {
  /** Chunks with a number below are known. */
  readonly known: number;
  /** Resolves when more are known; rejects when no more will be. */
  more(): Promise<void>;
}

/** Fetches every chunk of a plan that is not there. */
export class PlanFetch {
  /** Bytes of the chunks that came, each counted once. */
  fetchedBytes = 0;
  /** Chunks that are there and have to be copied to further places. */
  readonly repeats: Set<number> = new Set<number>();

  /**
   * @param plan what is wanted. @param builder where it goes. @param late tells which hashes are known, unless all are.
   */
  constructor(readonly plan: ManifestPlan, readonly builder: TreeBuilder, readonly late?: KnownChunks) {}

  /** Asks `source` for everything that is missing; repeats are left in {@linkcode PlanFetch.repeats}. */
  async run(source: ChunkSource, options: FetchChunksOptions): Promise<void> {
    if (this.builder.isComplete) return;
    await runJobs(source, (batch) => this.#jobs(batch), options);
  }

  *#jobs(batch: JobBatch): Generator<ChunkJob | Promise<void>> {
    const { plan, builder, late } = this;
    let early = 0;
    for (let chunk = 0; chunk < plan.chunks.count; chunk++) {
      while (late !== undefined && chunk >= late.known) yield late.more();
      if (!plan.chunks.isHead(chunk)) {
        this.#noteRepeat(chunk);
        continue;
      }
      // Content that was here is at all its places, unless only a part of a file was taken over.
      if (builder.isWritten(chunk)) {
        if (this.#hasRepeats(chunk)) this.repeats.add(chunk);
        continue;
      }
      const isSmall = builder.isSmall(plan.chunks.fileOf(chunk));
      early += plan.chunks.sizeOf(chunk);
      while (!builder.hasDirs && (!isSmall || early > EARLY_BYTES)) yield builder.dirsMade();
      yield isSmall ? new SmallFileJob(chunk, batch, this) : new LargeFileJob(chunk, batch, this);
    }
  }

  /** Writes a small verified chunk to its places. */
  place(head: number, bytes: Uint8Array): void {
    const { builder, plan } = this;
    let count = 0;
    for (let chunk: number | undefined = head; chunk !== undefined; chunk = plan.chunks.nextOf(chunk)) {
      if (builder.isWritten(chunk)) continue;
      if (count++ === REPEATS_AT_ONCE || count > 1 && !builder.hasDirs) break;
      builder.writeChunk(chunk, bytes);
    }
    this.arrived(head);
  }

  /** Notes that a chunk is where it was wanted first. */
  arrived(head: number): void {
    this.fetchedBytes += this.plan.chunks.sizeOf(head);
    if (this.#hasRepeats(head)) this.repeats.add(head);
  }

  /** What was to be copied when a chunk arrived is known; an equal one may have become known only afterwards. */
  #noteRepeat(chunk: number): void {
    const { plan, builder } = this;
    if (builder.isWritten(chunk)) return;
    const head = plan.chunks.find(plan.chunks.hashOf(chunk))!;
    if (builder.isWritten(head)) this.repeats.add(head);
  }

  #hasRepeats(head: number): boolean {
    const { builder, plan } = this;
    for (let chunk: number | undefined = head; chunk !== undefined; chunk = plan.chunks.nextOf(chunk)) {
      if (!builder.isWritten(chunk)) return true;
    }
    return false;
  }
}
