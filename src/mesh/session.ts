/**
 * A session as applications see it: one encrypted association with one peer, carrying streams.
 *
 * @module
 */

import { encodeNodeId } from "../wire/node_id.ts";
import { InvalidArgumentError } from "../errors.ts";
import { log } from "../runtime/logging.ts";
import type { Connection } from "../transport/connection.ts";
import { ErrorCode } from "../transport/config.ts";
import type { SessionEnd } from "../transport/session_end.ts";
import type { Stream } from "../transport/stream.ts";
import type { StreamSet } from "../transport/streams.ts";
import { AsyncQueue } from "./async_queue.ts";
import { DatagramInbox } from "./datagram_inbox.ts";
import { checkErrorCode } from "./error_code.ts";
import { MeshStream } from "./mesh_stream.ts";
import type { MeshNode, StreamHandler } from "./node.ts";
import { monotonicNow } from "./socket_loop.ts";
import { abortReason } from "./abort.ts";

/** Protocol number of streams that belong to the application. */
export const APPLICATION_PROTOCOL = 0x0000;

/** Options of {@linkcode Session.openStream}. */
export interface OpenStreamOptions {
  /** Number of the protocol spoken on the stream. @default 0, the application's own */
  readonly protocol?: number;
  /** 0 highest to 7. @default 3 */
  readonly priority?: number;
  /** Share among streams of the same priority, 1 to 256. @default 16 */
  readonly weight?: number;
  /** Ends the wait for the peer's stream limit. */
  readonly signal?: AbortSignal;
}

/** How a session ended. */
export interface SessionCloseInfo {
  /** Error code of CONNECTION_CLOSE; 0 when all was well. */
  readonly code: number;
  /** Text for people. */
  readonly reason: string;
  /** Whether the peer closed it. */
  readonly remote: boolean;
  /** What work on the session throws since. */
  readonly error: Error;
}

/** Figures of a live session. */
export interface SessionMetrics {
  /** The peer's node id. */
  readonly peer: string;
  /** Smoothed round-trip time, milliseconds. */
  readonly smoothedRtt: number;
  /** Least round-trip time, milliseconds. */
  readonly minRtt: number;
  /** Congestion window, bytes. */
  readonly congestionWindow: number;
  /** Bytes sent and neither acknowledged nor lost. */
  readonly bytesInFlight: number;
  /** Packets judged lost. */
  readonly packetsLost: number;
  /** Datagram size in use, bytes. */
  readonly datagramSize: number;
  /** Open streams. */
  readonly streams: number;
  /** Unreliable datagrams. */
  readonly datagrams: DatagramMetrics;
}

/** What became of the unreliable datagrams of a session; what is lost on the way is in none of these. */
export interface DatagramMetrics {
  /** Put into packets. */
  readonly sent: number;
  /** Given to `sendDatagram` and never sent: newer ones took their room, or the path came to carry less. */
  readonly unsent: number;
  /** Arrived. */
  readonly received: number;
  /** Arrived and never read: newer ones took their room. */
  readonly unread: number;
}

/** One session with one peer. */
export class Session implements AsyncDisposable {
  /** Resolves when the session ends, however it does; never rejects. */
  readonly closed: Promise<SessionCloseInfo>;
  readonly #resolveClosed: (info: SessionCloseInfo) => void;
  readonly #incoming = new AsyncQueue<MeshStream>((left) => {
    // Nobody will take what comes from now on.
    this.#refusing = true;
    for (const stream of left) stream.abort(ErrorCode.UNKNOWN_PROTOCOL);
  });
  readonly #inbox: DatagramInbox;
  #refusing = false;
  /** Streams that came before `authorize` answered. */
  #held: Stream[] | undefined;
  #end: SessionEnd | undefined;

  /**
   * The transport below. For the mesh.
   *
   * @internal
   */
  readonly connection: Connection;

  /**
   * Made by a node.
   *
   * @internal
   */
  constructor(readonly node: MeshNode, connection: Connection, held: boolean) {
    this.connection = connection;
    let resolve!: (info: SessionCloseInfo) => void;
    this.closed = new Promise((r) => resolve = r);
    this.#resolveClosed = resolve;
    this.#held = held ? [] : undefined;
    this.#inbox = new DatagramInbox(connection.owner.transport.datagramQueue);
    connection.events = {
      onDatagram: (bytes) => this.#inbox.push(bytes),
      onStream: (stream) => this.#onStream(stream),
      onEnd: (end) => this.#onEnd(end),
    };
  }

  /** The peer's node id: its static public key, 32 bytes. */
  get peerId(): Uint8Array {
    return this.connection.peerKey;
  }

  /** The peer's node id as text. */
  get peerName(): string {
    return encodeNodeId(this.connection.peerKey);
  }

  /** Where the peer is. */
  get address(): { readonly hostname: string; readonly port: number } {
    return this.connection.path;
  }

  /** Whether this node opened the session. */
  get isInitiator(): boolean {
    return this.connection.isInitiator;
  }

  /** Whether streams can still be used. */
  get isOpen(): boolean {
    return this.#end === undefined;
  }

  /** Whether {@linkcode Session.openStream} would not have to wait for the peer's limit. */
  get canOpenStream(): boolean {
    return this.isOpen && this.#opening.canOpen;
  }

  /** Milliseconds since the peer was last heard. */
  get silence(): number {
    return monotonicNow() - this.connection.session!.lastReceivedAt;
  }

  /** Asks the peer for a sign of life; {@linkcode Session.silence} tells whether one came. */
  ping(): void {
    if (this.isOpen) this.connection.session!.ping();
  }

  /**
   * Opens a stream. Waits while the peer allows no more of them. Rejects with the session's error once it ended, with
   * `InvalidArgumentError` on a priority or weight out of range.
   */
  async openStream(options: OpenStreamOptions = {}): Promise<MeshStream> {
    const { protocol = APPLICATION_PROTOCOL, priority = 3, weight = 16, signal } = options;
    if (!Number.isInteger(priority) || priority < 0 || priority > 7) {
      throw new InvalidArgumentError(`Open stream: priority is ${priority}, want 0 to 7`);
    }
    if (!Number.isInteger(weight) || weight < 1 || weight > 256) {
      throw new InvalidArgumentError(`Open stream: weight is ${weight}, want 1 to 256`);
    }
    while (this.isOpen && !this.#opening.canOpen) await this.#streamCredit(signal);
    if (this.#end !== undefined) throw this.#end.error;
    return new MeshStream(this.#opening.open({ protocol, priority, weight }));
  }

  /**
   * Streams of protocol 0 that the peer opens, until the session ends. One loop takes them all; once it is left, further
   * streams are refused.
   */
  streams(): AsyncIterableIterator<MeshStream> {
    return this.#incoming;
  }

  /**
   * Longest datagram that {@linkcode Session.sendDatagram} takes now, bytes; 0 when the peer takes none. At least 1165
   * once the peer takes any; rises as the path proves to carry more, and may fall again. On loopback that is tried out once
   * a datagram was sent or this was asked for.
   */
  get maxDatagramPayload(): number {
    return this.connection.session!.datagrams.askMaxPayload();
  }

  /**
   * Sends bytes (copied: the array may be reused) that need not arrive: at most once, in no certain order, as one piece
   * (RFC 9221). They go before streams, as far as congestion control lets them; while it does not, the oldest make room
   * for newer ones (`TransportOptions.datagramQueue`).
   *
   * Throws `LimitExceededError` above {@linkcode Session.maxDatagramPayload}, `UnsupportedError` when the peer takes no
   * datagrams, the session's error once it ended.
   *
   * ```ts
   * import { MeshNode } from "@hawser/mesh";
   *
   * const psk = crypto.getRandomValues(new Uint8Array(32));
   * await using server = await MeshNode.start({ psk, listen: "127.0.0.1:0" });
   * await using client = await MeshNode.start({ psk, listen: "127.0.0.1:0" });
   * const incoming = server.incoming();
   * const session = await client.connect({ id: server.id, addresses: server.addresses });
   * session.sendDatagram(new TextEncoder().encode("pointer 12 34"));
   * const { value: accepted } = await incoming.next();
   * for await (const datagram of accepted.datagrams()) {
   *   console.log(new TextDecoder().decode(datagram)); // pointer 12 34
   *   break;
   * }
   * ```
   */
  sendDatagram(bytes: Uint8Array): void {
    if (this.#end !== undefined) throw this.#end.error;
    this.connection.session!.datagrams.send(bytes.slice());
  }

  /**
   * Datagrams from the peer, until the session ends. Those that nobody takes wait within a bound
   * (`TransportOptions.datagramQueue`): the oldest make room for newer ones, and {@linkcode Session.metrics} counts them.
   * Each goes to one loop; leaving a loop leaves the rest to the next.
   */
  datagrams(): AsyncIterableIterator<Uint8Array> {
    return this.#inbox.iterate();
  }

  /**
   * Ends the session at once: open streams fail on both sides, with this code and reason in the error. Throws
   * `InvalidArgumentError` when the code is no whole number from 0 to 2^53 - 1.
   *
   * @param code what the peer sees; applications use `ErrorCode.APPLICATION` and up.
   * @param reason text for people, at most 512 bytes of UTF-8 of it are sent.
   */
  close(code: number = ErrorCode.NO_ERROR, reason = ""): Promise<SessionCloseInfo> {
    checkErrorCode("Close session", code);
    this.connection.session!.close(code, reason, monotonicNow());
    return this.closed;
  }

  /** Same as {@linkcode Session.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Figures of the session. */
  metrics(): SessionMetrics {
    const { recovery, mtu, streams, datagrams } = this.connection.session!;
    const { received, unread } = this.#inbox;
    return {
      peer: this.peerName,
      smoothedRtt: recovery.rtt.smoothed,
      minRtt: recovery.rtt.min,
      congestionWindow: recovery.window,
      bytesInFlight: recovery.bytesInFlight,
      packetsLost: recovery.lostPackets,
      datagramSize: mtu.size,
      streams: streams.size,
      datagrams: { sent: datagrams.sent, unsent: datagrams.unsent, received, unread },
    };
  }

  /** The node's `authorize` said yes: streams that came meanwhile are handed out. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const stream of held) this.#onStream(stream);
  }

  /**
   * Where streams are opened. After both sides connected at once two sessions may stand for a while; the one that is
   * to go keeps its streams and gets no new ones.
   */
  get #opening(): StreamSet {
    const { successor } = this.connection;
    return (successor?.session?.isOpen ? successor : this.connection).session!.streams;
  }

  #onStream(stream: Stream): void {
    if (this.#held !== undefined) {
      this.#held.push(stream);
      return;
    }
    const meshStream = new MeshStream(stream);
    const handler = this.node.handlerOf(stream.protocol);
    if (handler !== undefined) this.#handOver(meshStream, handler);
    else if (stream.protocol !== APPLICATION_PROTOCOL || this.#refusing) {
      stream.abort(ErrorCode.UNKNOWN_PROTOCOL);
    } else this.#incoming.push(meshStream);
  }

  /** A handler that throws loses its stream, not the rest of the packet that the stream came in. */
  #handOver(stream: MeshStream, handler: StreamHandler): void {
    try {
      handler(stream, this);
    } catch (error) {
      log("mesh", "error", "Stream handler of protocol {protocol} threw: {error}", {
        protocol: stream.protocol,
        error,
      });
      stream.abort(ErrorCode.INTERNAL_ERROR);
    }
  }

  #onEnd(end: SessionEnd): void {
    this.#end = end;
    this.#held = undefined;
    this.#incoming.end();
    this.#inbox.end();
    this.node.onSessionEnd(this);
    this.#resolveClosed({ code: end.code, reason: end.reason, remote: end.remote, error: end.error });
  }

  /** Waits until the peer raises its stream limit, the session ends, or the signal aborts. */
  #streamCredit(signal: AbortSignal | undefined): Promise<void> {
    const streams = this.#opening;
    return new Promise((resolve, reject) => {
      const before = streams.onStreamCredit;
      const abort = () => reject(abortReason(signal!));
      if (signal?.aborted) return abort();
      signal?.addEventListener("abort", abort, { once: true });
      streams.onStreamCredit = () => {
        before?.();
        signal?.removeEventListener("abort", abort);
        streams.onStreamCredit = undefined;
        resolve();
      };
    });
  }
}
