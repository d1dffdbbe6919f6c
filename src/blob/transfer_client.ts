/**
 * The requester's side of the blob transfer (`content.md` 2): chunks from one or several peers, verified, pipelined
 * over a few streams each, with bounded bytes in flight, resumed after a lost session.
 *
 * @module
 */

import { loadBlake3 } from "../crypto/blake3.ts";
import {
  BlobNotFoundError,
  HashMismatchError,
  InvalidArgumentError,
  SizeMismatchError,
  TransferRefusedError,
} from "../errors.ts";
import { abortReason } from "../mesh/abort.ts";
import type { Session } from "../mesh/mod.ts";
import { monotonicNow } from "../mesh/socket_loop.ts";
import { toHex } from "../wire/bytes.ts";
import type { TransferHeader } from "../wire/transfer_message.ts";
import type { ChunkJob, ChunkSource, FetchChunksOptions } from "./source.ts";
import { type HolderLimits, TransferHolder } from "./transfer_holder.ts";
import { HasherPool, TransferJob } from "./transfer_job.ts";
import type { LaneHandler, TransferLane } from "./transfer_lane.ts";

/** Options of {@linkcode toChunkSource}. */
export interface TransferOptions {
  /** Streams per peer: one for small chunks, the others for large ones. @default 4 */
  readonly streams?: number;
  /**
   * Milliseconds without any progress after which a peer that cannot be reached again is given up. @default 30000
   */
  readonly retryTimeout?: number;
  /**
   * Milliseconds in which a peer that is asked for something has to send `stallBytes`; one that trickles is given up.
   * @default 30000
   */
  readonly stallTimeout?: number;
  /** See `stallTimeout`. @default 16384 */
  readonly stallBytes?: number;
}

/** Default bound of declared bytes asked for and not yet received. */
const DEFAULT_IN_FLIGHT = 32 * 1024 * 1024;
/** Chunks up to this size go over the stream for small ones. */
const SMALL_CHUNK = 256 * 1024;
/** Requests on one stream that wait for an answer: bounds memory where chunks are tiny. */
const MAX_LANE_JOBS = 4096;
/** How often holders are looked at, milliseconds. */
const CHECK_INTERVAL = 500;
/** Times that a busy holder is asked again for a chunk, and the wait before it, milliseconds. */
const MAX_BUSY = 20;
const BUSY_DELAY = 250;

/**
 * A chunk source over sessions. With several, whoever is free gets the work; a peer that is slow, wrong or gone
 * loses its share. Sessions stay the caller's; one that drops is replaced by a new one to the same peer.
 */
export function toChunkSource(
  from: Session | readonly Session[],
  options: TransferOptions = {},
): ChunkSource {
  const sessions = Array.isArray(from) ? from as readonly Session[] : [from as Session];
  if (sessions.length === 0) throw new InvalidArgumentError("Make chunk source: no session given");
  const { streams = 4, retryTimeout = 30_000, stallTimeout = 30_000, stallBytes = 16 * 1024 } = options;
  const limits = { streams, retryTimeout, stallTimeout, stallBytes };
  // Sessions made anew are kept for the next call.
  const current = [...sessions];
  return {
    fetchChunks: (jobs, fetchOptions) => new ChunkFetch(current, jobs, limits, fetchOptions ?? {}).run(),
  };
}

/** One call of `fetchChunks`. */
class ChunkFetch implements LaneHandler {
  readonly #iterator: Iterator<ChunkJob>;
  readonly #maxInFlight: number;
  readonly #stop = new AbortController();
  #holders: TransferHolder[] = [];
  #pool!: HasherPool;
  /** Jobs that were asked for in vain and wait to be asked for again. */
  readonly #again: TransferJob[] = [];
  #exhausted = false;
  #unfinished = 0;
  #inFlight = 0;
  #filling = false;
  #settle: { resolve: () => void; reject: (reason: unknown) => void } | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  readonly #delays = new Set<ReturnType<typeof setTimeout>>();

  constructor(
    readonly sessions: Session[],
    jobs: Iterable<ChunkJob>,
    readonly limits: HolderLimits,
    readonly options: FetchChunksOptions,
  ) {
    this.#iterator = jobs[Symbol.iterator]();
    this.#maxInFlight = options.maxInFlightBytes ?? DEFAULT_IN_FLIGHT;
  }

  async run(): Promise<void> {
    const { signal } = this.options;
    if (signal?.aborted) throw abortReason(signal);
    this.#pool = new HasherPool(await loadBlake3());
    // Every stream may be inside a chunk, and as many interrupted chunks may wait to be resumed.
    await this.#pool.reserve(2 * this.limits.streams * this.sessions.length);
    const onAbort = () => this.#finish(abortReason(signal!));
    try {
      await new Promise<void>((resolve, reject) => {
        this.#settle = { resolve, reject };
        if (signal?.aborted) return onAbort();
        signal?.addEventListener("abort", onAbort, { once: true });
        const now = monotonicNow();
        this.#holders = this.sessions.map((session, index) =>
          new TransferHolder(index, session, this.limits, this, this.#stop.signal, now)
        );
        this.#timer = setInterval(() => this.#check(), CHECK_INTERVAL);
        for (const holder of this.#holders) this.#open(holder);
      });
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#iterator.return?.();
    }
  }

  // --- what lanes tell ---

  onBytes(lane: TransferLane, count: number): void {
    this.#inFlight -= count;
    this.#holders[lane.holder].onProgress(count, monotonicNow());
    if (this.#inFlight < this.#maxInFlight / 2) this.#fill();
  }

  onJobReceived(lane: TransferLane, job: TransferJob): void {
    this.#holders[lane.holder].onProgress(0, monotonicNow());
    const digest = job.digest();
    if (!job.matches(digest)) {
      const { name } = this.#holders[lane.holder];
      this.#deny(lane, job, new HashMismatchError(toHex(job.hash), toHex(digest), name));
      return;
    }
    this.#unfinished--;
    job.job.complete();
    if (lane.size === 0 || this.#exhausted) this.#fill();
  }

  onJobDenied(lane: TransferLane, job: TransferJob, header: TransferHeader): void {
    this.#inFlight -= job.length - job.received;
    const { name } = this.#holders[lane.holder];
    const what = `Fetch chunk ${toHex(job.hash)}`;
    if (header.kind !== "refused") {
      return this.#deny(
        lane,
        job,
        new BlobNotFoundError(`${what}: holder ${name} does not have it`, toHex(job.hash)),
      );
    }
    if (header.code === "BUSY" && job.busy++ < MAX_BUSY) {
      const timer = setTimeout(() => {
        this.#delays.delete(timer);
        this.#requeue(job);
      }, BUSY_DELAY);
      this.#delays.add(timer);
      return;
    }
    const reason = header.message === "" ? header.code : `${header.code}, "${header.message}"`;
    this.#deny(
      lane,
      job,
      new TransferRefusedError(`${what}: holder ${name} refuses: ${reason}`, header.code),
    );
  }

  onJobSize(lane: TransferLane, job: TransferJob, size: bigint): void {
    this.#inFlight -= job.length - job.received;
    const message =
      `Fetch chunk ${toHex(job.hash)}: holder ${this.#holders[lane.holder].name} announces ${size} bytes, ` +
      `reference says ${job.length}`;
    this.#deny(lane, job, new SizeMismatchError(message, job.length, Number(size)));
  }

  onLaneLost(lane: TransferLane, jobs: readonly TransferJob[], error: Error): void {
    const holder = this.#holders[lane.holder];
    for (const job of jobs) this.#inFlight -= job.length - job.received;
    this.#again.push(...jobs);
    // One broken stream ends the others of the holder too: its session is gone, or it cannot be trusted with them.
    holder.lose(error);
    if (error.name === "TransferProtocolError" || error.name === "DecodeError") holder.dead ??= error;
    this.#open(holder);
  }

  onFatal(error: unknown): void {
    this.#finish(error);
  }

  // --- inside ---

  #open(holder: TransferHolder): void {
    if (this.#settle === undefined) return;
    holder.open(monotonicNow).then(() => {
      this.sessions[holder.index] = holder.session;
      if (this.#settle === undefined) holder.abort();
      else if (holder.dead !== undefined) this.#onDead(holder.dead);
      else this.#fill();
    }, (error) => this.#finish(error));
  }

  #onDead(error: Error): void {
    if (this.#holders.every((holder) => holder.dead !== undefined)) this.#finish(error);
    else this.#fill();
  }

  /** A holder cannot give a job: the next one is asked; when none is left, the fetch fails. */
  #deny(lane: TransferLane, job: TransferJob, error: Error): void {
    job.failures.set(lane.holder, error);
    job.restart();
    const left = this.#holders.some((holder) => holder.dead === undefined && !job.failures.has(holder.index));
    if (left) this.#requeue(job);
    else this.#finish(error);
  }

  #requeue(job: TransferJob): void {
    this.#again.push(job);
    this.#fill();
  }

  #check(): void {
    const now = monotonicNow();
    for (const holder of this.#holders) {
      holder.check(now);
      if (holder.dead !== undefined && this.#settle !== undefined) this.#onDead(holder.dead);
    }
  }

  /** Asks for as much as may be in flight. */
  #fill(): void {
    if (this.#filling || this.#settle === undefined) return;
    this.#filling = true;
    try {
      while (this.#inFlight < this.#maxInFlight && this.#assignNext());
      for (const holder of this.#holders) for (const lane of holder.lanes) lane.flush();
    } catch (error) {
      this.#finish(error);
    } finally {
      this.#filling = false;
    }
    if (this.#exhausted && this.#unfinished === 0) this.#finish();
  }

  /** Asks for one job; false when there is none, or nobody to ask now. */
  #assignNext(): boolean {
    for (let i = 0; i < this.#again.length; i++) {
      const lane = this.#laneFor(this.#again[i]);
      if (lane === undefined) continue;
      this.#assign(this.#again.splice(i, 1)[0], lane);
      return true;
    }
    if (this.#exhausted || !this.#holders.some((holder) => this.#hasRoom(holder))) return false;
    const next = this.#iterator.next();
    if (next.done) {
      this.#exhausted = true;
      return false;
    }
    this.#unfinished++;
    const job = new TransferJob(next.value, this.#pool);
    const lane = this.#laneFor(job);
    if (lane === undefined) this.#again.push(job);
    else this.#assign(job, lane);
    return lane !== undefined;
  }

  #assign(job: TransferJob, lane: TransferLane): void {
    this.#inFlight += job.length - job.received;
    lane.request(job);
  }

  #hasRoom(holder: TransferHolder): boolean {
    return holder.isReady && holder.dead === undefined &&
      holder.lanes.every((lane) => lane.size < MAX_LANE_JOBS);
  }

  /** The least loaded lane of the least loaded holder that may have the job. */
  #laneFor(job: TransferJob): TransferLane | undefined {
    const bulk = job.length > SMALL_CHUNK;
    let best: TransferLane | undefined;
    for (const holder of this.#holders) {
      if (job.failures.has(holder.index) || !this.#hasRoom(holder)) continue;
      for (const lane of holder.lanes) {
        if (lane.bulk !== bulk && holder.lanes.length > 1) continue;
        if (best === undefined || lane.outstandingBytes < best.outstandingBytes) best = lane;
      }
    }
    return best;
  }

  /** Ends the fetch, well without an error. */
  #finish(...error: [] | [unknown]): void {
    const settle = this.#settle;
    if (settle === undefined) return;
    this.#settle = undefined;
    clearInterval(this.#timer);
    for (const timer of this.#delays) clearTimeout(timer);
    this.#stop.abort();
    for (const holder of this.#holders) {
      if (error.length === 0) holder.finish();
      else holder.abort();
    }
    if (error.length === 0) settle.resolve();
    else settle.reject(error[0]);
  }
}
