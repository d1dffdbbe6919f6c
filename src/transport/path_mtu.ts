/**
 * Upward search for the datagram size that a path carries (RFC 8899 §5, `protocol.md` 6), and the way back when it
 * carries that size no more.
 *
 * @module
 */

import type { SocketAddress } from "./address.ts";
import { isLoopback } from "./address.ts";
import {
  BASE_DATAGRAM_SIZE,
  BLACK_HOLE_LOSSES,
  BLACK_HOLE_TIMEOUTS,
  LOOPBACK_PROBE_SIZES,
  MAX_DATAGRAM_SIZE,
  MAX_PROBES,
  PATH_PROBE_SIZES,
  PMTU_RAISE_TIME,
} from "./config.ts";

/** Search state of one path. */
export class PathMtu {
  /** Datagram size in use. */
  size: number = BASE_DATAGRAM_SIZE;
  /**
   * Whether probes are made of what waits to be sent, as long as that is, and there are none without. On loopback the
   * sizes are large and hardly ever lost: who sends little need not know the largest, who sends much wastes nothing.
   */
  isFilled = false;
  /** Sizes to be tried on this path, ascending. */
  #sizes: readonly number[] = [];
  /** Sizes still to be tried, ascending. */
  #candidates: readonly number[] = [];
  #attempts = 0;
  #outstanding = false;
  /** When the search ended below the largest size; `undefined` while it goes on or when there is nothing to find. */
  #endedAt: number | undefined;
  /** When the newest packet was sent that was larger than the base and arrived. */
  #provenAt = -Infinity;
  /** Such packets lost since, in a row, and when the first of them was sent. */
  #losses = 0;
  #firstLossAt = 0;

  /** @param peerMaximum what the peer receives. @param maximum what the application allows, if it says. */
  constructor(
    path: SocketAddress,
    readonly peerMaximum: number,
    readonly maximum: number | undefined,
  ) {
    this.onPathChange(path);
  }

  /** Begins afresh on another path. */
  onPathChange(path: SocketAddress): void {
    const { peerMaximum, maximum } = this;
    this.isFilled = isLoopback(path);
    const sizes = this.isFilled ? [...PATH_PROBE_SIZES, ...LOOPBACK_PROBE_SIZES] : [...PATH_PROBE_SIZES];
    const limit = Math.min(peerMaximum, maximum ?? sizes[sizes.length - 1], MAX_DATAGRAM_SIZE);
    if (maximum !== undefined && !sizes.includes(limit)) sizes.push(limit);
    this.#sizes = sizes.filter((size) => size <= limit).sort((a, b) => a - b);
    this.#provenAt = -Infinity;
    this.#fallBack();
  }

  /** Size of the probe to send now, if one is due. */
  probe(now: number): number | undefined {
    if (this.#endedAt !== undefined && now >= this.#endedAt + PMTU_RAISE_TIME) this.#search();
    return this.#outstanding ? undefined : this.#candidates[0];
  }

  /** A probe is on its way. */
  onSent(): void {
    this.#outstanding = true;
  }

  /** A probe arrived. */
  onAcked(size: number): void {
    this.#outstanding = false;
    this.#attempts = 0;
    this.size = Math.max(this.size, size);
    this.#candidates = this.#candidates.filter((candidate) => candidate > size);
  }

  /** A probe is lost: again, or the search ends below it. */
  onLost(now: number): void {
    this.#outstanding = false;
    if (++this.#attempts >= MAX_PROBES) this.#end(now);
  }

  /** The socket refused the size (EMSGSIZE): the search ends there. */
  onTooBig(now: number): void {
    this.#outstanding = false;
    this.#end(now);
  }

  /** A packet that was sent at `sentAt` arrived. */
  onPacketAcked(size: number, sentAt: number): void {
    if (size <= BASE_DATAGRAM_SIZE || sentAt < this.#provenAt) return;
    this.#provenAt = sentAt;
    this.#losses = 0;
  }

  /**
   * A packet that was sent at `sentAt` is lost. When too many larger than the base are, and none arrives, it is back
   * to the base: small packets that do arrive would keep time-outs from ever telling. Whether the size changed.
   */
  onPacketLost(size: number, sentAt: number, rtt: number): boolean {
    if (size <= BASE_DATAGRAM_SIZE || sentAt <= this.#provenAt) return false;
    if (this.#losses++ === 0) this.#firstLossAt = sentAt;
    // One burst of losses is none: a queue that overflows drops many packets in a row.
    if (this.#losses < BLACK_HOLE_LOSSES || sentAt - this.#firstLossAt <= rtt) return false;
    return this.#fallBack();
  }

  /**
   * The recovery has asked for probes so many times in a row: perhaps full packets vanish where small ones would pass
   * (RFC 8899 §4.3). Then it is back to the base, to search anew once the path answers. Whether the size changed.
   */
  onProbeTimeout(count: number): boolean {
    return count >= BLACK_HOLE_TIMEOUTS && this.#fallBack();
  }

  #fallBack(): boolean {
    const changed = this.size !== BASE_DATAGRAM_SIZE;
    this.size = BASE_DATAGRAM_SIZE;
    this.#losses = 0;
    this.#search();
    return changed;
  }

  #search(): void {
    this.#candidates = this.#sizes.filter((size) => size > this.size);
    this.#attempts = 0;
    this.#outstanding = false;
    this.#endedAt = undefined;
  }

  #end(now: number): void {
    this.#candidates = [];
    this.#endedAt = now;
  }
}
