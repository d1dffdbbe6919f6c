/**
 * Loss detection of RFC 9002 §6 for the one packet number space of a session: which packets are in flight, which are
 * lost, and when to probe. It owns the round-trip estimate, the congestion controller and the pacer's input.
 *
 * @module
 */

import {
  MAX_ACK_DELAY,
  PACKET_THRESHOLD,
  PERSISTENT_CONGESTION_THRESHOLD,
  SHORT_PATH_RTT,
  TIME_THRESHOLD,
  TIMER_GRANULARITY,
} from "./config.ts";
import type { CongestionController } from "./congestion.ts";
import { RttEstimator } from "./rtt.ts";
import type { SentFrame } from "./sent_frame.ts";

/** A packet that was sent and not yet acknowledged or lost. */
export interface SentPacket {
  /** Its packet number. */
  readonly packetNumber: number;
  /** When it was sent. */
  readonly sentAt: number;
  /** Its datagram's size. */
  readonly size: number;
  /** Whether it asks for an ACK and counts as in flight; ACK-only packets do neither. */
  readonly ackEliciting: boolean;
  /** Whether it probes the path's size: its loss is no congestion (RFC 8899 §3). */
  readonly sizeProbe: boolean;
  /** What it carried that may have to be sent again. */
  readonly frames: readonly SentFrame[];
}

/** Told what became of packets. */
export interface RecoveryHandler {
  /** The packet arrived. */
  onPacketAcked(packet: SentPacket): void;
  /** The packet is lost: what it carried is to be sent again. */
  onPacketLost(packet: SentPacket): void;
}

/** Loss detection and congestion state of one session. */
export class Recovery {
  /** Round-trip estimate of the path. */
  readonly rtt: RttEstimator;
  /** Bytes sent and neither acknowledged nor lost. */
  bytesInFlight = 0;
  /** Consecutive probe time-outs without an answer. */
  ptoCount = 0;
  /** Probe packets that are to be sent now, whatever the window. */
  probesDue = 0;
  /** Highest packet number that the peer has acknowledged. */
  largestAcked = -1;
  /** The application had less to send than the window allowed: the window proves nothing and does not grow. */
  appLimited = false;
  /** Packets judged lost, for metrics. */
  lostPackets = 0;
  /** Longest time that the peer holds back an ACK. */
  peerMaxAckDelay = MAX_ACK_DELAY;
  /** Bytes that the peer's socket queues. */
  peerReceiveBuffer = Infinity;

  /** Packets in order of number; entries are emptied as they are settled. */
  #sent: (SentPacket | undefined)[] = [];
  /** Packet number of the first entry. */
  #first = 0;
  #lossTime = Infinity;
  #lastElicitingAt = 0;
  #firstSampleAt = Infinity;
  #datagramSize: number;

  /** @param congestion the controller. @param initialRtt before a sample. */
  constructor(readonly congestion: CongestionController, initialRtt: number, datagramSize: number) {
    this.rtt = new RttEstimator(initialRtt);
    this.#datagramSize = datagramSize;
  }

  /** Bytes that may be in flight: the congestion window, on a short path at most what the peer's socket queues. */
  get window(): number {
    if (!this.rtt.sampled || this.rtt.min > SHORT_PATH_RTT) return this.congestion.window;
    return Math.min(this.congestion.window, Math.max(this.peerReceiveBuffer, 2 * this.#datagramSize));
  }

  /** The size of full packets changed. */
  onDatagramSize(size: number): void {
    this.#datagramSize = size;
    this.congestion.onDatagramSize(size);
  }

  /** Notes a packet as sent. Packet numbers come without gaps. */
  onSent(packet: SentPacket): void {
    if (this.#sent.length === 0) this.#first = packet.packetNumber;
    this.#sent.push(packet);
    if (!packet.ackEliciting) return;
    this.#lastElicitingAt = packet.sentAt;
    this.bytesInFlight += packet.size;
  }

  /**
   * Takes an ACK: `ranges` as pairs smallest, largest, highest first; `ackDelay` in milliseconds. Returns false when
   * it acknowledges a packet never sent, which is a protocol violation.
   */
  onAck(ranges: readonly number[], ackDelay: number, now: number, handler: RecoveryHandler): boolean {
    const next = this.#first + this.#sent.length;
    if (ranges[1] >= next && ranges[1] > this.largestAcked) return false;
    const windowLimited = !this.appLimited && 2 * this.bytesInFlight >= this.congestion.window;
    let newest: SentPacket | undefined;
    let elicited = false;
    const acked: SentPacket[] = [];
    for (let i = 0; i < ranges.length; i += 2) {
      const low = Math.max(ranges[i], this.#first);
      for (let n = Math.min(ranges[i + 1], next - 1); n >= low; n--) {
        const packet = this.#sent[n - this.#first];
        if (packet === undefined) continue;
        this.#sent[n - this.#first] = undefined;
        newest ??= packet;
        elicited ||= packet.ackEliciting;
        if (packet.ackEliciting) this.bytesInFlight -= packet.size;
        acked.push(packet);
      }
    }
    this.largestAcked = Math.max(this.largestAcked, ranges[1]);
    if (newest === undefined) return true;
    if (newest.packetNumber === ranges[1] && elicited) {
      if (!this.rtt.sampled) this.#firstSampleAt = now;
      this.rtt.update(now - newest.sentAt, Math.min(ackDelay, this.peerMaxAckDelay));
    }
    this.#detectLost(now, handler);
    for (const packet of acked) {
      if (packet.ackEliciting) {
        this.congestion.onAcked(now, packet.sentAt, packet.size, this.rtt.smoothed, windowLimited);
      }
      handler.onPacketAcked(packet);
    }
    this.ptoCount = 0;
    this.#trim();
    return true;
  }

  /** When {@linkcode Recovery.onTimeout} is due, RFC 9002 §6.2; `Infinity` while nothing is in flight. */
  get deadline(): number {
    if (this.#lossTime !== Infinity) return this.#lossTime;
    if (this.bytesInFlight === 0) return Infinity;
    return this.#lastElicitingAt + this.rtt.pto(this.peerMaxAckDelay) * 2 ** this.ptoCount;
  }

  /** The deadline passed: declares losses, or asks for probes (RFC 9002 §6.2.4). */
  onTimeout(now: number, handler: RecoveryHandler): void {
    if (this.#lossTime !== Infinity) {
      this.#detectLost(now, handler);
      this.#trim();
      return;
    }
    this.ptoCount++;
    this.probesDue = 2;
  }

  /** The oldest packet in flight that carried something, for a probe to repeat. */
  oldestInFlight(): SentPacket | undefined {
    return this.#sent.find((packet) => packet?.ackEliciting === true && packet.frames.length > 0);
  }

  /** RFC 9002 §6.1: packets that are late by number or by time. */
  #detectLost(now: number, handler: RecoveryHandler): void {
    this.#lossTime = Infinity;
    const delay = Math.max(
      TIME_THRESHOLD * Math.max(this.rtt.latest, this.rtt.smoothed),
      TIMER_GRANULARITY,
    );
    const lost: SentPacket[] = [];
    const end = Math.min(this.largestAcked, this.#first + this.#sent.length - 1);
    for (let n = this.#first; n <= end; n++) {
      const packet = this.#sent[n - this.#first];
      if (packet === undefined) continue;
      if (n <= this.largestAcked - PACKET_THRESHOLD || packet.sentAt <= now - delay) {
        this.#sent[n - this.#first] = undefined;
        if (packet.ackEliciting) this.bytesInFlight -= packet.size;
        lost.push(packet);
      } else {
        this.#lossTime = Math.min(this.#lossTime, packet.sentAt + delay);
      }
    }
    if (lost.length > 0) this.#onLost(lost, now, handler);
  }

  #onLost(lost: readonly SentPacket[], now: number, handler: RecoveryHandler): void {
    const congested = lost.filter((packet) => packet.ackEliciting && !packet.sizeProbe);
    this.lostPackets += congested.length;
    if (congested.length > 0) {
      this.congestion.onLost(now, congested[congested.length - 1].sentAt);
      if (this.#isPersistent(congested)) this.congestion.onPersistentCongestion();
    }
    for (const packet of lost) handler.onPacketLost(packet);
  }

  /** RFC 9002 §7.6: losses without a gap over more than three probe time-outs. */
  #isPersistent(lost: readonly SentPacket[]): boolean {
    const first = lost[0];
    const last = lost[lost.length - 1];
    const duration = this.rtt.pto(this.peerMaxAckDelay) * PERSISTENT_CONGESTION_THRESHOLD;
    return first.sentAt > this.#firstSampleAt && last.sentAt - first.sentAt > duration &&
      last.packetNumber - first.packetNumber === lost.length - 1;
  }

  #trim(): void {
    let settled = 0;
    while (settled < this.#sent.length && this.#sent[settled] === undefined) settled++;
    if (settled === 0) return;
    this.#sent.splice(0, settled);
    this.#first += settled;
  }
}
