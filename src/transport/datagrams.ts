/**
 * Unreliable datagrams of one session (RFC 9221): sent once or never, under congestion control, in the order they
 * were given; what waits too long for the window makes room for what is newer.
 *
 * @module
 */

import { type HawserError, LimitExceededError, ProtocolError, UnsupportedError } from "../errors.ts";
import { datagramFrameOverhead, writeDatagramHeader } from "../wire/frame.ts";
import { ErrorCode, STARVATION_SHARE } from "./config.ts";
import { DatagramQueue } from "./datagram_queue.ts";

/** What datagrams need of their session. */
export interface DatagramContext {
  /** Bytes that a packet has for frames. */
  readonly packetRoom: number;
  /** There is something to send. */
  wake(): void;
  /** A datagram arrived; the bytes are the owner's. */
  onIncomingDatagram(bytes: Uint8Array): void;
  /** The owner threw: to be told once the packet is done with. */
  onDefect(error: unknown): void;
}

/** Both directions of a session. */
export class Datagrams {
  /** Datagrams put into packets. */
  sent = 0;
  /** Whether the application sends any or has asked how long they may be. */
  isUsed = false;
  readonly #queue: DatagramQueue;
  /** Bytes owed to streams, so that datagrams without end leave them a share of the link. */
  #owedToStreams = 0;
  #closed: HawserError | undefined;

  /**
   * @param peerLimit longest DATAGRAM frame that the peer takes (`max_datagram_frame_size`); 0 for none.
   * @param queueLimit bytes that wait; 0 when this side takes none either.
   */
  constructor(readonly context: DatagramContext, readonly peerLimit: number, readonly queueLimit: number) {
    this.#queue = new DatagramQueue(Math.max(queueLimit, 0));
  }

  /** Datagrams that were never sent: newer ones took their room, the path shrank, or the session ended. */
  get unsent(): number {
    return this.#queue.dropped;
  }

  /** Longest datagram that fits now, bytes; 0 when the peer takes none. Falls when the path carries less. */
  get maxPayload(): number {
    const room = Math.min(this.context.packetRoom, this.peerLimit);
    return Math.max(0, room - datagramFrameOverhead(room));
  }

  /** As {@linkcode Datagrams.maxPayload}, for the application: from now on it is worth finding the path's size. */
  askMaxPayload(): number {
    if (!this.isUsed && this.peerLimit > 0 && this.#closed === undefined) {
      this.isUsed = true;
      this.context.wake();
    }
    return this.maxPayload;
  }

  /** Whether any waits. */
  get hasPending(): boolean {
    return this.#queue.size > 0;
  }

  /** Puts a datagram (kept, not copied) into the queue. Throws what `Session.sendDatagram` says. */
  send(bytes: Uint8Array): void {
    if (this.#closed !== undefined) throw this.#closed;
    if (this.peerLimit === 0) throw new UnsupportedError("Send datagram: the peer takes no datagrams");
    this.isUsed = true;
    const maximum = this.maxPayload;
    if (bytes.length > maximum) {
      throw new LimitExceededError(
        `Send datagram: it has ${bytes.length} bytes, ${maximum} fit the path now`,
        "maxDatagramPayload",
        bytes.length,
        maximum,
      );
    }
    this.#queue.push(bytes);
    this.context.wake();
  }

  /** Whether the next datagram would fit an empty packet, but not the `room` that is left in this one. */
  isCrowdedOut(room: number): boolean {
    const next = this.#next();
    return next !== undefined && datagramFrameOverhead(next.length) + next.length > room;
  }

  /**
   * Writes what waits from `at` to `end`; the offset after it. Goes before stream data, but when streams wait too they
   * keep one byte in sixteen (`protocol.md` 4).
   */
  write(out: Uint8Array, at: number, end: number, streamsWait: boolean): number {
    if (!streamsWait) this.#owedToStreams = 0;
    else if (this.#owedToStreams >= this.context.packetRoom) {
      this.#owedToStreams -= this.context.packetRoom;
      return at;
    }
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const length = datagramFrameOverhead(next.length) + next.length;
      if (length > end - at) break;
      at = writeDatagramHeader(out, at, next.length);
      out.set(next, at);
      at += next.length;
      this.#queue.shift();
      this.#owedToStreams += length / STARVATION_SHARE;
      this.sent++;
    }
    return at;
  }

  /** Takes a DATAGRAM frame; when it is shorter than `copyBelow` its bytes are copied. */
  receive(data: Uint8Array, copyBelow: number): void {
    // RFC 9221 §3: who was told that we take none, sends none.
    if (this.queueLimit <= 0) {
      throw new ProtocolError("Receive datagram: this node takes none", ErrorCode.PROTOCOL_VIOLATION);
    }
    try {
      this.context.onIncomingDatagram(data.length < copyBelow ? data.slice() : data);
    } catch (error) {
      this.context.onDefect(error);
    }
  }

  /** The session ended: further calls throw `error`. */
  close(error: HawserError): void {
    this.#closed ??= error;
    this.#queue.clear();
  }

  /** The next datagram; those that the path carries no more are gone. */
  #next(): Uint8Array | undefined {
    for (;;) {
      const { first } = this.#queue;
      if (first === undefined || first.length <= this.maxPayload) return first;
      this.#queue.drop();
    }
  }
}
