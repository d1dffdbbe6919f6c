/**
 * HyStart++ (RFC 9406): when slow start is to end because the round-trip time rises, before the queue overflows.
 * Milliseconds. Rounds are told by time: one ends with the first packet acknowledged that was sent after it began.
 *
 * @module
 */

/** RFC 9406 §4.3 MIN_RTT_THRESH. */
const MIN_RTT_THRESHOLD = 4;
/** RFC 9406 §4.3 MAX_RTT_THRESH. */
const MAX_RTT_THRESHOLD = 16;
/** RFC 9406 §4.3 MIN_RTT_DIVISOR. */
const MIN_RTT_DIVISOR = 8;
/** RFC 9406 §4.3 N_RTT_SAMPLE. */
const RTT_SAMPLES = 8;
/** RFC 9406 §4.3 CSS_GROWTH_DIVISOR. */
const CSS_GROWTH_DIVISOR = 4;
/** RFC 9406 §4.3 CSS_ROUNDS. */
const CSS_ROUNDS = 5;

/** Watches the round-trip times of the first slow start. */
export class HyStart {
  /** Slow start has gone on at a quarter of its pace for long enough: congestion avoidance is to follow. */
  isOver = false;
  #roundStart = -Infinity;
  #lastRoundMin = Infinity;
  #roundMin = Infinity;
  #samples = 0;
  /** Least round-trip time of the round in which it rose; defined in conservative slow start. */
  #baseline: number | undefined;
  #cssRounds = 0;

  /** What an acknowledged byte counts for: one, in conservative slow start a quarter. */
  get growth(): number {
    return this.#baseline === undefined ? 1 : 1 / CSS_GROWTH_DIVISOR;
  }

  /** A round-trip time was measured on a packet that was sent at `sentAt`. */
  onSample(now: number, sentAt: number, rtt: number): void {
    if (sentAt > this.#roundStart) this.#beginRound(now);
    this.#roundMin = Math.min(this.#roundMin, rtt);
    if (++this.#samples < RTT_SAMPLES) return;
    if (this.#baseline !== undefined) {
      // The rise was a whim of the path: slow start goes on.
      if (this.#roundMin < this.#baseline) this.#baseline = undefined;
      return;
    }
    if (this.#lastRoundMin === Infinity) return;
    const threshold = Math.max(
      MIN_RTT_THRESHOLD,
      Math.min(this.#lastRoundMin / MIN_RTT_DIVISOR, MAX_RTT_THRESHOLD),
    );
    if (this.#roundMin < this.#lastRoundMin + threshold) return;
    this.#baseline = this.#roundMin;
    this.#cssRounds = 0;
  }

  #beginRound(now: number): void {
    this.#roundStart = now;
    this.#lastRoundMin = this.#roundMin;
    this.#roundMin = Infinity;
    this.#samples = 0;
    if (this.#baseline !== undefined && ++this.#cssRounds >= CSS_ROUNDS) this.isOver = true;
  }
}
