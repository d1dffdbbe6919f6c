/**
 * A packet-level model of a bulk TCP sender and receiver, to compare with on the same links. Assumptions, each in
 * TCP's favour where it could go either way:
 *
 * - every packet is full, carries its whole length as payload and needs no retransmission of headers or handshake;
 * - the receiver acknowledges every second packet, at once out of order, a lone one after 40 ms, and tells in each
 *   acknowledgement everything that it has (SACK without a limit);
 * - a packet is lost once three later ones have arrived (RFC 6675); a lost retransmission needs the time-out
 *   (RFC 6298, at least 200 ms over the round trip as Linux has it, doubled each time), after which slow start begins with one packet;
 * - slow start goes on until the first loss; the window grows by packets, not by acknowledgements;
 * - Reno halves its window (RFC 5681); CUBIC is RFC 9438 with fast convergence and its Reno-friendly region;
 * - there is no pacing, no RACK, no tail loss probe, no flow control.
 *
 * @module
 */

import type { VirtualClock } from "./clock.ts";
import { PACKET } from "./flows.ts";
import type { Link } from "./link.ts";

/** Congestion control of the model. */
export type TcpKind = "reno" | "cubic";

/** Bytes of a packet with nothing but an acknowledgement. */
const ACK_SIZE = 52;
const DELAYED_ACK = 40;
const INITIAL_WINDOW = 10;
/** As Linux has it: the time-out is at least so much longer than the round trip. */
const MIN_RTO = 200;
const DUPLICATES = 3;
const C = 0.4;

type Fate = "in_flight" | "lost" | "acked";

interface Segment {
  fate: Fate;
  sentAt: number;
  resent: boolean;
}

/** One bulk transfer. */
export class TcpModel {
  /** Bytes that arrived in order. */
  received = 0;
  /** Packets that may be in flight. */
  window = INITIAL_WINDOW;
  /** Time-outs, to tell what held the transfer up. */
  timeouts = 0;

  // The sender. What is acknowledged below #base is forgotten.
  readonly #segments = new Map<number, Segment>();
  readonly #resend: number[] = [];
  /** The three highest numbers acknowledged, ascending. */
  readonly #highest = [-1, -1, -1];
  #base = 0;
  #next = 0;
  #inFlight = 0;
  #scanned = 0;
  #threshold = Infinity;
  #recoverUntil = -1;
  #smoothed = 0;
  #variance = 0;
  #rto = 1_000;
  #rtoAt = Infinity;
  #rtoScheduled = Infinity;
  // CUBIC.
  #maximum = 0;
  #prior = 0;
  #estimate = 0;
  #k = 0;
  #epoch: number | undefined;
  // The receiver.
  readonly #early = new Set<number>();
  readonly #arrivals: number[] = [];
  #expected = 0;
  #unacked = 0;
  #ackAt = Infinity;
  #told = 0;

  constructor(
    readonly clock: VirtualClock,
    readonly links: readonly [Link, Link],
    readonly kind: TcpKind,
  ) {
    clock.schedule(clock.now, () => this.#send());
  }

  // --- receiver ---

  #onPacket(number: number): void {
    const inOrder = number === this.#expected && this.#early.size === 0;
    if (number >= this.#expected && !this.#early.has(number)) {
      this.#arrivals.push(number);
      this.#early.add(number);
      while (this.#early.delete(this.#expected)) {
        this.#expected++;
        this.received += PACKET;
      }
    }
    if (!inOrder || ++this.#unacked >= 2) return this.#acknowledge();
    const at = this.#ackAt = this.clock.now + DELAYED_ACK;
    this.clock.schedule(at, () => {
      if (this.#ackAt === at) this.#acknowledge();
    });
  }

  #acknowledge(): void {
    this.#unacked = 0;
    this.#ackAt = Infinity;
    const upTo = this.#told + this.#arrivals.length;
    for (const { at } of this.links[1].send(new Uint8Array(ACK_SIZE), this.clock.now)) {
      this.clock.schedule(at, () => this.#onAck(upTo));
    }
  }

  // --- sender ---

  /** Everything that had arrived when the acknowledgement left, the first `upTo` arrivals, is acknowledged. */
  #onAck(upTo: number): void {
    const news = this.#arrivals.splice(0, Math.max(0, upTo - this.#told));
    this.#told += news.length;
    let acked = 0;
    for (const number of news) {
      const segment = this.#segments.get(number);
      if (segment === undefined || segment.fate === "acked") continue;
      if (segment.fate === "in_flight") this.#inFlight--;
      if (!segment.resent) this.#measure(this.clock.now - segment.sentAt);
      segment.fate = "acked";
      acked++;
      this.#noteHighest(number);
    }
    if (acked === 0) return;
    const base = this.#base;
    while (this.#segments.get(this.#base)?.fate === "acked") this.#segments.delete(this.#base++);
    this.#detectLost();
    if (this.#base > this.#recoverUntil) this.#grow(acked);
    // RFC 6298 §5.3: only the oldest packet's arrival starts the timer anew.
    if (this.#base > base) this.#armTimer();
    this.#send();
  }

  #noteHighest(number: number): void {
    const highest = this.#highest;
    if (number <= highest[0]) return;
    highest[0] = number;
    highest.sort((a, b) => a - b);
  }

  /** RFC 6675: lost is what three later packets have overtaken. */
  #detectLost(): void {
    const until = this.#highest[3 - DUPLICATES];
    for (this.#scanned = Math.max(this.#scanned, this.#base); this.#scanned < until; this.#scanned++) {
      const segment = this.#segments.get(this.#scanned)!;
      if (segment.fate !== "in_flight" || segment.resent) continue;
      this.#lose(this.#scanned, segment);
      if (this.#scanned > this.#recoverUntil) this.#reduce();
    }
  }

  #lose(number: number, segment: Segment): void {
    segment.fate = "lost";
    this.#inFlight--;
    this.#resend.push(number);
  }

  #reduce(): void {
    this.#recoverUntil = this.#next - 1;
    this.#prior = this.window;
    const beta = this.kind === "reno" ? 0.5 : 0.7;
    this.#maximum = this.window < this.#maximum ? this.window * (1 + beta) / 2 : this.window;
    this.window = this.#threshold = Math.max(2, this.window * beta);
    this.#epoch = undefined;
  }

  #grow(acked: number): void {
    if (this.window < this.#threshold) this.window += acked;
    else if (this.kind === "reno") this.window += acked / this.window;
    else this.#growCubic(acked);
  }

  #growCubic(acked: number): void {
    const { now } = this.clock;
    if (this.#epoch === undefined) {
      this.#epoch = now;
      this.#estimate = this.window;
      if (this.window >= this.#maximum) this.#maximum = this.window;
      this.#k = Math.cbrt((this.#maximum - this.window) / C);
    }
    const t = (now - this.#epoch + this.#smoothed) / 1000 - this.#k;
    const target = Math.min(Math.max(C * t ** 3 + this.#maximum, this.window), 1.5 * this.window);
    this.#estimate += (this.#estimate < this.#prior ? 9 / 17 : 1) * acked / this.window;
    this.window = Math.max(this.window + (target - this.window) * acked / this.window, this.#estimate);
  }

  #measure(rtt: number): void {
    if (this.#smoothed === 0) {
      this.#smoothed = rtt;
      this.#variance = rtt / 2;
    } else {
      this.#variance += (Math.abs(this.#smoothed - rtt) - this.#variance) / 4;
      this.#smoothed += (rtt - this.#smoothed) / 8;
    }
    this.#rto = this.#smoothed + Math.max(MIN_RTO, 4 * this.#variance);
  }

  #armTimer(): void {
    this.#rtoAt = this.#base === this.#next ? Infinity : this.clock.now + this.#rto;
    if (this.#rtoScheduled <= this.#rtoAt) return;
    this.#scheduleTimer();
  }

  #scheduleTimer(): void {
    const at = this.#rtoScheduled = this.#rtoAt;
    this.clock.schedule(at, () => {
      if (this.#rtoScheduled !== at) return;
      this.#rtoScheduled = Infinity;
      if (this.#rtoAt <= this.clock.now) this.#onTimeout();
      else this.#scheduleTimer();
    });
  }

  #onTimeout(): void {
    this.timeouts++;
    this.#threshold = Math.max(2, this.window / 2);
    this.window = 1;
    this.#epoch = undefined;
    this.#recoverUntil = -1;
    this.#resend.length = 0;
    for (const [number, segment] of this.#segments) {
      if (segment.fate === "acked") continue;
      segment.fate = "lost";
      this.#resend.push(number);
    }
    this.#inFlight = 0;
    this.#rto *= 2;
    this.#send();
    this.#armTimer();
  }

  #send(): void {
    while (this.#inFlight + 1 <= this.window) {
      let number = this.#resend.shift();
      while (number !== undefined && this.#segments.get(number)?.fate !== "lost") {
        number = this.#resend.shift();
      }
      const resent = number !== undefined;
      number ??= this.#next++;
      this.#segments.set(number, { fate: "in_flight", sentAt: this.clock.now, resent });
      this.#inFlight++;
      const sent = number;
      for (const { at } of this.links[0].send(packet, this.clock.now)) {
        this.clock.schedule(at, () => this.#onPacket(sent));
      }
    }
    if (this.#rtoAt === Infinity) this.#armTimer();
  }
}

const packet = new Uint8Array(PACKET);
