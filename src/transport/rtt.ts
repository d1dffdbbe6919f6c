/**
 * Round-trip time estimation, RFC 9002 §5. Milliseconds.
 *
 * @module
 */

import { isLocal, type SocketAddress } from "./address.ts";
import { INITIAL_RTT, INITIAL_RTT_LOCAL, TIMER_GRANULARITY } from "./config.ts";

/** Round-trip time that a path has before anything is known of it. */
export function initialRtt(path: SocketAddress): number {
  return isLocal(path) ? INITIAL_RTT_LOCAL : INITIAL_RTT;
}

/** Smoothed, least and latest round-trip time of a path. */
export class RttEstimator {
  /** Last sample. */
  latest = 0;
  /** Least sample; 0 before the first. */
  min = 0;
  /** Smoothed estimate. */
  smoothed = 0;
  /** Mean deviation. */
  variance = 0;
  #sampled = false;

  /** @param initial estimate before the first sample. */
  constructor(initial: number) {
    this.reset(initial);
  }

  /** Begins afresh, on another path. */
  reset(initial: number): void {
    this.#sampled = false;
    this.latest = this.min = 0;
    this.smoothed = initial;
    this.variance = initial / 2;
  }

  /** Whether a sample was taken. */
  get sampled(): boolean {
    return this.#sampled;
  }

  /** Takes a sample; `ackDelay` is what the peer says it held the ACK back, already bounded by its maximum. */
  update(sample: number, ackDelay: number): void {
    this.latest = sample;
    if (!this.#sampled) {
      this.#sampled = true;
      this.min = this.smoothed = sample;
      this.variance = sample / 2;
      return;
    }
    this.min = Math.min(this.min, sample);
    const adjusted = sample >= this.min + ackDelay ? sample - ackDelay : sample;
    this.variance += (Math.abs(this.smoothed - adjusted) - this.variance) / 4;
    this.smoothed += (adjusted - this.smoothed) / 8;
  }

  /** Probe time-out without back-off, RFC 9002 §6.2.1. */
  pto(maxAckDelay: number): number {
    return this.smoothed + Math.max(4 * this.variance, TIMER_GRANULARITY) + maxAckDelay;
  }
}
