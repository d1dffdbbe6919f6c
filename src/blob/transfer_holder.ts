/**
 * A peer that chunks are fetched from, through sessions that come and go: it watches for silence and for a pace that
 * is none, connects again with back-off, and knows when that is of no use any more (`content.md` 2).
 *
 * @module
 */

import {
  InvalidArgumentError,
  NodeClosedError,
  NotAuthorizedError,
  PeerSilentError,
  PermissionDeniedError,
  SessionClosedError,
  SessionReplacedError,
  TransferProtocolError,
} from "../errors.ts";
import type { MeshStream, Session } from "../mesh/mod.ts";
import { delay } from "../mesh/abort.ts";
import { monotonicNow } from "../mesh/socket_loop.ts";
import { BLOB_TRANSFER_PROTOCOL } from "./transfer_server.ts";
import { type LaneHandler, TransferLane } from "./transfer_lane.ts";

/** Silence after which the peer is asked for a sign of life, milliseconds. */
export const PING_AFTER = 1_000;
/** Silence, pinged, after which the session counts as lost: a restarted peer does not know it and says nothing. */
const SILENT_AFTER = 3_000;
/** Round trips that come on top of it, for paths where an answer takes long. */
const SILENT_ROUND_TRIPS = 4;
/** First and greatest delay between attempts to go on, milliseconds. */
const FIRST_BACKOFF = 250;
const MAX_BACKOFF = 4_000;
/** Times that the streams may be lost without `stallBytes` in between. */
const MAX_LOSSES = 20;
/** Priority of small chunks: ahead of the bulk. */
const SMALL_PRIORITY = 2;
const BULK_PRIORITY = 3;

/** Silence after which a pinged session counts as lost, milliseconds. */
export function silentAfter(session: Session): number {
  return SILENT_AFTER + SILENT_ROUND_TRIPS * session.metrics().smoothedRtt;
}

/** Limits of a holder's pace; see `TransferOptions`. */
export interface HolderLimits {
  /** Streams per peer. */
  readonly streams: number;
  /** Milliseconds in which `stallBytes` have to arrive while something is asked for. */
  readonly stallTimeout: number;
  /** See `stallTimeout`. */
  readonly stallBytes: number;
  /** Milliseconds from a loss without progress until the holder is given up. */
  readonly retryTimeout: number;
}

/** One holder of a fetch. */
export class TransferHolder {
  /** Streams that jobs are asked for on; empty while there is no session. */
  lanes: readonly TransferLane[] = [];
  /** Why the holder is given up for good. */
  dead: Error | undefined;
  /** Chunks that it sent with wrong bytes. */
  wrong = 0;
  /** Time spent waiting for answers since the pace was last judged, and what came in it. */
  #askedTime = 0;
  #askedBytes = 0;
  /** Bytes since the last loss counted. */
  #provenBytes = 0;
  #losses = 0;
  #failures = 0;
  /** When something was lost and nothing useful has come since. */
  #troubleSince: number | undefined;
  #wasSilent = false;
  #connecting: Promise<void> | undefined;

  constructor(
    readonly index: number,
    public session: Session,
    readonly limits: HolderLimits,
    readonly handler: LaneHandler,
    readonly signal: AbortSignal,
  ) {}

  /** The holder's node id, for messages. */
  get name(): string {
    return this.session.peerName.slice(0, 10);
  }

  /** Whether jobs can be asked for now. */
  get isReady(): boolean {
    return this.dead === undefined && this.lanes.length > 0;
  }

  /** Opens the lanes on the session that is there; connects again where it is not. Rejects never: see `dead`. */
  open(): Promise<void> {
    return this.#connecting ??= this.#open().finally(() => this.#connecting = undefined);
  }

  /** Notes bytes that arrived. */
  onBytes(count: number): void {
    this.#askedBytes += count;
    this.#provenBytes += count;
    if (this.#provenBytes < this.limits.stallBytes) return;
    this.#provenBytes = this.#losses = this.#failures = 0;
    this.#troubleSince = undefined;
  }

  /** Notes a chunk that was verified. */
  onVerified(): void {
    this.#troubleSince = undefined;
  }

  /**
   * Looks whether the holder still delivers; called every `elapsed` milliseconds while the event loop runs freely.
   * Returns what is to be lost for, and whether for good.
   */
  check(elapsed: number): { error: Error; final: boolean } | undefined {
    if (!this.isReady || !this.lanes.some((lane) => lane.size > 0)) return undefined;
    const { silence } = this.session;
    const { stallTimeout, stallBytes } = this.limits;
    if (silence > silentAfter(this.session)) {
      const message = `Fetch chunks: holder ${this.name} silent for ${seconds(silence)}`;
      return { error: new PeerSilentError(message, silence), final: false };
    }
    if (silence > PING_AFTER) this.session.ping();
    this.#askedTime += elapsed;
    if (this.#askedTime < stallTimeout) return undefined;
    const [time, bytes] = [this.#askedTime, this.#askedBytes];
    this.#askedTime = this.#askedBytes = 0;
    if (bytes >= stallBytes) return undefined;
    // Not worth another try: it is there, and it does not deliver.
    const message = `Fetch chunks: holder ${this.name} sent ${bytes} bytes in ${seconds(time)}, ` +
      `wanted at least ${stallBytes}`;
    return { error: new PeerSilentError(message, time), final: true };
  }

  /** Notes that the lanes were lost: decides whether to go on. @param final whether there is no use in it. */
  onLost(error: Error, final: boolean): void {
    this.#losses++;
    this.#fail(error, final || this.#losses > MAX_LOSSES);
  }

  /** Takes the lanes away. */
  takeLanes(): readonly TransferLane[] {
    const { lanes } = this;
    this.lanes = [];
    return lanes;
  }

  /** Something went wrong: counts it, and gives up when it cannot get better or has lasted too long. */
  #fail(error: Error, final: boolean): void {
    const now = monotonicNow();
    this.#failures++;
    this.#troubleSince ??= now;
    this.#wasSilent ||= error instanceof PeerSilentError;
    const trouble = now - this.#troubleSince;
    if (final || isFinal(error)) this.dead ??= error;
    else if (trouble > this.limits.retryTimeout) {
      this.dead ??= this.#wasSilent && !(error instanceof PeerSilentError)
        ? new PeerSilentError(
          `Fetch chunks: holder ${this.name} fell silent and was not reached again in ${seconds(trouble)}`,
          trouble,
          { cause: error },
        )
        : error;
    }
  }

  async #open(): Promise<void> {
    if (!this.session.isOpen) {
      const { error } = await this.session.closed;
      if (isFinal(error)) this.dead ??= error;
    }
    while (this.dead === undefined && !this.signal.aborted) {
      // The first attempt comes at once: most losses are a restart.
      if (this.#failures > 1) await delay(this.#backoff, this.signal);
      if (this.signal.aborted) return;
      try {
        const { session, signal } = this;
        const isLost = !session.isOpen || session.silence > silentAfter(this.session);
        if (isLost) this.session = await session.node.reconnect(session, { signal });
        await this.#openLanes();
        this.#wasSilent = false;
        return;
      } catch (error) {
        if (this.signal.aborted) return;
        this.#fail(error as Error, false);
      }
    }
  }

  get #backoff(): number {
    return Math.min(FIRST_BACKOFF * 2 ** (this.#failures - 2), MAX_BACKOFF);
  }

  /** Opens one lane, and as many more as are wanted and the peer allows. */
  async #openLanes(): Promise<void> {
    const lanes: TransferLane[] = [];
    const { streams } = this.limits;
    try {
      for (let i = 0; i < streams && (i === 0 || this.session.canOpenStream); i++) {
        const bulk = i > 0 || streams === 1;
        const priority = bulk ? BULK_PRIORITY : SMALL_PRIORITY;
        const stream = await this.#openStream(priority);
        lanes.push(new TransferLane(stream.transport, this.index, this.name, bulk, this.handler));
      }
      const failed = lanes.find((lane) => lane.failure !== undefined);
      if (failed !== undefined) throw failed.failure;
    } catch (error) {
      for (const lane of lanes) lane.abort();
      throw error;
    }
    this.lanes = lanes;
  }

  /** Opens a stream; a peer that allows none for too long is as good as silent. */
  async #openStream(priority: number): Promise<MeshStream> {
    const { stallTimeout } = this.limits;
    const deadline = new AbortController();
    const timer = setTimeout(() => {
      const message = `Fetch chunks: holder ${this.name} allowed no stream for ${seconds(stallTimeout)}`;
      deadline.abort(new PeerSilentError(message, stallTimeout));
    }, stallTimeout);
    try {
      const signal = AbortSignal.any([this.signal, deadline.signal]);
      return await this.session.openStream({ protocol: BLOB_TRANSFER_PROTOCOL, priority, signal });
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Whether an error says that another try is of no use. */
function isFinal(error: Error): boolean {
  // A session that was closed on this side was closed on purpose; a replaced one has a successor.
  if (error instanceof SessionClosedError) return !error.remote && !(error instanceof SessionReplacedError);
  return error instanceof NotAuthorizedError || error instanceof NodeClosedError ||
    error instanceof PermissionDeniedError || error instanceof InvalidArgumentError ||
    error instanceof TransferProtocolError;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
