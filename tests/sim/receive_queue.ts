/**
 * The receiving side of a simulated socket: the kernel's buffer and the event loop that drains it.
 *
 * @module
 */

import type { SocketAddress } from "../../src/transport/address.ts";

/** A datagram that waits in the buffer. */
export interface Queued {
  readonly datagram: Uint8Array;
  readonly from: SocketAddress;
}

/** What waits for the event loop. */
export class ReceiveQueue {
  /** Datagrams dropped because the buffer was full. */
  overflowed = 0;
  /** Bytes that wait. */
  bytes = 0;
  readonly #queue: Queued[] = [];

  /** @param limit bytes that the buffer holds. */
  constructor(readonly limit: number) {}

  /** Datagrams that wait. */
  get length(): number {
    return this.#queue.length;
  }

  /** A datagram arrives; it is dropped when the buffer has no room. */
  push(datagram: Uint8Array, from: SocketAddress): void {
    if (this.bytes + datagram.length > this.limit) {
      this.overflowed++;
      return;
    }
    this.bytes += datagram.length;
    this.#queue.push({ datagram, from });
  }

  /** The oldest datagram. */
  shift(): Queued | undefined {
    const first = this.#queue.shift();
    if (first !== undefined) this.bytes -= first.datagram.length;
    return first;
  }
}
