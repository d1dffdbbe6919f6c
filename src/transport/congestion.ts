/**
 * The congestion controller's interface and CUBIC (RFC 9438). Sizes are bytes, times milliseconds.
 *
 * @module
 */

import { INITIAL_WINDOW_PACKETS, MINIMUM_WINDOW_PACKETS } from "./config.ts";

/** What recovery tells a congestion controller, and the window that it answers with. */
export interface CongestionController {
  /** Bytes that may be in flight. */
  readonly window: number;
  /** Whether the window still grows by what is acknowledged. */
  readonly inSlowStart: boolean;
  /**
   * A packet was acknowledged. `windowLimited` is false when the sender had less to send than the window allowed:
   * then the window proves nothing and does not grow (RFC 9002 §7.8).
   */
  onAcked(now: number, sentAt: number, bytes: number, smoothedRtt: number, windowLimited: boolean): void;
  /** Packets were lost, the latest of them sent at `sentAt`. One reaction per round trip (RFC 9002 §7.3.2). */
  onLost(now: number, sentAt: number): void;
  /** Nothing came through for a persistent time (RFC 9002 §7.6). */
  onPersistentCongestion(): void;
  /** The packet size changed. */
  onDatagramSize(size: number): void;
}

/** RFC 9438 §4.6: multiplicative decrease factor. */
const BETA = 0.7;
/** RFC 9438 §4.1: aggressiveness, segments per second cubed. */
const C = 0.4;
/** RFC 9438 §4.3: additive increase that makes CUBIC as fast as Reno where Reno is the faster. */
const ALPHA = 3 * (1 - BETA) / (1 + BETA);

/** CUBIC, RFC 9438. */
export class Cubic implements CongestionController {
  /** Bytes that may be in flight. */
  window: number;
  #size: number;
  #threshold = Infinity;
  /** Losses of packets sent before this belong to a reaction that was made already. */
  #recoveryStart = -Infinity;
  #epochStart: number | undefined;
  #maximum = 0;
  #reno = 0;
  /** Seconds from the epoch's start until the window is at its former maximum. */
  #k = 0;

  /** @param datagramSize packet size to begin with. */
  constructor(datagramSize: number) {
    this.#size = datagramSize;
    this.window = INITIAL_WINDOW_PACKETS * datagramSize;
  }

  /** Whether the window still grows by what is acknowledged. */
  get inSlowStart(): boolean {
    return this.window < this.#threshold;
  }

  /** See {@linkcode CongestionController.onAcked}. */
  onAcked(now: number, sentAt: number, bytes: number, smoothedRtt: number, windowLimited: boolean): void {
    if (sentAt <= this.#recoveryStart || !windowLimited) return;
    if (this.inSlowStart) {
      this.window += bytes;
      return;
    }
    if (this.#epochStart === undefined) this.#beginEpoch(now);
    const t = (now - this.#epochStart!) / 1000 + smoothedRtt / 1000;
    const cubic = C * (t - this.#k) ** 3 * this.#size + this.#maximum;
    const target = Math.min(Math.max(cubic, this.window), 1.5 * this.window);
    this.#reno += (this.#reno < this.#maximum ? ALPHA : 1) * this.#size * bytes / this.window;
    this.window = Math.max(this.window + (target - this.window) * bytes / this.window, this.#reno);
  }

  /** See {@linkcode CongestionController.onLost}. */
  onLost(now: number, sentAt: number): void {
    if (sentAt <= this.#recoveryStart) return;
    this.#recoveryStart = now;
    // RFC 9438 §4.7, fast convergence: a flow that lost before its former maximum makes room for others.
    this.#maximum = this.window < this.#maximum ? this.window * (1 + BETA) / 2 : this.window;
    this.window = Math.max(this.window * BETA, this.#minimum);
    this.#threshold = this.window;
    this.#epochStart = undefined;
  }

  /** See {@linkcode CongestionController.onPersistentCongestion}. */
  onPersistentCongestion(): void {
    // The recovery period stays: what was sent before the outage and is acknowledged only now proves nothing.
    this.window = this.#minimum;
    this.#epochStart = undefined;
  }

  /** See {@linkcode CongestionController.onDatagramSize}. */
  onDatagramSize(size: number): void {
    this.#size = size;
    this.window = Math.max(this.window, this.#minimum);
  }

  get #minimum(): number {
    return MINIMUM_WINDOW_PACKETS * this.#size;
  }

  #beginEpoch(now: number): void {
    this.#epochStart = now;
    this.#reno = this.window;
    if (this.window < this.#maximum) {
      this.#k = Math.cbrt((this.#maximum - this.window) / this.#size / C);
    } else {
      this.#k = 0;
      this.#maximum = this.window;
    }
  }
}
