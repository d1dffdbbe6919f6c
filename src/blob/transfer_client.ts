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
import type { ChunkJob, ChunkJobs, ChunkSource, FetchChunksOptions } from "./source.ts";
import { fetchDelta } from "./fetch_delta.ts";
import { type HolderLimits, TransferHolder } from "./transfer_holder.ts";
import { HasherPool, TransferJob } from "./transfer_job.ts";
import type { LaneHandler, TransferLane } from "./transfer_lane.ts";

/** Options of {@linkcode toChunkSource}. */
export interface TransferOptions {
  /** Streams per peer: one for small chunks, the others for large ones. @default 4 */
  readonly streams?: number;
  /**
   * Milliseconds after which a peer is given up that was lost and has sent nothing useful since. @default 30000
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
/** Requests that leave at once: the holder is at work on them while the next are made. */
const FILL_JOBS = 64;
/** How often holders are looked at, milliseconds. */
const CHECK_INTERVAL = 500;
/** The part of the time that a holder has otherwise: a manifest can be fetched without its difference, too. */
const DELTA_HASTE = 3;
/** Chunks with wrong bytes after which a holder is asked for nothing more. */
const MAX_WRONG = 3;
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
    fetchDelta: (request, { signal } = {}) => {
      const session = current.find(({ isOpen }) => isOpen) ?? current[0];
      return fetchDelta(session, request, stallTimeout / DELTA_HASTE, stallBytes, signal);
    },
  };
}

/** One call of `fetchChunks`. */
class ChunkFetch implements LaneHandler {
  readonly #iterator: Iterator<ChunkJob | Promise<void>>;
  readonly #maxInFlight: number;
  readonly #stop = new AbortController();
  #holders: TransferHolder[] = [];
  #pool!: HasherPool;
  /** Jobs that were asked for in vain and wait to be asked for again. */
  readonly #again: TransferJob[] = [];
  #exhausted = false;
  /** There will be jobs, but none now. */
  #waiting = false;
  #unfinished = 0;
  #inFlight = 0;
  #filling = false;
  /** More is asked for once what was asked for has left. */
  #refilling = false;
  #settle: { resolve: () => void; reject: (reason: unknown) => void } | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #checkedAt = 0;
  readonly #delays = new Set<ReturnType<typeof setTimeout>>();

  constructor(
    readonly sessions: Session[],
    jobs: ChunkJobs,
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
    await this.#pool.reserve(2 * this.#maxLanes);
    const onAbort = () => this.#finish(abortReason(signal!));
    try {
      await new Promise<void>((resolve, reject) => {
        this.#settle = { resolve, reject };
        if (signal?.aborted) return onAbort();
        signal?.addEventListener("abort", onAbort, { once: true });
        this.#holders = this.sessions.map((session, index) =>
          new TransferHolder(index, session, this.limits, this, this.#stop.signal)
        );
        this.#checkedAt = monotonicNow();
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
    this.#holders[lane.holder].onBytes(count);
    if (this.#inFlight < this.#maxInFlight / 2) this.#fill();
  }

  onJobReceived(lane: TransferLane, job: TransferJob): void {
    const holder = this.#holders[lane.holder];
    const digest = job.digest();
    if (!job.matches(digest)) {
      const error = new HashMismatchError(toHex(job.hash), toHex(digest), holder.name);
      this.#deny(holder, job, error);
      if (++holder.wrong >= MAX_WRONG) this.#lose(holder, error, true);
      return;
    }
    holder.onVerified();
    this.#unfinished--;
    try {
      job.complete();
    } catch (error) {
      return this.#finish(error);
    }
    if (lane.size === 0 || this.#exhausted) this.#fill();
  }

  onJobDenied(lane: TransferLane, job: TransferJob, header: TransferHeader): void {
    this.#inFlight -= job.length - job.received;
    const holder = this.#holders[lane.holder];
    const what = `Fetch chunk ${toHex(job.hash)}`;
    if (header.kind !== "refused") {
      const message = `${what}: holder ${holder.name} does not have it`;
      return this.#deny(holder, job, new BlobNotFoundError(message, toHex(job.hash)));
    }
    if (header.code === "BAD_REQUEST" && job.asksPacked) {
      // A holder that does not know such requests.
      job.asksPacked = false;
      return this.#requeue(job);
    }
    if (header.code === "BUSY" && job.busy++ < MAX_BUSY) return this.#requeueLater(job);
    const reason = header.message === "" ? header.code : `${header.code}, "${header.message}"`;
    const message = `${what}: holder ${holder.name} refuses: ${reason}`;
    this.#deny(holder, job, new TransferRefusedError(message, header.code));
  }

  onJobSize(lane: TransferLane, job: TransferJob, size: bigint): void {
    this.#inFlight -= job.length - job.received;
    const holder = this.#holders[lane.holder];
    const message = `Fetch chunk ${toHex(job.hash)}: holder ${holder.name} announces ${size} bytes, ` +
      `reference says ${job.length}`;
    this.#deny(holder, job, new SizeMismatchError(message, job.length, Number(size)));
  }

  onLaneFailed(lane: TransferLane, error: Error): void {
    const holder = this.#holders[lane.holder];
    // A lane that fails while the others are still being opened is looked at when they are.
    if (!holder.lanes.includes(lane)) return;
    if (error instanceof TransferRefusedError && holder.lanes.length > 1) {
      // The holder wants fewer streams: the others go on.
      holder.lanes = holder.lanes.filter((other) => other !== lane);
      this.#takeBack(lane);
      return this.#fill();
    }
    // One broken stream ends the others of the holder too: its session is gone, or it cannot be trusted with them.
    this.#lose(holder, error, false);
  }

  onFatal(error: unknown): void {
    this.#finish(error);
  }

  // --- inside ---

  get #maxLanes(): number {
    return this.limits.streams * this.sessions.length;
  }

  #open(holder: TransferHolder): void {
    holder.open().then(() => {
      this.sessions[holder.index] = holder.session;
      if (this.#settle === undefined) holder.takeLanes().forEach((lane) => lane.abort());
      else if (holder.dead !== undefined) this.#onDead(holder.dead);
      else this.#fill();
    }, (error) => this.#finish(error));
  }

  /** The holder's streams are of no use any more: others take the work, and it is tried again, unless for good. */
  #lose(holder: TransferHolder, error: Error, final: boolean): void {
    if (this.#settle === undefined) return;
    for (const lane of holder.takeLanes()) this.#takeBack(lane);
    holder.onLost(error, final);
    if (holder.dead !== undefined) return this.#onDead(holder.dead);
    this.#open(holder);
    this.#fill();
  }

  /** Notes the jobs of a lost lane to be asked for again, those that were begun first. */
  #takeBack(lane: TransferLane): void {
    for (const job of lane.take()) {
      this.#inFlight -= job.length - job.received;
      // Kept back for the streams that begin new chunks, there is a hasher for each.
      const isKept = !job.isPacked && !job.isBorrowed && this.#pool.free >= this.#maxLanes;
      if (!isKept) job.restart();
      if (job.received > 0) this.#again.unshift(job);
      else this.#again.push(job);
    }
  }

  /** A holder was given up for good: its work is the others', if they can do it. */
  #onDead(error: Error): void {
    if (this.#holders.every(({ dead }) => dead !== undefined)) return this.#finish(error);
    const stuck = this.#again.find((job) => !this.#isGivable(job));
    if (stuck !== undefined) this.#finish(this.#reasonFor(stuck));
    else this.#fill();
  }

  /** Whether somebody is left who may have the job. */
  #isGivable(job: TransferJob): boolean {
    return this.#holders.some(({ dead, index }) => dead === undefined && !job.failures.has(index));
  }

  /** A holder cannot give a job: the next one is asked; when none is left, the fetch fails. */
  #deny(holder: TransferHolder, job: TransferJob, error: Error): void {
    job.fail(holder.index, error);
    job.restart();
    this.#requeue(job);
  }

  /** Why nobody gives a job, what tells most: that somebody does not have it says least. */
  #reasonFor({ failures }: TransferJob): Error | undefined {
    const errors = [...failures.values()];
    return errors.find((error) => !(error instanceof BlobNotFoundError)) ??
      this.#holders.find(({ dead, index }) => dead !== undefined && !failures.has(index))?.dead ?? errors[0];
  }

  #requeue(job: TransferJob): void {
    if (!this.#isGivable(job)) return this.#finish(this.#reasonFor(job));
    this.#again.push(job);
    this.#fill();
  }

  #requeueLater(job: TransferJob): void {
    const timer = setTimeout(() => {
      this.#delays.delete(timer);
      this.#requeue(job);
    }, BUSY_DELAY);
    this.#delays.add(timer);
  }

  #check(): void {
    const now = monotonicNow();
    const elapsed = now - this.#checkedAt;
    this.#checkedAt = now;
    // The event loop stood still: what arrived meanwhile is still in the socket, so nobody is judged silent or slow.
    if (elapsed > 2 * CHECK_INTERVAL) return;
    for (const holder of this.#holders) {
      const problem = holder.check(elapsed);
      if (problem !== undefined) this.#lose(holder, problem.error, problem.final);
    }
  }

  /** Asks for as much as may be in flight. */
  #fill(): void {
    if (this.#filling || this.#settle === undefined) return;
    this.#filling = true;
    try {
      let jobs = 0;
      while (jobs < FILL_JOBS && this.#inFlight < this.#maxInFlight && this.#assignNext()) jobs++;
      for (const holder of this.#holders) for (const lane of holder.lanes) lane.flush();
      if (jobs === FILL_JOBS) this.#fillSoon();
    } catch (error) {
      this.#finish(error);
    } finally {
      this.#filling = false;
    }
    if (this.#exhausted && this.#unfinished === 0) this.#finish();
  }

  /** Asks for more after the packets that carry what was asked for, which leave at the end of this task. */
  #fillSoon(): void {
    if (this.#refilling) return;
    this.#refilling = true;
    queueMicrotask(() => {
      this.#refilling = false;
      this.#fill();
    });
  }

  /** Asks for one job; false when there is none, or nobody to ask now. */
  #assignNext(): boolean {
    for (let i = 0; i < this.#again.length; i++) {
      const lane = this.#laneFor(this.#again[i]);
      if (lane === undefined) continue;
      this.#assign(this.#again.splice(i, 1)[0], lane);
      return true;
    }
    if (this.#exhausted || this.#waiting || !this.#holders.some((holder) => this.#hasRoom(holder))) {
      return false;
    }
    const next = this.#iterator.next();
    if (next.done) {
      this.#exhausted = true;
      return false;
    }
    if (next.value instanceof Promise) {
      this.#waitFor(next.value);
      return false;
    }
    this.#unfinished++;
    const job = new TransferJob(next.value, this.#pool);
    const lane = this.#laneFor(job);
    if (lane === undefined) this.#again.push(job);
    else this.#assign(job, lane);
    return lane !== undefined;
  }

  /** Asks for no new job before there is one. */
  #waitFor(next: Promise<void>): void {
    this.#waiting = true;
    next.then(() => {
      this.#waiting = false;
      this.#fill();
    }, (error) => this.#finish(error));
  }

  #assign(job: TransferJob, lane: TransferLane): void {
    if (job.holder !== lane.holder) job.restart();
    job.holder = lane.holder;
    this.#inFlight += job.length - job.received;
    lane.request(job);
  }

  #hasRoom(holder: TransferHolder): boolean {
    return holder.isReady && holder.lanes.every((lane) => lane.size < MAX_LANE_JOBS);
  }

  /** Who is to give a job: the holder that began it, or else the least loaded lane of those that may have it. */
  #laneFor(job: TransferJob): TransferLane | undefined {
    const begun = job.received > 0 ? this.#holders[job.holder!] : undefined;
    if (begun !== undefined && !job.failures.has(begun.index) && this.#hasRoom(begun)) {
      return laneOf(begun, job);
    }
    let best: TransferLane | undefined;
    for (const holder of this.#holders) {
      if (job.failures.has(holder.index) || !this.#hasRoom(holder)) continue;
      const lane = laneOf(holder, job);
      if (best === undefined || lane.outstandingBytes < best.outstandingBytes) best = lane;
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
    for (const lane of this.#holders.flatMap((holder) => holder.takeLanes())) {
      if (error.length === 0) lane.finish();
      else lane.abort();
    }
    if (error.length === 0) settle.resolve();
    else settle.reject(error[0]);
  }
}

/** The least loaded of a holder's lanes for chunks of a job's size; any lane where it has none. */
function laneOf({ lanes }: TransferHolder, job: TransferJob): TransferLane {
  const bulk = job.length > SMALL_CHUNK;
  let best = lanes[0];
  for (const lane of lanes) {
    const fits = Number(lane.bulk === bulk) - Number(best.bulk === bulk);
    if (fits > 0 || (fits === 0 && lane.outstandingBytes < best.outstandingBytes)) best = lane;
  }
  return best;
}
