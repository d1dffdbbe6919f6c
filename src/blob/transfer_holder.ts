/**
 * A peer that chunks are fetched from, through sessions that come and go: it watches for silence and for a pace that
 * is none, and connects again with back-off (`content.md` 2).
 *
 * @module
 */

import { NotAuthorizedError, PeerSilentError } from "../errors.ts";
import type { MeshStream, Session } from "../mesh/mod.ts";
import { BLOB_TRANSFER_PROTOCOL } from "./transfer_server.ts";
import { type LaneHandler, TransferLane } from "./transfer_lane.ts";

/** Silence after which the peer is asked for a sign of life, milliseconds. */
const PING_AFTER = 1_000;
/** Silence, pinged, after which the session counts as lost: a restarted peer does not know it and says nothing. */
const SILENT_AFTER = 3_000;
/** First and greatest delay between attempts to connect again, milliseconds. */
const FIRST_BACKOFF = 250;
const MAX_BACKOFF = 4_000;
/** Priority of small chunks: ahead of the bulk. */
const SMALL_PRIORITY = 2;
const BULK_PRIORITY = 3;

/** Limits of a holder's pace; see `TransferOptions`. */
export interface HolderLimits {
  /** Streams per peer. */
  readonly streams: number;
  /** Milliseconds in which `stallBytes` have to arrive while something is asked for. */
  readonly stallTimeout: number;
  /** See `stallTimeout`. */
  readonly stallBytes: number;
  /** Milliseconds without progress until the holder is given up. */
  readonly retryTimeout: number;
}

/** One holder of a fetch. */
export class TransferHolder {
  /** Streams that jobs are asked for on; empty while there is no session. */
  lanes: readonly TransferLane[] = [];
  /** Why the holder is given up for good. */
  dead: Error | undefined;
  /** When something useful last arrived. */
  #progressAt: number;
  #windowAt: number;
  #windowBytes = 0;
  #connecting: Promise<void> | undefined;

  constructor(
    readonly index: number,
    public session: Session,
    readonly limits: HolderLimits,
    readonly handler: LaneHandler,
    readonly signal: AbortSignal,
    now: number,
  ) {
    this.#progressAt = this.#windowAt = now;
  }

  /** The holder's node id, for messages. */
  get name(): string {
    return this.session.peerName.slice(0, 10);
  }

  /** Whether jobs can be asked for now. */
  get isReady(): boolean {
    return this.lanes.length > 0 && this.lanes.every((lane) => lane.isOpen);
  }

  /** Opens the lanes on the session that is there; connects again where it is not. Rejects never: see `dead`. */
  open(now: () => number): Promise<void> {
    return this.#connecting ??= this.#open(now).finally(() => this.#connecting = undefined);
  }

  /** Notes useful bytes. */
  onProgress(bytes: number, now: number): void {
    this.#progressAt = now;
    this.#windowBytes += bytes;
  }

  /** Looks whether the holder still delivers; loses its lanes when not. Called from time to time. */
  check(now: number): void {
    if (!this.isReady) return;
    if (!this.lanes.some((lane) => lane.size > 0)) {
      this.#windowAt = now;
      this.#windowBytes = 0;
      return;
    }
    const { silence } = this.session;
    if (silence > SILENT_AFTER) {
      this.lose(
        new PeerSilentError(`Fetch chunks: holder ${this.name} silent for ${seconds(silence)}`, silence),
      );
    } else if (silence > PING_AFTER) {
      this.session.ping();
    }
    if (now - this.#windowAt < this.limits.stallTimeout) return;
    if (this.#windowBytes < this.limits.stallBytes) {
      const message = `Fetch chunks: holder ${this.name} sent ${this.#windowBytes} bytes in ` +
        `${seconds(now - this.#windowAt)}, wanted at least ${this.limits.stallBytes}`;
      // Not worth another try: it is there, and it does not deliver.
      this.dead = new PeerSilentError(message, now - this.#windowAt);
      this.lose(this.dead);
    }
    this.#windowAt = now;
    this.#windowBytes = 0;
  }

  /** Takes all jobs from the lanes. */
  lose(error: Error): void {
    const lanes = this.lanes;
    this.lanes = [];
    for (const lane of lanes) lane.lose(error);
  }

  /** Ends the lanes in order. */
  finish(): void {
    for (const lane of this.lanes) lane.finish();
    this.lanes = [];
  }

  /** Gives the lanes up. */
  abort(): void {
    for (const lane of this.lanes) lane.abort();
    this.lanes = [];
  }

  async #open(now: () => number): Promise<void> {
    let backoff = FIRST_BACKOFF;
    let last: unknown;
    let fresh = !this.session.isOpen || this.session.silence > SILENT_AFTER;
    while (this.dead === undefined && !this.signal.aborted) {
      try {
        if (fresh) this.session = await this.session.node.reconnect(this.session, { signal: this.signal });
        await this.#openLanes();
        this.#windowAt = now();
        this.#windowBytes = 0;
        return;
      } catch (error) {
        last = error;
        fresh = true;
      }
      if (this.signal.aborted) return;
      // No use in trying again: the peer is there and does not want us.
      if (last instanceof NotAuthorizedError || now() - this.#progressAt > this.limits.retryTimeout) {
        this.dead = last as Error;
        return;
      }
      await delay(backoff, this.signal);
      backoff = Math.min(2 * backoff, MAX_BACKOFF);
    }
  }

  async #openLanes(): Promise<void> {
    const { signal } = this;
    const lanes: TransferLane[] = [];
    for (let i = 0; i < this.limits.streams; i++) {
      const bulk = i > 0 || this.limits.streams === 1;
      const priority = bulk ? BULK_PRIORITY : SMALL_PRIORITY;
      const stream: MeshStream = await this.session.openStream({
        protocol: BLOB_TRANSFER_PROTOCOL,
        priority,
        signal,
      });
      lanes.push(new TransferLane(stream.transport, this.index, bulk, this.handler));
    }
    this.lanes = lanes;
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** Resolves after `ms`, or at once when the signal aborts. */
function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}
