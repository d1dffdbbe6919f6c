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
import { type SentPacket, SentPackets } from "./sent_packets.ts";

export type { SentPacket } from "./sent_packets.ts";

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
  peerMaxAckDelay: number = MAX_ACK_DELAY;
  /** Bytes that the peer's socket queues. */
  peerReceiveBuffer: number = Infinity;

  readonly #sent = new SentPackets();
  /** Number after the last packet sent. */
  #next = 0;
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

  /** Packets remembered. */
  get heldPackets(): number {
    return this.#sent.size;
  }

  /** The size of full packets changed. */
  onDatagramSize(size: number): void {
    this.#datagramSize = size;
    this.congestion.onDatagramSize(size);
  }

  /** Notes a packet as sent. Packet numbers rise. */
  onSent(packet: SentPacket): void {
    this.#next = packet.packetNumber + 1;
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
    if (ranges[1] >= this.#next) return false;
    this.largestAcked = Math.max(this.largestAcked, ranges[1]);
    const windowLimited = !this.appLimited && 2 * this.bytesInFlight >= this.congestion.window;
    const acked = this.#takeAcked(ranges);
    if (acked.length === 0) return true;
    if (acked[0].packetNumber === ranges[1] && acked.some((packet) => packet.ackEliciting)) {
      if (!this.rtt.sampled) this.#firstSampleAt = now;
      this.rtt.update(now - acked[0].sentAt, Math.min(ackDelay, this.peerMaxAckDelay));
    }
    this.#detectLost(now, handler);
    this.ptoCount = this.probesDue = 0;
    for (const packet of acked) {
      if (packet.ackEliciting) {
        this.congestion.onAcked(now, packet.sentAt, packet.size, this.rtt.smoothed, windowLimited);
      }
      handler.onPacketAcked(packet);
    }
    this.#sent.trim();
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
      this.#sent.trim();
      return;
    }
    this.ptoCount++;
    this.probesDue = 2;
  }

  /** The oldest packet in flight that carried something, for a probe to repeat. */
  oldestInFlight(): SentPacket | undefined {
    for (let i = 0; i < this.#sent.size; i++) {
      const packet = this.#sent.at(i);
      if (packet.fate === "in_flight" && packet.ackEliciting && packet.frames.length > 0) return packet;
    }
    return undefined;
  }

  /** Settles what an ACK names and was in flight; newest first. */
  #takeAcked(ranges: readonly number[]): SentPacket[] {
    const acked: SentPacket[] = [];
    for (let i = 0; i < ranges.length && this.#sent.size > 0; i += 2) {
      if (ranges[i + 1] < this.#sent.at(0).packetNumber) break;
      for (let at = this.#sent.endOf(ranges[i + 1]) - 1; at >= 0; at--) {
        const packet = this.#sent.at(at);
        if (packet.packetNumber < ranges[i]) break;
        if (packet.fate !== "in_flight") continue;
        packet.fate = "acked";
        if (packet.ackEliciting) this.bytesInFlight -= packet.size;
        acked.push(packet);
      }
    }
    return acked;
  }

  /** RFC 9002 §6.1: packets that are late by number or by time. */
  #detectLost(now: number, handler: RecoveryHandler): void {
    this.#lossTime = Infinity;
    const { latest, smoothed } = this.rtt;
    const delay = Math.max(TIME_THRESHOLD * Math.max(latest, smoothed), TIMER_GRANULARITY);
    const persistent = PERSISTENT_CONGESTION_THRESHOLD * this.rtt.pto(this.peerMaxAckDelay);
    const lost: SentPacket[] = [];
    /** When the first of the losses in a row was sent (RFC 9002 §7.6). */
    let since: number | undefined;
    let isPersistent = false;
    for (let i = 0; i < this.#sent.size; i++) {
      const packet = this.#sent.at(i);
      if (packet.packetNumber > this.largestAcked) break;
      if (packet.fate === "acked") since = undefined;
      if (packet.fate !== "in_flight") continue;
      const tooFarBehind = packet.packetNumber <= this.largestAcked - PACKET_THRESHOLD;
      // The same sum as the timer's: rounding must not make it come too early for ever.
      if (!tooFarBehind && packet.sentAt + delay > now) {
        this.#lossTime = Math.min(this.#lossTime, packet.sentAt + delay);
        since = undefined;
        continue;
      }
      packet.fate = "lost";
      if (packet.ackEliciting) this.bytesInFlight -= packet.size;
      lost.push(packet);
      if (!packet.ackEliciting || packet.sizeProbe) continue;
      if (packet.sentAt > this.#firstSampleAt) since ??= packet.sentAt;
      if (since !== undefined && packet.sentAt - since > persistent) isPersistent = true;
    }
    if (lost.length > 0) this.#onLost(lost, isPersistent, now, handler);
  }

  #onLost(
    lost: readonly SentPacket[],
    isPersistent: boolean,
    now: number,
    handler: RecoveryHandler,
  ): void {
    const congested = lost.filter((packet) => packet.ackEliciting && !packet.sizeProbe);
    this.lostPackets += congested.length;
    if (congested.length > 0) {
      this.congestion.onLost(now, congested[congested.length - 1].sentAt);
      if (isPersistent) this.congestion.onPersistentCongestion();
    }
    for (const packet of lost) handler.onPacketLost(packet);
  }
}
