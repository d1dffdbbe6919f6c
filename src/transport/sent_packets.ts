/**
 * The packets that were sent and that no acknowledgement has settled yet, in order of their numbers. An ACK costs
 * what it tells anew, however many packets are in flight: packets above the highest number acknowledged so far wait
 * in a queue, the few that were passed over wait apart as gaps, and those judged lost are remembered for a while in
 * case that they arrive after all.
 *
 * @module
 */

import { MAX_REMEMBERED_LOSSES } from "./config.ts";
import { Fifo } from "./fifo.ts";
import type { SentFrame } from "./sent_frame.ts";

/** A packet that was sent. */
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
  /** Number of the packet remembered before it, -1 for the first; {@linkcode SentPackets} sets it. */
  previous: number;
}

/** Told which packets an ACK settles. */
export interface AckVisitor {
  /** It was in flight. Gaps come first; then all are in ascending order. */
  onAcked(packet: SentPacket): void;
  /** It was judged lost. */
  onLateAck(packet: SentPacket): void;
}

/** Packets in ascending order of their numbers. */
export class SentPackets {
  /** Highest packet number acknowledged, -1 at first. */
  largestAcked = -1;
  /** Number of the newest packet, -1 at first. */
  newest = -1;
  /** Above the highest number acknowledged. */
  readonly #ahead = new Fifo<SentPacket>();
  /** Passed over by acknowledgements, ascending. */
  readonly #gaps: SentPacket[] = [];
  /** Judged lost, ascending. */
  readonly #lost: SentPacket[] = [];

  /** Packets whose fate is open. */
  get size(): number {
    return this.#ahead.size + this.#gaps.length;
  }

  /** Packets judged lost that are still remembered. */
  get remembered(): number {
    return this.#lost.length;
  }

  /** Packets passed over by acknowledgements, oldest first. */
  get gaps(): readonly SentPacket[] {
    return this.#gaps;
  }

  /** Adds the newest. Of ACK-only packets in a row only the last stays: a peer need never acknowledge them. */
  push(packet: SentPacket): void {
    const { last } = this.#ahead;
    if (!packet.ackEliciting && last?.ackEliciting === false) {
      packet.previous = last.previous;
      this.#ahead.replaceLast(packet);
    } else {
      packet.previous = this.newest;
      this.#ahead.push(packet);
    }
    this.newest = packet.packetNumber;
  }

  /** Takes an ACK: `ranges` as pairs smallest, largest, highest first, of numbers not above the newest. */
  acknowledge(ranges: readonly number[], visitor: AckVisitor): void {
    if (this.#gaps.length > 0) take(this.#gaps, ranges, (packet) => visitor.onAcked(packet));
    if (this.#lost.length > 0 && namesAny(this.#lost, ranges)) {
      take(this.#lost, ranges, (packet) => visitor.onLateAck(packet));
    }
    const largest = ranges[1];
    const ahead = this.#ahead;
    let range = ranges.length - 2;
    let passed = 0;
    while (passed < ahead.size) {
      const packet = ahead.at(passed);
      const { packetNumber } = packet;
      if (packetNumber > largest) break;
      passed++;
      while (packetNumber > ranges[range + 1]) range -= 2;
      if (packetNumber >= ranges[range]) visitor.onAcked(packet);
      else this.#gaps.push(packet);
    }
    if (passed > 0) ahead.drop(passed);
    if (largest > this.largestAcked) this.largestAcked = largest;
  }

  /** Takes the oldest `count` gaps out, as lost; they may still arrive, and are remembered. */
  lose(count: number): SentPacket[] {
    const lost = this.#gaps.splice(0, count);
    for (const packet of lost) {
      if (packet.ackEliciting && !packet.sizeProbe) this.#lost.push(packet);
    }
    if (this.#lost.length > MAX_REMEMBERED_LOSSES) {
      this.#lost.splice(0, this.#lost.length - MAX_REMEMBERED_LOSSES);
    }
    return lost;
  }

  /** Forgets losses of packets sent before `time`: they will not arrive any more. */
  forgetLosses(time: number): void {
    let old = 0;
    while (old < this.#lost.length && this.#lost[old].sentAt < time) old++;
    if (old > 0) this.#lost.splice(0, old);
  }

  /** The oldest packet in flight that carried something. */
  oldestWithFrames(): SentPacket | undefined {
    const carries = (packet: SentPacket) => packet.ackEliciting && packet.frames.length > 0;
    const gap = this.#gaps.find(carries);
    if (gap !== undefined) return gap;
    for (let i = 0; i < this.#ahead.size; i++) {
      if (carries(this.#ahead.at(i))) return this.#ahead.at(i);
    }
    return undefined;
  }
}

/** Hands the packets of `list`, ascending, that `ranges` name to `visit` and takes them out. */
function take(list: SentPacket[], ranges: readonly number[], visit: (packet: SentPacket) => void): void {
  let range = ranges.length - 2;
  let kept = 0;
  for (const packet of list) {
    const { packetNumber } = packet;
    while (range > 0 && packetNumber > ranges[range + 1]) range -= 2;
    if (packetNumber >= ranges[range] && packetNumber <= ranges[range + 1]) visit(packet);
    else list[kept++] = packet;
  }
  list.length = kept;
}

/** Whether `ranges` name any packet of `list`, ascending. By halving: after an overflow the list is long. */
function namesAny(list: readonly SentPacket[], ranges: readonly number[]): boolean {
  const lowest = list[0].packetNumber;
  for (let range = 0; range < ranges.length && ranges[range + 1] >= lowest; range += 2) {
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (list[middle].packetNumber < ranges[range]) low = middle + 1;
      else high = middle;
    }
    if (low < list.length && list[low].packetNumber <= ranges[range + 1]) return true;
  }
  return false;
}
