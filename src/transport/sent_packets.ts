/**
 * The packets that were sent and whose fate is not known yet, in order of their numbers.
 *
 * @module
 */

import { Fifo } from "./fifo.ts";
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

/** Packets in ascending order of their numbers. */
export class SentPackets {
  readonly #packets = new Fifo<SentPacket>();

  /** Packets held, settled ones in between included. */
  get size(): number {
    return this.#packets.size;
  }

  /** The packet at a place, the oldest at 0. */
  at(index: number): SentPacket {
    return this.#packets.at(index);
  }

  /** Adds the newest. Of ACK-only packets in a row only the last stays: a peer need never acknowledge them. */
  push(packet: SentPacket): void {
    if (!packet.ackEliciting && this.#packets.last?.ackEliciting === false) this.#packets.replaceLast(packet);
    else this.#packets.push(packet);
  }

  /** Place after the last packet with a number up to `packetNumber`. */
  endOf(packetNumber: number): number {
    let low = 0;
    let high = this.#packets.size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#packets.at(middle).packetNumber <= packetNumber) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Lets the settled packets at the front go. */
  trim(): void {
    let settled = 0;
    while (settled < this.#packets.size && this.#packets.at(settled).fate !== "in_flight") settled++;
    if (settled > 0) this.#packets.drop(settled);
  }
}
