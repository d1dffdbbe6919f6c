/**
 * Reads and hashes files; where there is much of them on two threads, this one and a helper, each taking the next
 * batch of pieces when it is free. Without the helper this one does it all.
 *
 * @module
 */

import { yieldToEventLoop } from "../runtime/host.ts";
import { startWorker } from "#worker";
import type { Blake3 } from "../crypto/blake3.ts";
import type { WorkerThread } from "../runtime/worker.ts";
import { CHUNK_SIZE } from "../wire/blob_ref.ts";
import type { WorkPacer } from "./pacer.ts";
import { emptyResult, type FilePart, type HashedBatch, packBatch, PieceHasher } from "./piece_batch.ts";
import type { WalkRecord } from "./walk.ts";

/** Pieces in a batch, and bytes: some 10 ms of work. */
const BATCH_PIECES = 256;
const BATCH_BYTES = 8 * 1024 * 1024;
/** Batches that the helper has: while it works on one, the next is there. */
const BATCHES_AHEAD = 2;
/**
 * Bytes below which a helper is not worth its start, some 40 ms, and its memory, some 20 MiB. Many small files are no
 * reason: opening them costs more than hashing, and two threads that open files get little further than one.
 */
const HELPED_BYTES = 48 * 1024 * 1024;

/** The module that the helper runs, whatever this one was compiled to. */
const HELPER = import.meta.url.replace(/[^/]*\.([jt]s)(?:\?.*)?$/, "hash_worker.$1");

/** What {@linkcode hashFiles} needs. */
export interface HashFilesOptions {
  /** What is done, for messages. */
  readonly action: string;
  /** Absolute path of the directory that the files' paths begin in. */
  readonly root: string;
  /** The driver; one that can hash pieces. */
  readonly blake3: Blake3;
  /** When to let the event loop turn. */
  readonly pacer: WorkPacer;
  /** How many bytes there are in all. */
  readonly bytes: number;
  /** Whether this thread has other things to do: then it leaves what it can to the helper. @default never */
  readonly isBusy?: () => boolean;
  /**
   * Is given every piece, in the order of `parts`: its number in `result` and, valid during the call, its bytes where
   * this thread has just read them.
   */
  readonly onPiece: (part: FilePart, result: HashedBatch, index: number, bytes?: Uint8Array) => void;
}

interface Batch {
  readonly parts: readonly FilePart[];
  result?: HashedBatch;
  /** Pieces that are in the result, and those that were given out. */
  done: number;
  given: number;
}

/**
 * Reads and hashes all `parts`. Throws what reading one throws, and what `onPiece` throws.
 */
export async function hashFiles(parts: Iterable<FilePart>, options: HashFilesOptions): Promise<void> {
  const run = new HashRun(parts, options);
  try {
    await run.finish();
  } finally {
    run.close();
  }
}

class HashRun {
  readonly #batches: Iterator<Batch>;
  readonly #options: HashFilesOptions;
  readonly #hasher: PieceHasher;
  readonly #thread: WorkerThread | undefined;
  /** Batches taken up and not given out, in order. */
  readonly #open: Batch[] = [];
  /** Those of them that the helper has, in order. */
  #helped: Batch[] = [];
  /** Those that it had before it broke. */
  #returned: Batch[] = [];
  #hasAnswered = false;
  #hasFailed = false;
  /** What `onPiece` threw when the helper's answer was given out. */
  #thrown: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(parts: Iterable<FilePart>, options: HashFilesOptions) {
    const { action, blake3, bytes } = options;
    this.#batches = batchesOf(parts);
    this.#options = options;
    this.#hasher = new PieceHasher(action, (bytes) => blake3.hash(bytes), blake3.pieces!);
    if (bytes < HELPED_BYTES) return;
    this.#thread = startWorker(HELPER, {
      onMessage: (message) => this.#onAnswer(message as HashedBatch),
      onFailed: () => this.#onFailed(),
    });
  }

  async finish(): Promise<void> {
    const { pacer } = this.#options;
    for (;;) {
      if (this.#thrown !== undefined) throw this.#thrown.error;
      this.#feed();
      const batch = this.#returned.shift() ?? (this.#leavesAll ? undefined : this.#take());
      if (batch !== undefined) {
        await this.#hash(batch);
        if (this.#helped.length > 0) await yieldToEventLoop();
      } else if (this.#helped.length === 0) {
        // An abort that came with the last pieces counts.
        return await pacer.pause();
      } else if (!this.#hasAnswered) {
        // It has not even begun: quicker done than waited for.
        this.#onFailed();
      } else {
        await new Promise<void>((resolve) => this.#wake = resolve);
        if (pacer.due) await pacer.pause();
      }
    }
  }

  close(): void {
    this.#thread?.close();
  }

  async #hash(batch: Batch): Promise<void> {
    const { pacer, root } = this.#options;
    batch.result = emptyResult(batch.parts.length);
    for (const [i, { file, offset }] of batch.parts.entries()) {
      const bytes = this.#hasher.hashPiece(`${root}/${file.path}`, file, offset, i, batch.result);
      batch.done++;
      this.#giveOut(batch, bytes);
      if (pacer.due) {
        await pacer.pause();
        this.#feed();
      }
    }
  }

  /** Gives the helper what it is to do. */
  #feed(): void {
    if (this.#thread === undefined || this.#hasFailed) return;
    while (this.#helped.length < BATCHES_AHEAD) {
      const batch = this.#take();
      if (batch === undefined) return;
      this.#helped.push(batch);
      this.#thread.post(packBatch(this.#options.root, batch.parts));
    }
  }

  /** Whether the helper is to do it all. */
  get #leavesAll(): boolean {
    return this.#helped.length > 0 && this.#hasAnswered && this.#options.isBusy?.() === true;
  }

  #take(): Batch | undefined {
    const { value, done } = this.#batches.next();
    if (done) return undefined;
    this.#open.push(value);
    return value;
  }

  #onAnswer(result: HashedBatch): void {
    if (this.#hasFailed) return;
    this.#hasAnswered = true;
    const batch = this.#helped.shift()!;
    // What failed there is tried here, where it throws what is to be thrown.
    if (result.failed.length > 0) this.#returned.push(batch);
    else {
      batch.result = result;
      batch.done = batch.parts.length;
      try {
        this.#giveOut();
      } catch (error) {
        this.#thrown ??= { error };
      }
    }
    this.#wake?.();
  }

  #onFailed(): void {
    this.#hasFailed = true;
    this.#returned.push(...this.#helped);
    this.#helped = [];
    this.#wake?.();
  }

  /** Gives out what is done, in order. @param bytes of the piece that this thread has just done of `current`. */
  #giveOut(current?: Batch, bytes?: Uint8Array): void {
    for (let batch = this.#open[0]; batch !== undefined; batch = this.#open[0]) {
      const { parts, result } = batch;
      for (; batch.given < batch.done; batch.given++) {
        const isCurrent = batch === current && batch.given === batch.done - 1;
        this.#options.onPiece(parts[batch.given], result!, batch.given, isCurrent ? bytes : undefined);
      }
      if (batch.given < parts.length) return;
      this.#open.shift();
    }
  }
}

/** Cuts files into their chunks. */
export function* partsOf(files: Iterable<WalkRecord>): Generator<FilePart> {
  for (const file of files) {
    let offset = 0;
    do {
      yield { file, offset };
      offset += CHUNK_SIZE;
    } while (offset < file.size);
  }
}

function* batchesOf(parts: Iterable<FilePart>): Generator<Batch> {
  let batch: FilePart[] = [];
  let bytes = 0;
  for (const part of parts) {
    batch.push(part);
    bytes += Math.min(CHUNK_SIZE, part.file.size - part.offset);
    if (batch.length < BATCH_PIECES && bytes < BATCH_BYTES) continue;
    yield newBatch(batch);
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield newBatch(batch);
}

function newBatch(parts: readonly FilePart[]): Batch {
  return { parts, done: 0, given: 0 };
}
