/**
 * The congestion controller's interface and CUBIC (RFC 9438) with HyStart++ (RFC 9406). Sizes are bytes, times
 * milliseconds.
 *
 * @module
 */

import { INITIAL_WINDOW_PACKETS, MINIMUM_WINDOW_PACKETS } from "./config.ts";
import { HyStart } from "./hystart.ts";

/** What recovery tells a congestion controller, and the window that it answers with. */
export interface CongestionController {
  /** Bytes that may be in flight. */
  readonly window: number;
  /** Whether the window still grows by what is acknowledged. */
  readonly inSlowStart: boolean;
  /** A round-trip time was measured on a packet that was sent at `sentAt`. */
  onRttSample(now: number, sentAt: number, rtt: number): void;
  /**
   * Packets of `bytes` in all were acknowledged, the latest of them sent at `sentAt`. `windowLimited` is false when
   * the sender had less to send than the window allowed: then the window proves nothing and does not grow
   * (RFC 9002 §7.8).
   */
  onAcked(now: number, sentAt: number, bytes: number, smoothedRtt: number, windowLimited: boolean): void;
  /** Packets were lost, the latest of them sent at `sentAt`. Whether this is a new reaction (RFC 9002 §7.3.2). */
  onLost(now: number, sentAt: number): boolean;
  /** Every packet whose loss led to the last reaction arrived after all: it is taken back. */
  onSpuriousLoss(): void;
  /** Nothing came through for a persistent time (RFC 9002 §7.6). */
  onPersistentCongestion(): void;
  /** The packet size changed. */
  onDatagramSize(size: number): void;
  /** Everything known is of another path (RFC 9000 §9.4): begins afresh. */
  onPathChange(size: number): void;
}

/** RFC 9438 §4.6: multiplicative decrease factor. */
const BETA = 0.7;
/** RFC 9438 §4.1: aggressiveness, segments per second cubed. */
const C = 0.4;
/** RFC 9438 §4.3: additive increase that makes CUBIC as fast as Reno where Reno is the faster. */
const ALPHA = 3 * (1 - BETA) / (1 + BETA);

/** What a reaction to loss changes. */
interface CubicState {
  window: number;
  threshold: number;
  recoveryStart: number;
  epochStart: number | undefined;
  maximum: number;
  prior: number;
  reno: number;
  k: number;
}

/** CUBIC, RFC 9438. */
export class Cubic implements CongestionController {
  /** Bytes that may be in flight. */
  window = 0;
  #size = 0;
  #threshold = Infinity;
  /** Losses of packets sent until then belong to a reaction that was made already. */
  #recoveryStart = -Infinity;
  #hystart = new HyStart();
  #epochStart: number | undefined;
  /** W_max: where the cubic curve has its plateau. */
  #maximum = 0;
  /** cwnd_prior: the window before the last reaction. */
  #prior = 0;
  /** W_est: the window that Reno would have. */
  #reno = 0;
  /** Seconds from the epoch's start until the window is at its former maximum. */
  #k = 0;
  #lastAckAt = 0;
  /** What was before the last reaction, for the case that it was none. */
  #before: CubicState | undefined;

  /** @param datagramSize packet size to begin with. */
  constructor(datagramSize: number) {
    this.onPathChange(datagramSize);
  }

  /** Whether the window still grows by what is acknowledged. */
  get inSlowStart(): boolean {
    return this.window < this.#threshold;
  }

  /** See {@linkcode CongestionController.onRttSample}. */
  onRttSample(now: number, sentAt: number, rtt: number): void {
    // RFC 9406 §4.3: only while there is no threshold yet.
    if (this.#threshold !== Infinity) return;
    this.#hystart.onSample(now, sentAt, rtt);
    if (this.#hystart.isOver) this.#threshold = this.window;
  }

  /** See {@linkcode CongestionController.onAcked}. */
  onAcked(now: number, sentAt: number, bytes: number, smoothedRtt: number, windowLimited: boolean): void {
    const idle = now - this.#lastAckAt;
    this.#lastAckAt = now;
    // What was sent before the last reaction proves nothing while the window still doubles.
    if (this.inSlowStart && sentAt <= this.#recoveryStart) return;
    if (!windowLimited) {
      // RFC 9438 §5.8: the curve stands still while the application limits the rate.
      if (this.#epochStart !== undefined) this.#epochStart = Math.min(now, this.#epochStart + idle);
      return;
    }
    if (this.inSlowStart) {
      this.window += bytes * this.#hystart.growth;
      return;
    }
    // In congestion avoidance the window grows in the round trip of a reaction, too, by its packet: RFC 9002 §B.5 lets
    // that round out, but the rate that Reno has by its model (Mathis et al. 1997) counts it, and with a loss every few
    // round trips it is a large part of the growth.
    if (this.#epochStart === undefined) this.#beginEpoch(now);
    const t = (now - this.#epochStart! + smoothedRtt) / 1000 - this.#k;
    const cubic = C * t * t * t * this.#size + this.#maximum;
    const target = Math.min(Math.max(cubic, this.window), 1.5 * this.window);
    const share = bytes / this.window;
    this.#reno += (this.#reno < this.#prior ? ALPHA : 1) * this.#size * share;
    this.window = Math.max(this.window + (target - this.window) * share, this.#reno);
  }

  /** See {@linkcode CongestionController.onLost}. */
  onLost(now: number, sentAt: number): boolean {
    if (sentAt <= this.#recoveryStart) return false;
    this.#before = this.#state;
    this.#recoveryStart = now;
    this.#prior = this.window;
    // RFC 9438 §4.7, fast convergence: a flow that lost before its former maximum makes room for others.
    this.#maximum = this.window < this.#maximum ? this.window * (1 + BETA) / 2 : this.window;
    this.window = Math.max(this.window * BETA, this.#minimum);
    this.#threshold = this.window;
    this.#epochStart = undefined;
    return true;
  }

  /** See {@linkcode CongestionController.onSpuriousLoss}. */
  onSpuriousLoss(): void {
    const before = this.#before;
    if (before === undefined) return;
    this.#before = undefined;
    this.window = Math.max(this.window, before.window);
    this.#recoveryStart = before.recoveryStart;
    this.#threshold = before.threshold;
    this.#epochStart = before.epochStart;
    this.#maximum = before.maximum;
    this.#prior = before.prior;
    this.#reno = before.reno;
    this.#k = before.k;
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

  /** See {@linkcode CongestionController.onPathChange}. */
  onPathChange(size: number): void {
    this.#size = size;
    this.window = INITIAL_WINDOW_PACKETS * size;
    this.#recoveryStart = -Infinity;
    this.#threshold = Infinity;
    this.#hystart = new HyStart();
    this.#epochStart = this.#before = undefined;
    this.#maximum = this.#prior = 0;
  }

  get #minimum(): number {
    return MINIMUM_WINDOW_PACKETS * this.#size;
  }

  get #state(): CubicState {
    return {
      window: this.window,
      threshold: this.#threshold,
      recoveryStart: this.#recoveryStart,
      epochStart: this.#epochStart,
      maximum: this.#maximum,
      prior: this.#prior,
      reno: this.#reno,
      k: this.#k,
    };
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
