/**
 * What a directory fetch asks a source for, one job per distinct chunk, and what it does with the answers.
 *
 * @module
 */

import type { ChunkJob, ChunkJobs, ChunkSource, FetchChunksOptions } from "../blob/source.ts";
import { SizeMismatchError, TransferProtocolError } from "../errors.ts";
import { toHex } from "../wire/bytes.ts";
import type { ManifestPlan } from "./plan.ts";
import type { TreeBuilder } from "./tree_builder.ts";

/**
 * How many repeats of a small file are written at once when its content arrives; more wait until everything has
 * arrived, so that one answer cannot hold up the event loop.
 */
const REPEATS_AT_ONCE = 64;

/** How long a source that was told to stop is waited for, milliseconds. Its jobs are dead by then either way. */
const STOP_GRACE_MS = 500;

/** Checks a job's side of the contract: bytes in order, none too many, all there before the end. */
abstract class CheckedJob implements ChunkJob {
  #received = 0;
  #done = false;

  constructor(readonly hash: Uint8Array, readonly length: number, readonly batch: JobBatch) {}

  write(bytes: Uint8Array, offset: number): void {
    this.batch.attempt(() => {
      // From 0 again means that another holder is tried.
      if (this.#done || (offset !== this.#received && offset !== 0)) {
        throw new TransferProtocolError(
          `Fetch chunk ${toHex(this.hash)}: bytes came at ${offset}, wanted ${this.#received}`,
        );
      }
      this.#received = offset + bytes.length;
      if (this.#received > this.length) throw this.#mismatch();
      this.accept(bytes, offset);
    });
  }

  complete(): void {
    this.batch.attempt(() => {
      if (this.#received !== this.length) throw this.#mismatch();
      if (this.#done) throw new TransferProtocolError(`Fetch chunk ${toHex(this.hash)}: completed twice`);
      this.#done = true;
      this.finish();
      this.batch.completed++;
    });
  }

  protected abstract accept(bytes: Uint8Array, offset: number): void;
  protected abstract finish(): void;

  #mismatch(): SizeMismatchError {
    const message = `Fetch chunk ${toHex(this.hash)}: ${this.#received} bytes came, wanted ${this.length}`;
    return new SizeMismatchError(message, this.length, this.#received);
  }
}

/** All jobs of one `fetchChunks`: when one has failed, or the fetch is over, none does anything any more. */
class JobBatch {
  started = 0;
  completed = 0;
  /** Whether the source has taken every job. */
  exhausted = false;
  /** Stops the source at the first failure. */
  readonly stop = new AbortController();
  #failure: { readonly reason: unknown } | undefined;

  /** Runs a job's work, unless it is too late. Remembers what it throws: a source may swallow it. */
  attempt(work: () => void): void {
    this.throwIfFailed();
    try {
      work();
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  fail(reason: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { reason };
    this.stop.abort(reason);
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.reason;
  }
}

/**
 * Runs jobs against a source that may be anything: one that never answers ends with the signal, one that says it is
 * done without being so is an error, one that goes on after the end is not listened to.
 */
async function runJobs(
  source: ChunkSource,
  makeJobs: (batch: JobBatch) => ChunkJobs,
  options: FetchChunksOptions,
): Promise<void> {
  const { signal, maxInFlightBytes } = options;
  signal?.throwIfAborted();
  const batch = new JobBatch();
  const onAbort = () => batch.fail(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    await settled(source, counted(makeJobs(batch), batch), maxInFlightBytes, batch);
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
  batch.throwIfFailed();
  if (!batch.exhausted || batch.completed !== batch.started) {
    const of = batch.exhausted ? `${batch.started}` : `${batch.started} or more`;
    throw new TransferProtocolError(
      `Fetch chunks: the source ended with ${batch.completed} of ${of} chunks complete`,
    );
  }
}

/** Waits until the source is done; after a failure only for a while. Does not reject. */
async function settled(
  source: ChunkSource,
  jobs: ChunkJobs,
  maxInFlightBytes: number | undefined,
  batch: JobBatch,
): Promise<void> {
  const { signal } = batch.stop;
  const stopped = new Promise<void>((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true })
  );
  const work = (async () => {
    try {
      await source.fetchChunks(jobs, { signal, maxInFlightBytes });
    } catch (error) {
      batch.fail(error);
    }
  })();
  await Promise.race([work, stopped]);
  if (!signal.aborted) return;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const grace = new Promise<void>((resolve) => timer = setTimeout(resolve, STOP_GRACE_MS));
  await Promise.race([work, grace]);
  clearTimeout(timer);
}

function* counted(jobs: ChunkJobs, batch: JobBatch): Generator<ChunkJob | Promise<void>> {
  for (const job of jobs) {
    batch.throwIfFailed();
    if (!(job instanceof Promise)) batch.started++;
    yield job;
  }
  batch.exhausted = true;
}

/** Collects a chunk in memory at a place of a larger array. */
class CollectJob extends CheckedJob {
  /** It is manifests that are collected. */
  readonly packable = true;

  constructor(hash: Uint8Array, batch: JobBatch, readonly targets: readonly Uint8Array[]) {
    super(hash, targets[0].length, batch);
  }

  protected override accept(bytes: Uint8Array, offset: number): void {
    this.targets[0].set(bytes, offset);
  }

  protected override finish(): void {
    for (const other of this.targets.slice(1)) other.set(this.targets[0]);
  }
}

/** Fetches chunks that together make up content small enough to hold in memory. */
export async function fetchBytes(
  source: ChunkSource,
  chunks: readonly { readonly hash: Uint8Array; readonly size: number }[],
  options: FetchChunksOptions,
): Promise<Uint8Array> {
  const content = new Uint8Array(chunks.reduce((sum, { size }) => sum + size, 0));
  /** By address: where the chunk goes. Repeats are asked for once. */
  const targets = new Map<string, { hash: Uint8Array; places: Uint8Array[] }>();
  let at = 0;
  for (const { hash, size } of chunks) {
    const place = content.subarray(at, at += size);
    const key = `${toHex(hash)} ${size}`;
    const known = targets.get(key);
    if (known !== undefined) known.places.push(place);
    else targets.set(key, { hash, places: [place] });
  }
  await runJobs(
    source,
    (batch) => [...targets.values()].map(({ hash, places }) => new CollectJob(hash, batch, places)),
    options,
  );
  return content;
}

/** A chunk that is a small file: held until it is verified, then written to all places. */
class SmallFileJob extends CheckedJob {
  #bytes: Uint8Array | undefined;

  constructor(readonly chunk: number, batch: JobBatch, readonly fetch: PlanFetch) {
    super(fetch.plan.chunks.hashOf(chunk), fetch.plan.chunks.sizeOf(chunk), batch);
  }

  protected override accept(bytes: Uint8Array, offset: number): void {
    if (bytes.length === this.length) {
      this.#bytes = bytes.slice();
    } else {
      this.#bytes ??= new Uint8Array(this.length);
      this.#bytes.set(bytes, offset);
    }
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

/** Fetches every chunk of a plan that is not there. */
export class PlanFetch {
  /** Bytes of the chunks that came, each counted once. */
  fetchedBytes = 0;
  /** Chunks that are there and have to be copied to further places. */
  readonly repeats: number[] = [];

  /** @param plan what is wanted. @param builder where it goes. */
  constructor(readonly plan: ManifestPlan, readonly builder: TreeBuilder) {}

  /** Asks `source` for everything that is missing; repeats are left in {@linkcode PlanFetch.repeats}. */
  async run(source: ChunkSource, options: FetchChunksOptions): Promise<void> {
    if (this.builder.isComplete) return;
    await runJobs(source, (batch) => this.#jobs(batch), options);
  }

  *#jobs(batch: JobBatch): Generator<ChunkJob> {
    const { plan, builder } = this;
    for (let chunk = 0; chunk < plan.chunks.count; chunk++) {
      if (!plan.chunks.isHead(chunk)) continue;
      // Content that was here is at all its places, unless only a part of a file was taken over.
      if (builder.isWritten(chunk)) {
        if (this.#hasRepeats(chunk)) this.repeats.push(chunk);
        continue;
      }
      yield builder.isSmall(plan.chunks.fileOf(chunk))
        ? new SmallFileJob(chunk, batch, this)
        : new LargeFileJob(chunk, batch, this);
    }
  }

  /** Writes a small verified chunk to its places. */
  place(head: number, bytes: Uint8Array): void {
    const { builder, plan } = this;
    let count = 0;
    for (let chunk: number | undefined = head; chunk !== undefined; chunk = plan.chunks.nextOf(chunk)) {
      if (builder.isWritten(chunk)) continue;
      if (count++ === REPEATS_AT_ONCE) break;
      builder.writeChunk(chunk, bytes);
    }
    this.arrived(head);
  }

  /** Notes that a chunk is where it was wanted first. */
  arrived(head: number): void {
    this.fetchedBytes += this.plan.chunks.sizeOf(head);
    if (this.#hasRepeats(head)) this.repeats.push(head);
  }

  #hasRepeats(head: number): boolean {
    const { builder, plan } = this;
    for (let chunk: number | undefined = head; chunk !== undefined; chunk = plan.chunks.nextOf(chunk)) {
      if (!builder.isWritten(chunk)) return true;
    }
    return false;
  }
}
