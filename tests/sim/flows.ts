/**
 * Bulk transfers over one simulated bottleneck: pairs of real sessions without the handshake and the cipher around
 * them, which would only cost time. For figures and tests of recovery and congestion control.
 *
 * @module
 */

import { DEFAULT_TRANSPORT, MAX_ACK_DELAY, type TransportOptions } from "../../src/transport/config.ts";
import { localParameters } from "../../src/transport/local_parameters.ts";
import { PACKET_OVERHEAD, SessionState } from "../../src/transport/session.ts";
import type { Stream } from "../../src/transport/stream.ts";
import { VirtualClock } from "./clock.ts";
import { Link, type LinkOptions } from "./link.ts";
import { Prng } from "./prng.ts";

/** A path, the same in both directions. */
export interface PathOptions extends Pick<LinkOptions, "jitter" | "reorder" | "reorderDelay"> {
  /** Round-trip time without queues, milliseconds. */
  readonly rtt: number;
  /** Bytes per millisecond. */
  readonly bandwidth: number;
  /** Probability that a datagram is lost, each way. @default 0 */
  readonly loss?: number;
  /** Bytes that wait at the bottleneck. @default one bandwidth-delay product, at least 16 packets */
  readonly queue?: number;
}

/** Size of full packets off loopback. */
export const PACKET = 1452;

/** Both links of a path. */
export function linksOf(path: PathOptions, random: Prng): [Link, Link] {
  const { rtt, bandwidth, ...rest } = path;
  const queue = path.queue ?? Math.max(rtt * bandwidth, 16 * PACKET);
  const options = { ...rest, delay: rtt / 2, bandwidth, queue };
  return [new Link(options, random.fork()), new Link(options, random.fork())];
}

/** One end of a flow. */
class End {
  session!: SessionState;
  peer!: End;
  readonly #clock: VirtualClock;
  readonly #link: Link;
  readonly #buffer = new Uint8Array(65_536);
  #timerAt = Infinity;
  #queued = false;

  constructor(clock: VirtualClock, link: Link) {
    this.#clock = clock;
    this.#link = link;
  }

  receive(packetNumber: number, plaintext: Uint8Array): void {
    this.session.receive(packetNumber, plaintext, plaintext.length + PACKET_OVERHEAD, this.#clock.now);
    this.flush();
  }

  wake(): void {
    if (this.#queued) return;
    this.#queued = true;
    this.#clock.schedule(this.#clock.now, () => {
      this.#queued = false;
      this.flush();
    });
  }

  flush(): void {
    const { session } = this;
    const { now } = this.#clock;
    for (;;) {
      const packetNumber = session.nextPacketNumber;
      const length = session.poll(this.#buffer, now);
      if (length === 0) break;
      // The link looks at the length only: nothing here damages datagrams.
      const datagram = this.#buffer.subarray(0, length + PACKET_OVERHEAD);
      let plaintext: Uint8Array | undefined;
      for (const { at } of this.#link.send(datagram, now)) {
        const bytes = plaintext ??= this.#buffer.slice(0, length);
        this.#clock.schedule(at, () => this.peer.receive(packetNumber, bytes));
      }
    }
    this.#setTimer();
  }

  #setTimer(): void {
    const at = this.session.deadline;
    if (at >= this.#timerAt) return;
    this.#timerAt = at;
    this.#clock.schedule(at, () => {
      if (this.#timerAt !== at) return;
      this.#timerAt = Infinity;
      if (this.session.deadline <= this.#clock.now) this.session.onTimeout(this.#clock.now);
      this.flush();
    });
  }
}

/** A session pair; the first end sends. */
export class Flow {
  /** Bytes that the receiving application has read. */
  received = 0;
  /** The sending session. */
  readonly sender: SessionState;
  /** The receiving session. */
  readonly receiver: SessionState;
  /** Takes streams that the sender opens; what nobody takes is read and counted. */
  onStream: ((stream: Stream) => void) | undefined;

  constructor(clock: VirtualClock, links: readonly [Link, Link], transport: Partial<TransportOptions> = {}) {
    const options = { ...DEFAULT_TRANSPORT, ...transport };
    const peer = { ...localParameters(options, 65_507), maxAckDelay: MAX_ACK_DELAY };
    const ends = links.map((link) => new End(clock, link));
    const sessions = ends.map((end, i) => {
      const address = { hostname: `192.0.2.${2 - i}`, port: 1 };
      return end.session = new SessionState(i === 0, peer, options, address, {
        onStream: (stream) => this.#onStream(stream),
        onEnd: ({ error }) => {
          throw error;
        },
        onDatagram: () => {},
        onPathChallenge: () => {},
        onPathResponse: () => {},
        onWake: () => end.wake(),
      }, clock.now);
    });
    [ends[0].peer, ends[1].peer] = [ends[1], ends[0]];
    [this.sender, this.receiver] = sessions;
    ends[0].wake();
  }

  /** Sends without end on so many streams: one alone may not fill a long path with its credit. */
  sendForEver(streams = 4): this {
    const piece = new Uint8Array(65_536);
    for (let i = 0; i < streams; i++) {
      const stream = this.sender.streams.open({ protocol: 0, priority: 3, weight: 16 });
      const pump = () => {
        while (stream.writable) stream.write(piece);
      };
      stream.onWritable = pump;
      pump();
    }
    return this;
  }

  #onStream(stream: Stream): void {
    if (this.onStream !== undefined) this.onStream(stream);
    if (stream.onReadable !== undefined) return;
    const pump = () => {
      for (let piece = stream.read(); piece !== undefined; piece = stream.read()) {
        this.received += piece.length;
      }
    };
    stream.onReadable = pump;
    pump();
  }
}

/** A bottleneck and the flows over it. */
export class Bottleneck {
  /** Time of all of them. */
  readonly clock = new VirtualClock();
  /** The way of the data and the way back. */
  readonly links: readonly [Link, Link];

  constructor(seed: number, path: PathOptions) {
    this.links = linksOf(path, new Prng(seed));
  }

  /** Adds a flow. */
  flow(transport?: Partial<TransportOptions>): Flow {
    return new Flow(this.clock, this.links, transport);
  }

  /** Lets time pass. */
  run(milliseconds: number): void {
    const until = this.clock.now + milliseconds;
    while (this.clock.step(until));
  }
}

/** Jain's index of fairness: 1 when all get the same, 1/n when one gets all. */
export function jainIndex(shares: readonly number[]): number {
  const sum = shares.reduce((a, b) => a + b, 0);
  return sum ** 2 / (shares.length * shares.reduce((a, b) => a + b * b, 0));
}

/** What Reno gets on a path, bytes per millisecond (Mathis et al. 1997), at most what the link carries. */
export function mathisBound({ rtt, loss = 0, bandwidth }: PathOptions): number {
  return Math.min(bandwidth, PACKET / rtt * Math.sqrt(3 / 2) / Math.sqrt(loss));
}
