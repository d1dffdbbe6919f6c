/**
 * Jobs that keep their side of the contract with a source (`blob/source.ts`), and see to it that the source keeps its.
 *
 * @module
 */

import type { ChunkJob, ChunkJobs, ChunkSource, FetchChunksOptions } from "../blob/source.ts";
import { SizeMismatchError, TransferProtocolError } from "../errors.ts";
import { toHex } from "../wire/bytes.ts";

/** How long a source that was told to stop is waited for, milliseconds. Its jobs are dead by then either way. */
const STOP_GRACE_MS = 500;

/** Checks a job's side of the contract: bytes in order, none too many, all there before the end. */
export abstract class CheckedJob implements ChunkJob {
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
    this.completeWith(this.#received, () => this.finish());
  }

  /** Completes the job with `received` bytes, of which `finish` makes what is wanted. */
  protected completeWith(received: number, finish: () => void): void {
    this.batch.attempt(() => {
      this.#received = received;
      if (received !== this.length) throw this.#mismatch();
      if (this.#done) throw new TransferProtocolError(`Fetch chunk ${toHex(this.hash)}: completed twice`);
      this.#done = true;
      finish();
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
export class JobBatch {
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
export async function runJobs(
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
