/**
 * What a simulated world is made of, drawn from its seed: how big it is, what its links and nodes are like, what is
 * sent over them. Times in milliseconds, sizes in bytes.
 *
 * @module
 */

import {
  DEFAULT_LIMITS,
  DEFAULT_TRANSPORT,
  type EndpointLimits,
  type TransportOptions,
} from "../../../src/transport/config.ts";
import type { LinkOptions } from "../link.ts";
import type { Prng } from "../prng.ts";
import type { DirectionPlan } from "./ends.ts";

/** Kinds of trouble; a world has some of them. */
export const TROUBLES = [
  "change",
  "partition",
  "rebind",
  "stall",
  "restart",
  "black_hole",
  "close",
  "crossing",
] as const;
/** One of {@linkcode TROUBLES}. */
export type Trouble = typeof TROUBLES[number];

/** The outline of a world. */
export interface Nature {
  readonly nodes: number;
  /** How long there is trouble. */
  readonly storm: number;
  readonly streams: number;
  readonly troubles: ReadonlySet<Trouble>;
  /** 0 for links without faults to 1 for very bad ones. */
  readonly badness: number;
  /** Typical delay of its links. */
  readonly delay: number;
  /** Whether all nodes are on one machine: other packet sizes. */
  readonly isLoopback: boolean;
  readonly idleTimeout: number;
  /** Datagrams that are sent. */
  readonly messages: number;
  /** Longest stream. */
  readonly longest: number;
}

/** Draws the outline. */
export function drawNature(random: Prng): Nature {
  const isLoopback = random.chance(0.1);
  return {
    nodes: random.pick([2, 2, 2, 3, 3, 4, 5]),
    storm: random.pick([1_000, 3_000, 10_000, 20_000, 60_000]) * random.between(0.5, 1.5),
    streams: random.pick([1, 4, 12, 30, 60]),
    troubles: new Set(TROUBLES.filter(() => random.chance(0.4))),
    badness: random.chance(0.2) ? 0 : random.next() ** 2,
    delay: isLoopback
      ? random.between(0.02, 0.5)
      : random.pick([0.5, 5, 20, 60, 150]) * random.between(0.7, 1.3),
    isLoopback,
    idleTimeout: random.pick([3_000, 5_000, 10_000, 30_000, 30_000]),
    messages: random.pick([0, 0, 30, 300]),
    longest: random.pick([20_000, 100_000, 300_000, 1_000_000]),
  };
}

/** Draws one direction of a link while there is trouble. */
export function drawLink(random: Prng, { badness, delay }: Nature): LinkOptions {
  const often = (share: number) => random.chance(share) ? badness * random.next() : 0;
  return {
    delay: delay * random.between(0.8, 1.2),
    jitter: random.chance(0.4) ? delay * random.next() : 0,
    loss: 0.25 * often(0.6),
    burst: random.chance(0.3 * badness)
      ? { begin: random.between(0.001, 0.02), end: random.between(0.02, 0.5), loss: random.between(0.5, 1) }
      : undefined,
    duplicate: 0.1 * often(0.4),
    reorder: 0.2 * often(0.4),
    corrupt: 0.05 * often(0.3),
    bandwidth: random.chance(0.7)
      ? random.pick([60, 300, 1_500, 8_000]) * random.between(0.7, 1.3)
      : undefined,
    queue: random.pick([12_000, 40_000, 150_000, 600_000]),
  };
}

/** The same link when the trouble is over; what the path carries may stay less than before. */
export function fairLink(random: Prng, { delay }: Nature, { mtu, tellsTooBig }: LinkOptions): LinkOptions {
  return {
    delay: delay * random.between(0.8, 1.2),
    bandwidth: random.between(2_000, 8_000),
    loss: random.chance(0.3) ? 0.002 : 0,
    mtu,
    tellsTooBig,
  };
}

/** What a path carries after it has become narrower. */
export function drawMtu(random: Prng, { isLoopback }: Nature): number {
  return isLoopback ? random.pick([1_200, 1_500, 9_000, 30_000]) : random.pick([1_200, 1_280, 1_400, 1_420]);
}

/** What differs between the nodes of a world. */
export interface NodeNature {
  readonly transport: TransportOptions;
  readonly limits: Partial<EndpointLimits>;
  readonly socketBuffer: number;
  readonly readTime: number;
}

/** Draws a node. */
export function drawNode(random: Prng, { idleTimeout, isLoopback, delay }: Nature): NodeNature {
  const usual = random.chance(0.4);
  // A buffer of loopback holds a datagram of the largest size at least.
  const small = isLoopback ? [140_000, 212_992] : [16_384, 40_000, 110_000, 212_992];
  const receiveBuffer = usual ? DEFAULT_TRANSPORT.receiveBuffer : random.pick(small);
  // On long paths a smaller one would make virtual hours of a stream.
  const least = delay > 30 ? 40_000 : 4_096;
  const streamWindow = usual ? DEFAULT_TRANSPORT.streamWindow : random.pick([least, 5 * least, 25 * least]);
  const connectionWindow = usual
    ? DEFAULT_TRANSPORT.connectionWindow
    : streamWindow * random.pick([1, 2, 16]);
  return {
    transport: {
      ...DEFAULT_TRANSPORT,
      idleTimeout: random.chance(0.8) ? idleTimeout : 30_000,
      keepAlive: random.chance(0.3),
      receiveBuffer,
      streamWindow,
      connectionWindow,
      maxStreamWindow: usual ? DEFAULT_TRANSPORT.maxStreamWindow : streamWindow * random.pick([1, 8]),
      maxConnectionWindow: usual
        ? DEFAULT_TRANSPORT.maxConnectionWindow
        : connectionWindow * random.pick([1, 4]),
      maxStreams: usual ? DEFAULT_TRANSPORT.maxStreams : random.pick([1, 3, 10, 100]),
    },
    limits: {
      cookieThreshold: random.chance(0.3) ? 0 : DEFAULT_LIMITS.cookieThreshold,
      keyUpdatePackets: random.chance(0.4) ? random.pick([20, 100, 500]) : DEFAULT_LIMITS.keyUpdatePackets,
    },
    socketBuffer: random.chance(0.5) ? Infinity : receiveBuffer,
    readTime: random.chance(0.7) ? 0 : random.between(0.005, 0.1),
  };
}

/** Draws one direction of a stream. */
export function drawDirection(random: Prng, { longest }: Nature): DirectionPlan {
  const length = random.int(random.pick([1, 100, 5_000, 5_000, 60_000, longest]));
  const sometimes = (share: number, below: number) => random.chance(share) ? random.int(below) : 0;
  const giveUp = (share: number) => random.chance(share) ? random.int(length + 1) : undefined;
  return {
    length,
    salt: random.int(2 ** 31),
    piece: 1 + random.int(random.pick([1_000, 10_000, 65_536, 200_000])),
    writePause: sometimes(0.15, 100),
    resetAt: giveUp(0.06),
    hold: sometimes(0.1, 5_000),
    readPause: sometimes(0.15, 50),
    readLate: sometimes(0.1, 5_000),
    stopAt: giveUp(0.06),
  };
}
