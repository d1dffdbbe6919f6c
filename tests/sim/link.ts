/**
 * One direction of a simulated path: delays, loses, repeats, reorders and damages datagrams. All chance comes from
 * the seeded generator it was made with.
 *
 * @module
 */

import type { Prng } from "./prng.ts";

/** Loss in bursts (Gilbert 1960, Elliott 1963): a good and a bad state, changed by chance before each datagram. */
export interface BurstLoss {
  /** Probability that the bad state begins. */
  readonly begin: number;
  /** Probability that it ends: bursts are one over this many datagrams long on average. */
  readonly end: number;
  /** Probability of loss in the bad state. @default 1 */
  readonly loss?: number;
}

/** What a link does to datagrams; what is left out does not happen. Times in milliseconds, sizes in bytes. */
export interface LinkOptions {
  /** One-way delay. @default 10 */
  readonly delay?: number;
  /** Further delay, drawn anew for each datagram; the order is kept. @default 0 */
  readonly jitter?: number;
  /** Probability that a datagram is lost. @default 0 */
  readonly loss?: number;
  /** Loss in bursts, on top of `loss`. @default none */
  readonly burst?: BurstLoss;
  /** Probability that a datagram arrives twice. @default 0 */
  readonly duplicate?: number;
  /** Probability that a datagram is held back and overtaken. @default 0 */
  readonly reorder?: number;
  /** How long it is held back at most. @default twice the delay, 1 at least */
  readonly reorderDelay?: number;
  /** Probability that some of a datagram's bits are flipped. @default 0 */
  readonly corrupt?: number;
  /** Bytes per millisecond. @default no limit */
  readonly bandwidth?: number;
  /** Bytes that wait for the bandwidth before datagrams are dropped. @default 256 KiB */
  readonly queue?: number;
  /** Longest datagram that passes; longer ones vanish. @default no limit */
  readonly mtu?: number;
  /** The sender is told when a datagram is longer than `mtu` (EMSGSIZE). @default false */
  readonly tellsTooBig?: boolean;
}

/** What became of datagrams. */
export interface LinkCounts {
  /** Given to the link. */
  sent: number;
  /** Handed to the other end, copies included. */
  delivered: number;
  /** Lost by chance or cut. */
  lost: number;
  /** Dropped because the queue was full. */
  overflowed: number;
  /** Dropped because they were too long. */
  tooBig: number;
  /** Delivered with flipped bits. */
  corrupted: number;
}

/** A datagram that arrives. */
export interface Arrival {
  /** When. */
  readonly at: number;
  /** Its bytes. */
  readonly datagram: Uint8Array;
}

const DEFAULT_DELAY = 10;
const DEFAULT_QUEUE = 256 * 1024;

/** One direction of a path. */
export class Link {
  /** See {@linkcode LinkOptions}; may be changed while the network runs. */
  options: LinkOptions;
  /** Nothing passes. */
  cut = false;
  /** Scheduled outages that go on now: nothing passes while there is one. */
  outages = 0;
  /** See {@linkcode LinkCounts}. */
  readonly counts: LinkCounts = { sent: 0, delivered: 0, lost: 0, overflowed: 0, tooBig: 0, corrupted: 0 };
  /** When the last of the queued bytes leaves. */
  #busyUntil = 0;
  #lastArrival = 0;
  #isBad = false;

  constructor(options: LinkOptions, readonly random: Prng) {
    this.options = options;
  }

  /** Takes a datagram; when and how it arrives: not at all, once or twice. */
  send(datagram: Uint8Array, now: number): Arrival[] {
    const { counts, options, random } = this;
    counts.sent++;
    if (datagram.length > (options.mtu ?? Infinity)) {
      counts.tooBig++;
      return [];
    }
    if (this.cut || this.outages > 0 || random.chance(options.loss ?? 0) || this.#isLostInBurst()) {
      counts.lost++;
      return [];
    }
    const leaves = this.#leave(datagram.length, now);
    if (leaves === undefined) {
      counts.overflowed++;
      return [];
    }
    const arrivals = [this.#arrive(datagram, leaves)];
    if (random.chance(options.duplicate ?? 0)) arrivals.push(this.#arrive(datagram, leaves));
    counts.delivered += arrivals.length;
    return arrivals;
  }

  #isLostInBurst(): boolean {
    const { burst } = this.options;
    if (burst === undefined) return this.#isBad = false;
    if (this.random.chance(this.#isBad ? burst.end : burst.begin)) this.#isBad = !this.#isBad;
    return this.#isBad && this.random.chance(burst.loss ?? 1);
  }

  /** When the datagram has passed the bottleneck; `undefined` when its queue is full. */
  #leave(length: number, now: number): number | undefined {
    const { bandwidth, queue = DEFAULT_QUEUE } = this.options;
    if (bandwidth === undefined) return now;
    const start = Math.max(now, this.#busyUntil);
    if ((start - now) * bandwidth + length > queue) return undefined;
    return this.#busyUntil = start + length / bandwidth;
  }

  #arrive(datagram: Uint8Array, leaves: number): Arrival {
    const { random } = this;
    const { delay = DEFAULT_DELAY, jitter = 0, reorder = 0, corrupt = 0 } = this.options;
    let at = leaves + delay + (jitter > 0 ? random.between(0, jitter) : 0);
    if (random.chance(reorder)) {
      at += random.between(0, this.options.reorderDelay ?? Math.max(1, 2 * delay));
    } else {
      this.#lastArrival = at = Math.max(at, this.#lastArrival);
    }
    if (!random.chance(corrupt)) return { at, datagram };
    this.counts.corrupted++;
    const damaged = datagram.slice();
    for (let n = 1 + random.int(3); n > 0; n--) damaged[random.int(damaged.length)] ^= 1 << random.int(8);
    return { at, datagram: damaged };
  }
}
