/**
 * A bounded queue of unreliable datagrams (RFC 9221): news is worth more than what is old, so the oldest goes when
 * there is no room.
 *
 * @module
 */

import { Fifo } from "./fifo.ts";

/** What a datagram costs besides its bytes, so that a flood of empty ones is bounded, too. */
const ITEM_COST = 64;

/** First in, first out, within a bound. */
export class DatagramQueue {
  /** Datagrams that went because there was no room for them. */
  dropped = 0;
  readonly #items = new Fifo<Uint8Array>();
  #cost = 0;

  /** @param limit bytes, 64 more counted for each datagram. */
  constructor(readonly limit: number) {}

  /** Datagrams that wait. */
  get size(): number {
    return this.#items.size;
  }

  /** The oldest; `undefined` when empty. */
  get first(): Uint8Array | undefined {
    return this.#items.size > 0 ? this.#items.at(0) : undefined;
  }

  /** Adds the newest, and lets go of the oldest until there is room; a datagram longer than the limit goes itself. */
  push(bytes: Uint8Array): void {
    this.#items.push(bytes);
    this.#cost += bytes.length + ITEM_COST;
    while (this.#cost > this.limit) this.drop();
  }

  /** Takes the oldest; `undefined` when empty. */
  shift(): Uint8Array | undefined {
    const bytes = this.#items.shift();
    if (bytes !== undefined) this.#cost -= bytes.length + ITEM_COST;
    return bytes;
  }

  /** Lets go of the oldest, and counts it. */
  drop(): void {
    if (this.shift() !== undefined) this.dropped++;
  }

  /** Lets go of all. */
  clear(): void {
    while (this.size > 0) this.drop();
  }
}
