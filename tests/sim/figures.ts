/**
 * What is measured on the simulated bottleneck: the goodput of a flow and of the TCP models, how flows share, how
 * soon a request is answered on a session that is busy.
 *
 * @module
 */

import { VirtualClock } from "./clock.ts";
import { Bottleneck, jainIndex, linksOf, mathisBound, type PathOptions } from "./flows.ts";
import { Prng } from "./prng.ts";
import { TcpModel } from "./tcp_model.ts";

/** Who sends. */
export type Sender = "hawser" | "reno" | "cubic";

/** From when to when is measured, milliseconds. */
export interface Span {
  /** Before anything is counted. */
  readonly warmUp: number;
  /** While it is. */
  readonly duration: number;
}

/**
 * Without loss 20 seconds or 200 round trips from the very beginning, slow start included. With loss, where chance
 * has to even out, 2000 round trips after 200 in which slow start is forgotten: that it begins fast is no merit.
 */
export function spanOf({ rtt, loss = 0 }: PathOptions): Span {
  if (loss === 0) return { warmUp: 0, duration: Math.max(20_000, 200 * rtt) };
  return { warmUp: 200 * rtt, duration: 2000 * rtt };
}

/** Bytes per millisecond that the receiver's application gets. */
export function goodput(sender: Sender, path: PathOptions, seed: number, span: Span = spanOf(path)): number {
  const { clock, flow } = start(sender, path, seed);
  const run = (milliseconds: number) => {
    const until = clock.now + milliseconds;
    while (clock.step(until));
  };
  run(span.warmUp);
  const before = flow.received;
  run(span.duration);
  return (flow.received - before) / span.duration;
}

function start(sender: Sender, path: PathOptions, seed: number): {
  readonly clock: VirtualClock;
  readonly flow: { readonly received: number };
} {
  if (sender === "hawser") {
    const bottleneck = new Bottleneck(seed, path);
    return { clock: bottleneck.clock, flow: bottleneck.flow().sendForEver() };
  }
  const clock = new VirtualClock();
  return { clock, flow: new TcpModel(clock, linksOf(path, new Prng(seed)), sender) };
}

/** Mean over seeds from 1 on of what {@linkcode goodput} gives. */
export function meanGoodput(sender: Sender, path: PathOptions, seeds: number, span?: Span): number {
  let sum = 0;
  for (let seed = 1; seed <= seeds; seed++) sum += goodput(sender, path, seed, span);
  return sum / seeds;
}

/** How flows shared a bottleneck. */
export interface Sharing {
  /** Jain's index. */
  readonly jain: number;
  /** Share of the link that they got together. */
  readonly share: number;
}

/** Half a minute after another one, or 500 round trips: CUBIC needs many of its long periods to even out. */
export function sharingSpanOf({ rtt }: PathOptions): Span {
  const duration = Math.max(30_000, 500 * rtt);
  return { warmUp: duration, duration };
}

/** Flows over one bottleneck that begin one after the other, so that the first have it all at first. */
export function sharing(
  flows: number,
  path: PathOptions,
  seed: number,
  span: Span = sharingSpanOf(path),
): Sharing {
  const bottleneck = new Bottleneck(seed, path);
  const all = [];
  for (let i = 0; i < flows; i++) {
    all.push(bottleneck.flow().sendForEver());
    bottleneck.run(5 * path.rtt);
  }
  bottleneck.run(span.warmUp);
  const before = all.map(({ received }) => received);
  bottleneck.run(span.duration);
  const got = all.map(({ received }, i) => received - before[i]);
  const sum = got.reduce((a, b) => a + b, 0);
  return { jain: jainIndex(got), share: sum / span.duration / path.bandwidth };
}

/** Share of a bottleneck that one of our flows has next to one of a TCP model: a half is fair. */
export function shareNextToTcp(
  kind: "reno" | "cubic",
  path: PathOptions,
  seed: number,
  span: Span = sharingSpanOf(path),
): number {
  const bottleneck = new Bottleneck(seed, path);
  const tcp = new TcpModel(bottleneck.clock, bottleneck.links, kind);
  const flow = bottleneck.flow().sendForEver();
  bottleneck.run(span.warmUp);
  const before = [flow.received, tcp.received];
  bottleneck.run(span.duration);
  const [ours, theirs] = [flow.received - before[0], tcp.received - before[1]];
  return ours / (ours + theirs);
}

/** Protocol number of the request's stream. */
const REQUEST = 7;
/** Bytes of the answer. */
export const ANSWER: number = 64 * 1024;

/** How long a request took. */
export interface RequestTime {
  /** In round-trip times of the idle path. */
  readonly idle: number;
  /** In round-trip times as the session measured them when the request was made: the queue is in them. */
  readonly loaded: number;
}

/**
 * How long requests of priority 0 wait for the last of their 64 KiB while bulk of priority 3 fills the same session,
 * for `count` requests at different times.
 */
export function requestTimes(path: PathOptions, seed: number, count: number): RequestTime[] {
  const bottleneck = new Bottleneck(seed, path);
  const { clock } = bottleneck;
  const flow = bottleneck.flow().sendForEver();
  flow.onStream = (stream) => {
    if (stream.protocol !== REQUEST) return;
    stream.onReadable = () => {
      while (stream.read() !== undefined);
      if (!stream.ended) return;
      stream.write(new Uint8Array(ANSWER));
      stream.finish();
    };
    stream.onReadable();
  };
  bottleneck.run(Math.max(3_000, 100 * path.rtt));
  const times: RequestTime[] = [];
  const random = new Prng(seed);
  for (let i = 0; i < count; i++) {
    bottleneck.run(random.between(1, 20) * path.rtt);
    const stream = flow.receiver.streams.open({ protocol: REQUEST, priority: 0, weight: 16 });
    const begin = clock.now;
    const loaded = flow.sender.smoothedRtt;
    let received = 0;
    stream.onReadable = () => {
      for (let piece = stream.read(); piece !== undefined; piece = stream.read()) received += piece.length;
    };
    stream.write(new Uint8Array(100));
    stream.finish();
    while (received < ANSWER && clock.step(begin + 1_000 * path.rtt));
    const time = clock.now - begin;
    times.push({ idle: time / path.rtt, loaded: time / loaded });
  }
  return times;
}

/** Goodput over the bound of {@linkcode mathisBound}. */
export const overBound = (bytesPerMillisecond: number, path: PathOptions): number =>
  bytesPerMillisecond / mathisBound(path);
