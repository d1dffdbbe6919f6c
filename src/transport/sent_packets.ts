/**
 * The packets that were sent and whose fate is not known yet, in order of their numbers.
 *
 * @module
 */

import type { SentFrame } from "./sent_frame.ts";

/** What became of a packet. */
export type PacketFate = "in_flight" | "acked" | "lost";

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
  /** See {@linkcode PacketFate}. */
  fate: PacketFate;
}

/** Settled packets at the front are let go once there are this many, and as many as others. */
const COMPACT_AT = 64;

/** Packets in ascending order, with room at the front that is given back now and then. */
export class SentPackets {
  #packets: SentPacket[] = [];
  /** Index of the first packet that is not settled. */
  #head = 0;

  /** Packets held, settled ones in between included. */
  get size(): number {
    return this.#packets.length - this.#head;
  }

  /** The packet at a place, the oldest at 0. */
  at(index: number): SentPacket {
    return this.#packets[this.#head + index];
  }

  /** Adds the newest. Of ACK-only packets in a row only the last stays: a peer need never acknowledge them. */
  push(packet: SentPacket): void {
    const packets = this.#packets;
    const last = packets.length - 1;
    if (!packet.ackEliciting && last >= this.#head && !packets[last].ackEliciting) packets[last] = packet;
    else packets.push(packet);
  }

  /** Place after the last packet with a number up to `packetNumber`. */
  endOf(packetNumber: number): number {
    let low = this.#head;
    let high = this.#packets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#packets[middle].packetNumber <= packetNumber) low = middle + 1;
      else high = middle;
    }
    return low - this.#head;
  }

  /** Lets the settled packets at the front go. */
  trim(): void {
    const packets = this.#packets;
    let head = this.#head;
    while (head < packets.length && packets[head].fate !== "in_flight") head++;
    if (head === packets.length) {
      packets.length = head = 0;
    } else if (head >= COMPACT_AT && 2 * head >= packets.length) {
      packets.splice(0, head);
      head = 0;
    }
    this.#head = head;
  }
}
