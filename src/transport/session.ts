/**
 * An established session, sans I/O: takes decrypted packets and the time, gives packets to encrypt and the time of
 * its next timer. Frames, acknowledgement, loss recovery, congestion, idle time-out and close come together here.
 *
 * @module
 */

import { type HawserError, ProtocolError } from "../errors.ts";
import { type FrameHandler, FrameType, parseFrames, writeConnectionClose } from "../wire/frame.ts";
import { DATA_HEADER, TAG_LENGTH } from "../wire/packet.ts";
import type { TransportParameters } from "../wire/transport_parameters.ts";
import { VarintReader } from "../wire/varint.ts";
import { AckTracker } from "./ack_tracker.ts";
import type { SocketAddress } from "./address.ts";
import {
  COPY_OUT_SHARE,
  ErrorCode,
  PROBES_PER_IDLE_TIMEOUT,
  SMALL_PIECE,
  type TransportOptions,
} from "./config.ts";
import { Closing } from "./closing.ts";
import { Cubic } from "./congestion.ts";
import { type DatagramContext, Datagrams } from "./datagrams.ts";
import { Liveness } from "./liveness.ts";
import { PathMtu } from "./path_mtu.ts";
import { Recovery, type SentPacket } from "./recovery.ts";
import { initialRtt } from "./rtt.ts";
import { SendGate } from "./send_gate.ts";
import type { SentFrame } from "./sent_frame.ts";
import {
  endByPeer,
  endByReplacement,
  endBySilence,
  endByUs,
  type SessionEnd,
  violationOf,
} from "./session_end.ts";
import type { SessionEvents } from "./session_events.ts";
import type { Stream } from "./stream.ts";
import { StreamSet, type StreamSetContext } from "./streams.ts";

/** Bytes of a data packet besides its frames. */
export const PACKET_OVERHEAD: number = DATA_HEADER + TAG_LENGTH;

/** One session with one peer. */
export class SessionState implements FrameHandler, StreamSetContext, DatagramContext {
  /** Its streams. */
  readonly streams: StreamSet;
  /** Its unreliable datagrams. */
  readonly datagrams: Datagrams;
  /** Loss detection and congestion. */
  readonly recovery: Recovery;
  /** Idle time-out and keep-alive. */
  readonly liveness: Liveness;
  /** Datagram size of the path. */
  readonly mtu: PathMtu;
  /** Number of the next packet. */
  nextPacketNumber = 0;

  readonly #acks = new AckTracker();
  readonly #reader = new VarintReader(new Uint8Array());
  readonly #gate: SendGate;
  readonly #closing = new Closing();
  #pingPending = false;
  #packetRefused = false;
  #defect: { readonly error: unknown } | undefined;
  /** Pieces of the packet that are shorter are copied before they are kept. */
  #copyBelow = 0;

  constructor(
    readonly initiator: boolean,
    readonly peer: TransportParameters,
    readonly options: TransportOptions,
    path: SocketAddress,
    readonly events: SessionEvents,
    /** Time last told. */
    public now: number,
  ) {
    this.liveness = new Liveness(options.idleTimeout, peer.maxIdleTimeout, now);
    this.mtu = new PathMtu(path, peer.maxUdpPayloadSize, options.maxDatagramSize);
    this.recovery = new Recovery(new Cubic(this.mtu.size), initialRtt(path), this.mtu.size, this);
    this.#gate = new SendGate(this.recovery, this.mtu);
    this.recovery.peerMaxAckDelay = peer.maxAckDelay;
    this.recovery.peerReceiveBuffer = peer.receiveBuffer;
    this.recovery.longestProbeTimeout = this.liveness.idleTimeout / PROBES_PER_IDLE_TIMEOUT;
    this.streams = new StreamSet(this, initiator, options, peer);
    this.datagrams = new Datagrams(this, peer.maxDatagramFrameSize, options.datagramQueue);
    // Key confirmation: an initiator's first packet tells the responder that the handshake is complete.
    this.#pingPending = initiator;
  }

  /** Whether streams can still be used. */
  get isOpen(): boolean {
    return this.#closing.phase === "open";
  }

  /** Whether nothing more will be sent or expected: the owner forgets the session. */
  get isGone(): boolean {
    return this.#closing.phase === "gone";
  }

  /** See {@linkcode Closing.isSilent}. */
  get isSilent(): boolean {
    return this.#closing.isSilent;
  }

  /** When a valid packet last arrived. */
  get lastReceivedAt(): number {
    return this.liveness.lastReceivedAt;
  }

  /** Smoothed round-trip time, milliseconds. */
  get smoothedRtt(): number {
    return this.recovery.rtt.smoothed;
  }

  /** Probe time-out without back-off, milliseconds (RFC 9002 §6.2.1). */
  get probeTimeout(): number {
    return this.recovery.rtt.pto(this.peer.maxAckDelay);
  }

  /** See {@linkcode DatagramContext}. */
  get packetRoom(): number {
    return this.mtu.size - PACKET_OVERHEAD;
  }

  /** Asks the peer for a sign of life. */
  ping(): void {
    this.#pingPending = true;
    this.wake();
  }

  /**
   * Packets go to another address from now on: round-trip time, congestion window and datagram size begin afresh
   * (RFC 9000 §9.4, `protocol.md` 7). The caller has validated the path.
   */
  onPathChange(path: SocketAddress): void {
    this.mtu.onPathChange(path);
    this.recovery.onPathChange(initialRtt(path), this.mtu.size);
    this.#gate.onPathChange();
    this.wake();
  }

  /**
   * Handshake or path validation took so long: the first sample of the path's round-trip time. The caller knows that
   * it is none of two attempts (Karn).
   */
  onRoundTrip(sample: number, now: number): void {
    this.recovery.onRoundTrip(sample, now);
  }

  /**
   * The owner sends a packet of path frames under {@linkcode nextPacketNumber}. It may take another path than the
   * others, so it counts neither for congestion nor for the round-trip time (RFC 9000 §9.4).
   */
  onPathPacket(length: number, now: number): void {
    this.#onSent(length, false, [], now);
  }

  /** Tells the owner that there is something to send. */
  wake(): void {
    this.events.onWake();
  }

  /** See {@linkcode StreamSetContext}. */
  onDefect(error: unknown): void {
    this.#defect ??= { error };
  }

  /** See {@linkcode StreamSetContext}. */
  onIncomingStream(stream: Stream): void {
    this.events.onStream(stream);
  }

  /** See {@linkcode DatagramContext}. */
  onIncomingDatagram(bytes: Uint8Array): void {
    this.events.onDatagram(bytes);
  }

  /** Closes with CONNECTION_CLOSE and stays until the peer answers, three probe time-outs at most (RFC 9000 §10.2.1). */
  close(code: number, reason: string, now: number, error?: HawserError): void {
    if (!this.isOpen) return;
    this.now = now;
    this.#closing.close({ code, reason }, now, this.probeTimeout);
    this.#end(endByUs(code, reason, error));
    this.wake();
  }

  /**
   * Ends because a newer session took its place. One CONNECTION_CLOSE tells a peer that still believes in it, if it
   * ever did; a peer that restarted does not know the session any more, so nothing is waited for.
   */
  replace(now: number, tellPeer: boolean): void {
    if (!this.isOpen) return;
    const end = endByReplacement();
    this.#closing.vanish(now, tellPeer ? end : undefined);
    this.#end(end);
  }

  // --- input ---

  /**
   * Takes the frames of an authentic, new packet. Returns false when it is to be treated as never received. Never
   * throws: see {@linkcode SessionState.throwDefect}.
   *
   * @param isBorrowed whether `plaintext` is the caller's again afterwards: what is kept of it is copied.
   */
  receive(
    packetNumber: number,
    plaintext: Uint8Array,
    size: number,
    now: number,
    isBorrowed = false,
  ): boolean {
    this.now = now;
    this.liveness.onReceived(now);
    if (!this.isOpen) {
      if (plaintext[0] === FrameType.CONNECTION_CLOSE) this.#closing.onAnswered(now);
      else this.#closing.onPacket();
      return true;
    }
    this.#packetRefused = false;
    let elicits: boolean;
    this.#copyBelow = isBorrowed ? Infinity : Math.max(SMALL_PIECE, plaintext.length * COPY_OUT_SHARE);
    try {
      elicits = parseFrames(this.#reader.reset(plaintext), this);
    } catch (error) {
      const violation = violationOf(error);
      this.close(violation.code, violation.message, now, violation);
      return true;
    }
    // What was processed may be so again: the peer sends in new packets what is not acknowledged.
    if (this.#packetRefused) return false;
    const { rtt, isShortPath } = this.recovery;
    this.#acks.onReceived(packetNumber, elicits, size, now, rtt.sampled ? rtt.smoothed : 0, isShortPath);
    return true;
  }

  /** Whether no ACK of the packet received last is to be thought of yet. */
  get canWait(): boolean {
    return this.isOpen && this.#acks.canWait;
  }

  /** Throws what a callback of the application has thrown meanwhile; to be called when the session is at rest. */
  throwDefect(): void {
    if (this.#defect === undefined) return;
    const { error } = this.#defect;
    this.#defect = undefined;
    throw error;
  }

  /** When {@linkcode SessionState.onTimeout} is due; `Infinity` when never. */
  get deadline(): number {
    if (!this.isOpen) return this.#closing.deadline;
    return Math.min(
      this.recovery.deadline,
      this.#acks.deadline,
      this.#gate.deadline,
      this.#idleDeadline,
      this.#keepAliveDeadline,
    );
  }

  /** The deadline passed. The caller drained the socket before, so that a stalled event loop judges nothing lost. */
  onTimeout(now: number): void {
    this.now = now;
    if (!this.isOpen) return this.#closing.onTimeout(now);
    if (now >= this.#idleDeadline) {
      this.#closing.vanish(now);
      const isReplaced = this.liveness.isFading && this.streams.size === 0;
      const { idleTimeout } = this.liveness;
      this.#end(isReplaced ? endByReplacement() : endBySilence(now - this.lastReceivedAt, idleTimeout));
      return;
    }
    if (now >= this.recovery.deadline) {
      this.recovery.onTimeout(now);
      if (this.mtu.onProbeTimeout(this.recovery.ptoCount)) this.recovery.onDatagramSize(this.mtu.size);
    }
    if (now >= this.#keepAliveDeadline) {
      this.liveness.onKeepAlive(now);
      this.#pingPending = true;
    }
    if (now >= this.#gate.deadline) this.#gate.deadline = Infinity;
  }

  // --- output ---

  /**
   * Writes the frames of the next packet to `out`, which has room for a datagram, and returns their length; 0 when
   * there is nothing to send now. Each call that returns more than 0 uses `nextPacketNumber` up.
   */
  poll(out: Uint8Array, now: number): number {
    this.now = now;
    if (!this.isOpen) return this.#pollClose(out, now);
    const probing = this.recovery.probesDue > 0;
    const blocked = !probing && !this.#maySend(now);
    const ackDue = this.#acks.deadline <= now;
    if (blocked && !ackDue) return 0;
    const probe = blocked || probing ? undefined : this.#gate.dueProbe(now);
    const isPadded = probe !== undefined && (!this.mtu.isFilled || this.datagrams.isUsed);
    const end = (probe ?? this.mtu.size) - PACKET_OVERHEAD;
    const frames: SentFrame[] = [];
    // An ACK rides along when there is anything else; alone it waits for its time.
    let at = this.#acks.pending || ackDue ? this.#writeAck(out, frames, now) : 0;
    if (!blocked && !isPadded && this.datagrams.isCrowdedOut(end - at)) at = frames.length = 0;
    const ackOnly = at;
    let elicits = false;
    if (!blocked) {
      if (isPadded) {
        out[at++] = FrameType.PING;
        out.fill(FrameType.PADDING, at, at = end);
      } else {
        if (probing) this.#requeueOldest();
        if (this.#pingPending) out[at++] = FrameType.PING; // Now: what follows may leave no room.
        this.#pingPending = false;
        at = this.streams.writeControl(out, at, end, frames);
        if (this.datagrams.hasPending) at = this.datagrams.write(out, at, end, this.streams.hasPending);
        at = this.streams.writeData(out, at, end, frames);
        if (probing && at === ackOnly) out[at++] = FrameType.PING;
      }
      elicits = at > ackOnly;
      if (!elicits) this.recovery.appLimited = true;
    }
    if (!elicits && !ackDue) return 0;
    if (ackOnly > 0) this.#acks.onAckSent();
    this.#onSent(at, elicits, frames, now);
    return at;
  }

  // --- frames from the peer ---

  /** See {@linkcode FrameHandler}. It is acknowledged like everything else. */
  onPing(): void {}

  /** See {@linkcode FrameHandler}. */
  onAck(largest: number, delay: number, ranges: readonly number[]): void {
    const ackDelay = delay * 2 ** this.peer.ackDelayExponent / 1000;
    if (!this.recovery.onAck(ranges, ackDelay, this.now)) {
      throw new ProtocolError(
        `Receive ACK: packet ${largest} was never sent, next is ${this.nextPacketNumber}`,
        ErrorCode.PROTOCOL_VIOLATION,
      );
    }
  }

  /** See {@linkcode FrameHandler}. */
  onStream(id: number, offset: number, data: Uint8Array, fin: boolean): void {
    if (!this.streams.onStreamFrame(id, offset, data, fin, data.length < this.#copyBelow)) {
      this.#packetRefused = true;
    }
  }

  /** See {@linkcode FrameHandler}. */
  onResetStream(id: number, code: number, finalSize: number): void {
    this.streams.onResetStream(id, code, finalSize);
  }

  /** See {@linkcode FrameHandler}. */
  onStopSending(id: number, code: number): void {
    this.streams.onStopSending(id, code);
  }

  /** See {@linkcode FrameHandler}. */
  onMaxData(maximum: number): void {
    this.streams.onMaxData(maximum);
  }

  /** See {@linkcode FrameHandler}. */
  onMaxStreamData(id: number, maximum: number): void {
    this.streams.onMaxStreamData(id, maximum);
  }

  /** See {@linkcode FrameHandler}. */
  onMaxStreams(maximum: number): void {
    this.streams.onMaxStreams(maximum);
  }

  /** See {@linkcode FrameHandler}. Credit follows what is read; a blocked peer needs no other answer. */
  onBlocked(): void {}

  /** See {@linkcode FrameHandler}. */
  onPathChallenge(data: Uint8Array): void {
    this.events.onPathChallenge(data);
  }

  /** See {@linkcode FrameHandler}. */
  onPathResponse(data: Uint8Array): void {
    this.events.onPathResponse(data);
  }

  /** See {@linkcode FrameHandler}. */
  onConnectionClose(code: number, reason: string): void {
    if (!this.isOpen) return;
    this.#closing.drain({ code: ErrorCode.NO_ERROR, reason: "" }, this.now, this.probeTimeout);
    this.#end(endByPeer(code, reason));
  }

  /** See {@linkcode FrameHandler}. */
  onDatagram(data: Uint8Array): void {
    if (this.isOpen) this.datagrams.receive(data, this.#copyBelow);
  }

  // --- recovery's answers ---

  /** See `RecoveryHandler`. */
  onPacketAcked(packet: SentPacket): void {
    this.mtu.onPacketAcked(packet.size, packet.sentAt);
    for (const frame of packet.frames) {
      if (frame.kind === "ack") this.#acks.onAckAcked(frame.largest);
      else if (frame.kind === "size_probe") {
        this.mtu.onAcked(frame.size);
        this.recovery.onDatagramSize(this.mtu.size);
      } else this.streams.onFrameAcked(frame);
    }
  }

  /** See `RecoveryHandler`. */
  onPacketLost(packet: SentPacket): void {
    const { recovery, mtu } = this;
    const shrinks = !packet.sizeProbe && mtu.onPacketLost(packet.size, packet.sentAt, recovery.rtt.smoothed);
    if (shrinks) recovery.onDatagramSize(mtu.size);
    for (const frame of packet.frames) {
      if (frame.kind === "size_probe") mtu.onLost(this.now);
      else this.streams.onFrameLost(frame);
    }
  }

  // --- inside ---

  get #idleDeadline(): number {
    return this.liveness.idleDeadline(this.probeTimeout);
  }

  get #keepAliveDeadline(): number {
    const isWanted = (this.options.keepAlive && !this.liveness.isFading) || this.streams.size > 0;
    return isWanted ? this.liveness.keepAliveDeadline(this.probeTimeout) : Infinity;
  }

  /** Whether congestion window and pacing let a full packet go now. */
  #maySend(now: number): boolean {
    if (this.#gate.isOpen(now)) return true;
    const waiting = this.streams.hasPending || this.datagrams.hasPending || this.#pingPending;
    if (!waiting) this.#gate.deadline = Infinity;
    return false;
  }

  #writeAck(out: Uint8Array, frames: SentFrame[], now: number): number {
    const end = this.#acks.write(out, 0, now);
    if (end > 0) frames.push({ kind: "ack", largest: this.#acks.ranges[1] });
    return end;
  }

  /** RFC 9002 §6.2.4: a probe carries what is oldest, so that it repairs what it finds. */
  #requeueOldest(): void {
    if (this.streams.hasPending) return;
    for (const frame of this.recovery.oldestInFlight()?.frames ?? []) {
      if (frame.kind !== "size_probe") this.streams.onFrameLost(frame);
    }
  }

  #onSent(length: number, elicits: boolean, frames: SentFrame[], now: number): void {
    const size = length + PACKET_OVERHEAD;
    const sizeProbe = size > this.mtu.size;
    if (sizeProbe) {
      frames.push({ kind: "size_probe", size });
      this.mtu.onSent();
    }
    this.recovery.onSent({
      packetNumber: this.nextPacketNumber++,
      sentAt: now,
      size,
      ackEliciting: elicits,
      sizeProbe,
      frames,
      previous: -1,
    });
    if (!elicits) return;
    if (this.recovery.probesDue > 0) this.recovery.probesDue--;
    this.#gate.onSent(size);
    this.liveness.onElicited(now);
  }

  #pollClose(out: Uint8Array, now: number): number {
    // An answer to a close is known by its first byte.
    const isAnswer = this.#closing.phase === "draining";
    const said = this.#closing.take(now);
    if (said === undefined) return 0;
    this.nextPacketNumber++;
    // The peer learns what arrived before it learns that nothing more will: its last writes end well.
    const at = this.#acks.pending && !isAnswer ? this.#writeAck(out, [], now) : 0;
    return writeConnectionClose(out, at, said.code, said.reason);
  }

  #end(end: SessionEnd): void {
    this.streams.close(end.error);
    this.datagrams.close(end.error);
    this.events.onEnd(end);
  }
}
