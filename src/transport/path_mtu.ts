/**
 * Upward search for the datagram size that a path carries (RFC 8899 §5, `protocol.md` 6). The path is believed
 * once a size was acknowledged; falling back from a black hole is not part of it yet.
 *
 * @module
 */

import type { SocketAddress } from "./address.ts";
import { isLoopback } from "./address.ts";
import {
  BASE_DATAGRAM_SIZE,
  LOOPBACK_PROBE_SIZES,
  MAX_DATAGRAM_SIZE,
  MAX_PROBES,
  PATH_PROBE_SIZES,
} from "./config.ts";

/** Search state of one path. */
export class PathMtu {
  /** Datagram size in use. */
  size = BASE_DATAGRAM_SIZE;
  #candidates: number[];
  #attempts = 0;
  #outstanding = false;

  /** @param peerMaximum what the peer receives. @param maximum what the application allows, if it says. */
  constructor(path: SocketAddress, peerMaximum: number, maximum: number | undefined) {
    const loopback = isLoopback(path);
    const sizes = loopback ? [...PATH_PROBE_SIZES, ...LOOPBACK_PROBE_SIZES] : [...PATH_PROBE_SIZES];
    const limit = Math.min(peerMaximum, maximum ?? sizes[sizes.length - 1], MAX_DATAGRAM_SIZE);
    if (maximum !== undefined && !sizes.includes(limit)) sizes.push(limit);
    this.#candidates = sizes.filter((size) => size <= limit).sort((a, b) => a - b);
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
}
