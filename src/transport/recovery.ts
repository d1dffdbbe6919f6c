/**
 * Loss detection of RFC 9002 §6 for the one packet number space of a session: which packets are in flight, which are
 * lost, and when to probe. It owns the round-trip estimate, the congestion controller and the pacer's input.
 *
 * @module
 */

import {
  MAX_ACK_DELAY,
  MAX_PACKET_THRESHOLD,
  MAX_TIME_THRESHOLD,
  PACKET_THRESHOLD,
  PERSISTENT_CONGESTION_THRESHOLD,
  REMEMBERED_LOSS_TIMEOUTS,
  SHORT_PATH_RTT,
  TIME_THRESHOLD,
  TIMER_GRANULARITY,
} from "./config.ts";
import type { CongestionController } from "./congestion.ts";
import { RttEstimator } from "./rtt.ts";
import { type AckVisitor, type SentPacket, SentPackets } from "./sent_packets.ts";

export type { SentPacket } from "./sent_packets.ts";

/** Told what became of packets. */
export interface RecoveryHandler {
  /** The packet arrived; perhaps it was judged lost before. */
  onPacketAcked(packet: SentPacket): void;
  /** The packet is judged lost: what it carried is to be sent again. */
  onPacketLost(packet: SentPacket): void;
}

/** Loss detection and congestion state of one session. */
export class Recovery implements AckVisitor {
  /** Round-trip estimate of the path. */
  readonly rtt: RttEstimator;
  /** Bytes sent on this path and neither acknowledged nor lost. */
  bytesInFlight = 0;
  /** Consecutive probe time-outs without an answer. */
  ptoCount = 0;
  /** Probe packets that are to be sent now, whatever the window. */
  probesDue = 0;
  /** A packet may be sent beyond the window: the first repair of a loss goes at once (RFC 9002 §7.3.2). */
  repairDue = false;
  /** The application had less to send than the window allowed: the window proves nothing and does not grow. */
  appLimited = false;
  /** Packets judged lost, for metrics. */
  lostPackets = 0;
  /** Packets judged lost that arrived after all, for metrics. */
  spuriousLosses = 0;
  /** Longest time that the peer holds back an ACK. */
  peerMaxAckDelay: number = MAX_ACK_DELAY;
  /** Bytes that the peer's socket queues. */
  peerReceiveBuffer: number = Infinity;
  /** Where the probe time-out stops growing, unless a single one is longer. */
  longestProbeTimeout: number = Infinity;

  readonly #sent = new SentPackets();
  readonly #handler: RecoveryHandler;
  #lossTime = Infinity;
  #lastElicitingAt = 0;
  #elicitingInFlight = 0;
  #firstSampleAt = Infinity;
  #datagramSize: number;
  #packetThreshold: number = PACKET_THRESHOLD;
  #timeThreshold: number = TIME_THRESHOLD;
  /** Packets with lower numbers went another path: nothing that becomes of them tells of this one. */
  #pathStart = 0;
  /** First packet whose loss belongs to the controller's last reaction ... */
  #reactionStart = 0;
  /** ... and how many such are still missing. */
  #missing = 0;
  /** What the ACK that is being processed has settled. */
  #ackedAny = false;
  #ackedBytes = 0;
  #ackedNewest: SentPacket | undefined;
  #ackedEliciting = false;

  /** @param congestion the controller. @param initialRtt before a sample. @param handler is told of packets. */
  constructor(
    readonly congestion: CongestionController,
    initialRtt: number,
    datagramSize: number,
    handler: RecoveryHandler,
  ) {
    this.rtt = new RttEstimator(initialRtt);
    this.#datagramSize = datagramSize;
    this.#handler = handler;
  }

  /** Whether nothing but the peer's socket can hold what is in flight. */
  get isShortPath(): boolean {
    return this.rtt.sampled && this.rtt.min <= SHORT_PATH_RTT;
  }

  /** Bytes that may be in flight: the congestion window, on a short path at most what the peer's socket queues. */
  get window(): number {
    if (!this.isShortPath) return this.congestion.window;
    return Math.min(this.congestion.window, shortPathWindow(this.peerReceiveBuffer, this.#datagramSize));
  }

  /** Highest packet number that the peer has acknowledged. */
  get largestAcked(): number {
    return this.#sent.largestAcked;
  }

  /** Packets whose fate is open. */
  get heldPackets(): number {
    return this.#sent.size;
  }

  /** By how many numbers a packet is to be overtaken before it is judged lost. */
  get packetThreshold(): number {
    return this.#packetThreshold;
  }

  /** The size of full packets changed. */
  onDatagramSize(size: number): void {
    this.#datagramSize = size;
    this.congestion.onDatagramSize(size);
  }

  /**
   * Packets take another path from now on: round-trip time and congestion state begin afresh (RFC 9000 §9.4). What
   * is in flight is still settled, but tells nothing of the new path.
   */
  onPathChange(initialRtt: number, datagramSize: number): void {
    this.rtt.reset(initialRtt);
    this.#datagramSize = datagramSize;
    this.congestion.onPathChange(datagramSize);
    this.#pathStart = this.#reactionStart = this.#sent.newest + 1;
    this.bytesInFlight = this.#missing = this.ptoCount = 0;
    this.#firstSampleAt = Infinity;
    this.#packetThreshold = PACKET_THRESHOLD;
    this.#timeThreshold = TIME_THRESHOLD;
  }

  /** A round trip was measured otherwise than by an ACK: it counts as the first sample. */
  onRoundTrip(sample: number, now: number): void {
    if (this.rtt.sampled) return;
    this.#firstSampleAt = now;
    this.rtt.update(sample, 0);
  }

  /** Notes a packet as sent. Packet numbers rise. */
  onSent(packet: SentPacket): void {
    this.#sent.push(packet);
    if (!packet.ackEliciting) return;
    this.#lastElicitingAt = packet.sentAt;
    this.#elicitingInFlight++;
    this.repairDue = false;
    this.bytesInFlight += packet.size;
  }

  /**
   * Takes an ACK: `ranges` as pairs smallest, largest, highest first; `ackDelay` in milliseconds. Returns false when
   * it acknowledges a packet never sent, which is a protocol violation.
   */
  onAck(ranges: readonly number[], ackDelay: number, now: number): boolean {
    if (ranges[1] > this.#sent.newest) return false;
    const windowLimited = !this.appLimited && 2 * this.bytesInFlight >= this.congestion.window;
    this.#ackedAny = this.#ackedEliciting = false;
    this.#ackedBytes = 0;
    this.#ackedNewest = undefined;
    this.#sent.forgetLosses(now - REMEMBERED_LOSS_TIMEOUTS * this.rtt.pto(this.peerMaxAckDelay));
    this.#sent.acknowledge(ranges, this);
    if (!this.#ackedAny) return true;
    const newest = this.#ackedNewest as SentPacket | undefined;
    if (
      newest?.packetNumber === ranges[1] && this.#ackedEliciting && newest.packetNumber >= this.#pathStart
    ) {
      if (!this.rtt.sampled) this.#firstSampleAt = now;
      this.rtt.update(now - newest.sentAt, Math.min(ackDelay, this.peerMaxAckDelay));
      this.congestion.onRttSample(now, newest.sentAt, this.rtt.latest);
    }
    this.#detectLost(now);
    this.ptoCount = this.probesDue = 0;
    if (this.#ackedBytes > 0) {
      this.congestion.onAcked(now, newest!.sentAt, this.#ackedBytes, this.rtt.smoothed, windowLimited);
    }
    return true;
  }

  /** When {@linkcode Recovery.onTimeout} is due, RFC 9002 §6.2; `Infinity` while nothing is in flight. */
  get deadline(): number {
    if (this.#lossTime !== Infinity) return this.#lossTime;
    if (this.#elicitingInFlight === 0) return Infinity;
    const pto = this.rtt.pto(this.peerMaxAckDelay);
    return this.#lastElicitingAt +
      Math.min(pto * 2 ** this.ptoCount, Math.max(pto, this.longestProbeTimeout));
  }

  /** The deadline passed: declares losses, or asks for probes (RFC 9002 §6.2.4). */
  onTimeout(now: number): void {
    if (this.#lossTime !== Infinity) return this.#detectLost(now);
    this.ptoCount++;
    this.probesDue = 2;
  }

  /** The oldest packet in flight that carried something, for a probe to repeat. */
  oldestInFlight(): SentPacket | undefined {
    return this.#sent.oldestWithFrames();
  }

  /** See {@linkcode AckVisitor}. */
  onAcked(packet: SentPacket): void {
    this.#ackedAny = true;
    this.#ackedNewest = packet;
    if (packet.ackEliciting) {
      this.#ackedEliciting = true;
      this.#leave(packet);
      if (packet.packetNumber >= this.#pathStart) this.#ackedBytes += packet.size;
    }
    this.#handler.onPacketAcked(packet);
  }

  /** See {@linkcode AckVisitor}. A loss that was none (RFC 9002 §7.3.2 leaves the answer open). */
  onLateAck(packet: SentPacket): void {
    this.#ackedAny = true;
    this.spuriousLosses++;
    if (packet.packetNumber >= this.#pathStart) this.#tolerate(packet);
    if (packet.packetNumber >= this.#reactionStart && --this.#missing === 0) this.congestion.onSpuriousLoss();
    this.#handler.onPacketAcked(packet);
  }

  /** The path reorders: packets are given as long as this one took (RFC 9002 §6.1.1). */
  #tolerate({ packetNumber }: SentPacket): void {
    const behind = this.#sent.largestAcked - packetNumber;
    if (behind >= this.#packetThreshold) {
      this.#packetThreshold = Math.min(behind + 1, MAX_PACKET_THRESHOLD);
    } else {
      this.#timeThreshold = Math.min(this.#timeThreshold + (TIME_THRESHOLD - 1), MAX_TIME_THRESHOLD);
    }
  }

  #leave(packet: SentPacket): void {
    this.#elicitingInFlight--;
    if (packet.packetNumber >= this.#pathStart) this.bytesInFlight -= packet.size;
  }

  /** RFC 9002 §6.1: packets that are late by number or by time. Of gaps in order the first are the late ones. */
  #detectLost(now: number): void {
    this.#lossTime = Infinity;
    const { gaps, largestAcked } = this.#sent;
    if (gaps.length === 0) return;
    const { latest, smoothed } = this.rtt;
    const delay = Math.max(this.#timeThreshold * Math.max(latest, smoothed), TIMER_GRANULARITY);
    let late = 0;
    for (; late < gaps.length; late++) {
      const { packetNumber, sentAt } = gaps[late];
      if (packetNumber <= largestAcked - this.#packetThreshold) continue;
      // The same sum as the timer's: rounding must not make it come too early for ever.
      if (sentAt + delay > now) {
        this.#lossTime = sentAt + delay;
        break;
      }
    }
    if (late > 0) this.#onLost(this.#sent.lose(late), now);
  }

  #onLost(lost: readonly SentPacket[], now: number): void {
    let congested = 0;
    let newest: SentPacket | undefined;
    for (const packet of lost) {
      if (packet.ackEliciting) this.#leave(packet);
      if (!packet.ackEliciting || packet.sizeProbe) continue;
      this.lostPackets++;
      if (packet.packetNumber < this.#pathStart) continue;
      congested++;
      newest = packet;
    }
    if (newest !== undefined) {
      if (this.congestion.onLost(now, newest.sentAt)) {
        this.#reactionStart = Math.max(lost[0].packetNumber, this.#pathStart);
        this.#missing = 0;
        this.repairDue = true;
      }
      this.#missing += congested;
      if (this.#isPersistent(lost)) this.congestion.onPersistentCongestion();
    }
    for (const packet of lost) this.#handler.onPacketLost(packet);
  }

  /** RFC 9002 §7.6: losses in a row, with nothing acknowledged in between, over three probe time-outs. */
  #isPersistent(lost: readonly SentPacket[]): boolean {
    const duration = PERSISTENT_CONGESTION_THRESHOLD * this.rtt.pto(this.peerMaxAckDelay);
    let since: number | undefined;
    let before = -1;
    for (const packet of lost) {
      if (packet.previous !== before) since = undefined;
      before = packet.packetNumber;
      if (!packet.ackEliciting || packet.sizeProbe) continue;
      if (packet.sentAt > this.#firstSampleAt && packet.packetNumber >= this.#pathStart) {
        since ??= packet.sentAt;
      }
      if (since !== undefined && packet.sentAt - since > duration) return true;
    }
    return false;
  }
}

/**
 * Bytes that the socket of a peer that tells of `receiveBuffer` queues in datagrams of `size`. What it tells holds for
 * small ones; large ones have less overhead, and a third of them keeps both sides at work: one is processed, one waits,
 * one is on its way.
 */
function shortPathWindow(receiveBuffer: number, size: number): number {
  return Math.max(receiveBuffer, 2 * size, Math.min(3 * size, 1.5 * receiveBuffer));
}
