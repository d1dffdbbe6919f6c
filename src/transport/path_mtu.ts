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
  BLACK_HOLE_TIMEOUTS,
  LOOPBACK_PROBE_SIZES,
  MAX_DATAGRAM_SIZE,
  MAX_PROBES,
  PATH_PROBE_SIZES,
} from "./config.ts";

/** Search state of one path. */
export class PathMtu {
  /** Datagram size in use. */
  size: number = BASE_DATAGRAM_SIZE;
  /** Sizes to be tried on this path, ascending. */
  #sizes: readonly number[] = [];
  /** Sizes still to be tried, ascending. */
  #candidates: readonly number[] = [];
  #attempts = 0;
  #outstanding = false;

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
    const loopback = isLoopback(path);
    const sizes = loopback ? [...PATH_PROBE_SIZES, ...LOOPBACK_PROBE_SIZES] : [...PATH_PROBE_SIZES];
    const limit = Math.min(peerMaximum, maximum ?? sizes[sizes.length - 1], MAX_DATAGRAM_SIZE);
    if (maximum !== undefined && !sizes.includes(limit)) sizes.push(limit);
    this.#candidates = this.#sizes = sizes.filter((size) => size <= limit).sort((a, b) => a - b);
    this.size = BASE_DATAGRAM_SIZE;
    this.#attempts = 0;
    this.#outstanding = false;
  }

  /** Size of the probe to send now, if one is due. */
  get probe(): number | undefined {
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
  onLost(): void {
    this.#outstanding = false;
    if (++this.#attempts >= MAX_PROBES) this.#candidates = [];
  }

  /** The socket refused the size (EMSGSIZE): the search ends there. */
  onTooBig(): void {
    this.#outstanding = false;
    this.#candidates = [];
  }

  /**
   * The recovery has asked for probes so many times in a row: perhaps full packets vanish where small ones would pass
   * (RFC 8899 §4.3). Then it is back to the base, to search anew once the path answers. Whether the size changed.
   */
  onProbeTimeout(count: number): boolean {
    if (count < BLACK_HOLE_TIMEOUTS || this.size === BASE_DATAGRAM_SIZE) return false;
    this.size = BASE_DATAGRAM_SIZE;
    this.#candidates = this.#sizes;
    this.#attempts = 0;
    this.#outstanding = false;
    return true;
  }
}
