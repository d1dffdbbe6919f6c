/**
 * What was received and is to be acknowledged: ranges for the ACK frame and the moment at which to send it
 * (RFC 9000 §13.2, `protocol.md` 5).
 *
 * @module
 */

import { ackFrameLength, writeAck } from "../wire/frame.ts";
import {
  ACK_DELAY_EXPONENT,
  ACK_EVERY_BYTES,
  ACK_EVERY_BYTES_SHORT,
  ACK_EVERY_PACKETS,
  ACK_EVERY_PACKETS_SHORT,
  ACK_EVERY_PACKETS_STEADY,
  ACKS_PER_ROUND_TRIP,
  ACKS_PER_SHORT_ROUND_TRIP,
  MAX_ACK_DELAY,
  MAX_ACK_LENGTH,
  MAX_ACK_RANGES,
  QUICK_ACKS,
  TIMER_GRANULARITY,
} from "./config.ts";

/** Collects received packet numbers. */
export class AckTracker {
  /** Pairs smallest, largest, highest pair first: the order of the ACK frame. */
  readonly ranges: number[] = [];
  /** Time at which an ACK is due; `Infinity` when none is. */
  deadline: number = Infinity;
  /** Whether the packet noted last changed nothing about that time, which is still to come. */
  canWait = false;
  #largestAt = 0;
  #unackedPackets = 0;
  #unackedBytes = 0;
  /** Packets that still get an ACK each, because one was missing. */
  #quickAcks = 0;
  /** Packets that share an ACK ... */
  #every = ACK_EVERY_PACKETS;
  /** ... that is held back so long at most. */
  #delay = MAX_ACK_DELAY;
  /** Packets received since a round trip began: what the sender's window may be. */
  #roundPackets = 0;
  #roundStart = -Infinity;

  /**
   * Notes a packet that was new, authentic and fully processed.
   *
   * @param rtt the smoothed round-trip time, 0 while none was measured. @param isShortPath see `Recovery`.
   */
  onReceived(
    packetNumber: number,
    ackEliciting: boolean,
    size: number,
    now: number,
    rtt: number,
    isShortPath = false,
  ): void {
    const inOrder = this.ranges.length === 0 || packetNumber === this.ranges[1] + 1;
    if (this.ranges.length === 0 || packetNumber > this.ranges[1]) this.#largestAt = now;
    this.#insert(packetNumber);
    if (!inOrder) this.#quickAcks = QUICK_ACKS;
    this.canWait = false;
    if (!ackEliciting) return;
    this.#countRound(now, rtt, isShortPath);
    this.#unackedPackets++;
    this.#unackedBytes += size;
    const atOnce = !inOrder || this.#quickAcks > 0 || this.#unackedPackets >= this.#every ||
      this.#unackedBytes >= (isShortPath ? ACK_EVERY_BYTES_SHORT : ACK_EVERY_BYTES);
    if (inOrder && this.#quickAcks > 0) this.#quickAcks--;
    const due = atOnce ? now : now + this.#delay;
    this.canWait = now < this.deadline && this.deadline <= due;
    if (due < this.deadline) this.deadline = due;
  }

  /** Whether anything was received since the last ACK that elicits one: an ACK may ride along. */
  get pending(): boolean {
    return this.#unackedPackets > 0;
  }

  /** Writes an ACK frame at `at`; the offset after it, `at` itself when nothing was received yet. */
  write(out: Uint8Array, at: number, now: number): number {
    let ranges: readonly number[] = this.ranges;
    if (ranges.length === 0) return at;
    const delay = Math.floor(Math.max(0, now - this.#largestAt) * 1000 / 2 ** ACK_DELAY_EXPONENT);
    // Sixty-four ranges of wide numbers would fill the smallest packet: the oldest wait for the next ACK.
    while (ackFrameLength(ranges, delay) > MAX_ACK_LENGTH) ranges = ranges.slice(0, ranges.length - 2);
    return writeAck(out, at, ranges, delay);
  }

  /** An ACK frame over all ranges was sent. */
  onAckSent(): void {
    this.deadline = Infinity;
    this.#unackedPackets = this.#unackedBytes = 0;
  }

  /** The peer has seen an ACK up to `largest`: lower ranges need not be repeated (RFC 9000 §13.2.4). */
  onAckAcked(largest: number): void {
    const ranges = this.ranges;
    // The newest range always stays, so that the next packet number is told in order.
    for (let i = ranges.length - 2; i >= 2 && ranges[i + 1] <= largest; i -= 2) ranges.length = i;
  }

  /** How often ACKs are sent follows from what came in the last round trip. */
  #countRound(now: number, rtt: number, isShortPath: boolean): void {
    const duration = now - this.#roundStart;
    if (duration >= rtt) {
      const perRoundTrip = duration > 0 ? this.#roundPackets * rtt / duration : 0;
      const [acks, most] = isShortPath
        ? [ACKS_PER_SHORT_ROUND_TRIP, ACK_EVERY_PACKETS_SHORT]
        : [ACKS_PER_ROUND_TRIP, ACK_EVERY_PACKETS_STEADY];
      this.#every = Math.max(ACK_EVERY_PACKETS, Math.min(Math.floor(perRoundTrip / acks), most));
      // A run that ends leaves packets whose ACK waits for nothing: a quarter of a round trip is what it may cost.
      const steady = this.#every > ACK_EVERY_PACKETS;
      this.#delay = steady ? Math.min(MAX_ACK_DELAY, Math.max(rtt / 4, TIMER_GRANULARITY)) : MAX_ACK_DELAY;
      this.#roundStart = now;
      this.#roundPackets = 0;
    }
    this.#roundPackets++;
  }

  #insert(n: number): void {
    const ranges = this.ranges;
    let i = 0;
    while (i < ranges.length && n < ranges[i] - 1) i += 2;
    if (i === ranges.length) {
      ranges.push(n, n);
    } else if (n > ranges[i + 1] + 1) {
      ranges.splice(i, 0, n, n);
    } else if (n === ranges[i + 1] + 1) {
      ranges[i + 1] = n;
    } else if (n === ranges[i] - 1) {
      ranges[i] = n;
      if (i + 2 < ranges.length && ranges[i + 3] === n - 1) {
        ranges[i] = ranges[i + 2];
        ranges.splice(i + 2, 2);
      }
    }
    // An insert above may have closed the gap to the higher neighbour.
    if (i >= 2 && i < ranges.length && ranges[i + 1] + 1 === ranges[i - 2]) {
      ranges[i - 2] = ranges[i];
      ranges.splice(i, 2);
    }
    if (ranges.length > 2 * MAX_ACK_RANGES) ranges.length = 2 * MAX_ACK_RANGES;
  }
}
