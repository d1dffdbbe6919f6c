/**
 * A network of real endpoints without sockets: virtual time, seeded chance, one link per direction. A run is
 * reproducible from its seed.
 *
 * @module
 */

import { sameAddress, type SocketAddress } from "../../src/transport/address.ts";
import { VirtualClock } from "./clock.ts";
import { Link, type LinkOptions } from "./link.ts";
import { SimNode, type SimNodeOptions } from "./node.ts";
import { Prng } from "./prng.ts";

/** A datagram on its way, as a tap sees it. */
export interface Sighting {
  readonly from: SimNode;
  readonly to: SocketAddress;
  readonly datagram: Uint8Array;
  readonly at: number;
}

/** Sees what reaches sockets and event loops, to judge it; changes nothing. */
export interface Watcher {
  /** A node sends a datagram. */
  onSend(from: SimNode, datagram: Uint8Array, to: SocketAddress): void;
  /** A node's endpoint has just taken a datagram and not sent anything yet. */
  onReceive(by: SimNode, datagram: Uint8Array, from: SocketAddress): void;
}

/** Virtual time after which a run that waits for something is given up, milliseconds. */
const PATIENCE = 600_000;

/** The network. */
export class SimNetwork {
  readonly clock = new VirtualClock();
  readonly nodes: SimNode[] = [];
  /** Sees every datagram before its link does; false makes it vanish. */
  tap: ((sighting: Sighting) => boolean | void) | undefined;
  /** See {@linkcode Watcher}. */
  watcher: Watcher | undefined;
  readonly #random: Prng;
  readonly #links = new Map<SimNode, Map<SimNode, Link>>();

  /** @param defaults what links do that were not set up otherwise. */
  constructor(readonly seed: number, readonly defaults: LinkOptions = {}) {
    this.#random = new Prng(seed);
  }

  /** Time. */
  get now(): number {
    return this.clock.now;
  }

  /** Adds a node. */
  node(options: SimNodeOptions = {}): SimNode {
    const node = new SimNode(this, options, this.nodes.length, this.#random.fork());
    this.nodes.push(node);
    return node;
  }

  /** The link that carries datagrams from one node to another, whatever their addresses are. */
  link(from: SimNode, to: SimNode): Link {
    let links = this.#links.get(from);
    if (links === undefined) this.#links.set(from, links = new Map());
    let link = links.get(to);
    if (link === undefined) links.set(to, link = new Link(this.defaults, this.#random.fork()));
    return link;
  }

  /** Both links between two nodes. */
  links(a: SimNode, b: SimNode): [Link, Link] {
    return [this.link(a, b), this.link(b, a)];
  }

  /** Nothing passes between two nodes any more, or again. */
  cut(a: SimNode, b: SimNode, isCut = true): void {
    for (const link of this.links(a, b)) link.cut = isCut;
  }

  /** Nothing passes from one group of nodes to another for a while, nor back unless `oneWay`. Times from now, in ms. */
  partition(
    from: readonly SimNode[],
    to: readonly SimNode[],
    { after = 0, lasts, oneWay = false }: { after?: number; lasts: number; oneWay?: boolean },
  ): void {
    const count = (change: number) => {
      for (const a of from) {
        for (const b of to) {
          this.link(a, b).outages += change;
          if (!oneWay) this.link(b, a).outages += change;
        }
      }
    };
    this.after(after, () => count(1));
    this.after(after + lasts, () => count(-1));
  }

  /** Runs something so many milliseconds from now. */
  after(milliseconds: number, run: () => void): void {
    this.clock.schedule(this.now + milliseconds, run);
  }

  /** Puts a datagram on its way. */
  send(from: SimNode, datagram: Uint8Array, to: SocketAddress): void {
    this.watcher?.onSend(from, datagram, to);
    if (this.tap?.({ from, to, datagram, at: this.now }) === false) return;
    const node = this.nodes.find(({ address }) => sameAddress(address, to));
    if (node === undefined) return;
    const { address } = from;
    const link = this.link(from, node);
    const tooBig = link.counts.tooBig;
    for (const arrival of link.send(datagram, this.now)) {
      this.clock.schedule(arrival.at, () => {
        // The mapping may have died while the datagram was on its way.
        if (sameAddress(node.address, to)) node.deliver(arrival.datagram, address);
      });
    }
    if (link.counts.tooBig > tooBig && link.options.tellsTooBig) {
      this.clock.schedule(this.now, () => from.endpoint.onTooBig(to));
    }
  }

  /** Lets time pass. */
  run(milliseconds: number): void {
    const until = this.now + milliseconds;
    while (this.clock.step(until));
  }

  /** Lets time pass until something holds. Throws when it does not within `patience` milliseconds. */
  runUntil(done: () => boolean, patience: number = PATIENCE): void {
    const limit = this.now + patience;
    while (!done()) {
      if (this.clock.step(limit)) continue;
      if (done()) return;
      throw new Error(`what was waited for did not happen within ${patience} ms`);
    }
  }

  /** Lets time pass until nothing is left to happen, at most `patience` milliseconds. */
  settle(patience: number = PATIENCE): void {
    const limit = this.now + patience;
    while (this.clock.next <= limit && this.clock.step(limit));
  }
}

/** Runs a simulation with each seed; one that fails tells its seed. */
export function withSeeds(
  count: number,
  run: (network: SimNetwork) => void,
  defaults: LinkOptions = {},
): void {
  for (let seed = 1; seed <= count; seed++) withSeed(seed, run, defaults);
}

/** Runs a simulation with one seed: to look at one that failed. */
export function withSeed(seed: number, run: (network: SimNetwork) => void, defaults: LinkOptions = {}): void {
  try {
    run(new SimNetwork(seed, defaults));
  } catch (cause) {
    throw new Error(`seed ${seed}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}
