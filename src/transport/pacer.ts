/**
 * A token bucket that spreads packets over the round trip (RFC 9002 §7.7). Sizes are bytes, times milliseconds.
 *
 * @module
 */

import { PACING_BURST_PACKETS, PACING_BURST_TIME, PACING_GAIN } from "./config.ts";

/** Says when the next packet may go. */
export class Pacer {
  #tokens = Infinity;
  #filledAt = 0;

  /**
   * Time at which `size` bytes may be sent, not before `now`; `now` itself when at once.
   *
   * @param window the congestion window. @param rtt the smoothed round-trip time.
   * @param maxBurst what the receiver's socket takes in one go; one packet always may.
   */
  nextSendTime(now: number, size: number, window: number, rtt: number, maxBurst: number): number {
    const rate = PACING_GAIN * window / Math.max(rtt, 0.001);
    const wanted = Math.max(PACING_BURST_PACKETS * size, PACING_BURST_TIME * rate);
    const capacity = Math.max(size, Math.min(wanted, maxBurst));
    this.#tokens = Math.min(capacity, this.#tokens + (now - this.#filledAt) * rate);
    this.#filledAt = now;
    // A thousandth of a byte absorbs rounding: otherwise a timer set for exactly this time could come back unready.
    return this.#tokens + 1e-3 >= size ? now : now + (size - this.#tokens) / rate;
  }

  /** Takes the tokens of a packet that was sent. What was sent unpaced leaves a debt of one packet at most. */
  onSent(size: number): void {
    this.#tokens = Math.max(this.#tokens - size, -size);
  }
}
