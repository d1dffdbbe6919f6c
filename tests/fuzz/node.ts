/**
 * Live nodes with traffic between them, and a stranger on the path who changes, cuts, reorders, repeats and splices
 * what they send, between sessions, too. Nothing comes of it but counted drops.
 *
 * @module
 */

import assert from "node:assert/strict";
import { HALF_OPEN_TIMEOUT } from "../../src/transport/config.ts";
import { sameAddress, type SocketAddress } from "../../src/transport/address.ts";
import { concatBytes } from "../../src/wire/bytes.ts";
import { DATA_HEADER } from "../../src/wire/packet.ts";
import { SimNetwork } from "../sim/network.ts";
import type { SimNode } from "../sim/node.ts";
import { Prng } from "../sim/prng.ts";
import { open, Reader, Writer } from "../sim/traffic.ts";
import { Ledger } from "./ledger.ts";
import { mutate } from "./mutate.ts";
import type { Feed, FuzzTarget } from "./target.ts";

/** Datagrams that the stranger sends in one case. */
const INPUTS = 150;
/** Datagrams that the stranger remembers. */
const MEMORY = 200;
/** Bytes of each stream. */
const STREAM = 30_000;
/** Part of the honest datagrams that the stranger holds back. */
const HELD_BACK = 0.03;

const STRANGER: SocketAddress = { hostname: "198.51.100.66", port: 6_666 };
/** Milliseconds after an input. */
const PAUSES = [0, 0, 1, 5];

/** A datagram, who gets it, and from whom it seems to come. */
interface Injection {
  readonly to: number;
  readonly from: number;
  readonly datagram: Uint8Array;
}

/** The nodes, and what the stranger knows of their datagrams. */
class World {
  readonly network: SimNetwork;
  readonly nodes: readonly SimNode[];
  readonly ledger = new Ledger();
  readonly seen: Uint8Array[] = [];
  readonly held: { readonly datagram: Uint8Array; readonly from: SimNode; readonly to: SocketAddress }[] = [];
  readonly #stranger: Prng;
  #holds = false;

  constructor(seed: number) {
    const chance = new Prng(seed);
    this.#stranger = chance.fork();
    this.network = new SimNetwork(chance.int(2 ** 32), {
      delay: 3,
      jitter: 1,
      loss: 0.01,
      reorder: 0.05,
      duplicate: 0.03,
      corrupt: 0.01,
    });
    this.network.tap = (sighting) => {
      this.ledger.onSent(sighting);
      const { datagram, from, to } = sighting;
      if (this.seen.length < MEMORY) this.seen.push(datagram);
      else this.seen[this.#stranger.int(MEMORY)] = datagram;
      if (!this.#holds || !this.#stranger.chance(HELD_BACK)) return true;
      this.held.push({ datagram, from, to });
      return false;
    };
    const psk = chance.bytes(32);
    this.nodes = [0, 1, 2].map(() => this.network.node({ psk }));
    for (const node of this.nodes) this.ledger.watch(node);
  }

  /** From now on what is held back is at the stranger's hands. */
  begin(): void {
    this.#holds = this.ledger.isSettled = true;
  }

  /** All that is sent arrives again, by and by. */
  end(): void {
    this.#holds = false;
  }

  /** The stranger's next idea. */
  invent(random: Prng): Injection {
    const [to, from] = [random.int(3), random.int(4)];
    const datagram = random.pick(this.seen);
    switch (random.int(8)) {
      case 0:
        // As it was, wherever it belongs.
        return { to, from, datagram };
      case 1: {
        // The header of one, the rest of another.
        const other = random.pick(this.seen);
        return {
          to,
          from,
          datagram: concatBytes([datagram.subarray(0, DATA_HEADER), other.subarray(DATA_HEADER)]),
        };
      }
      case 2: {
        // What was held back: late, from where it came.
        const late = this.held.splice(random.int(this.held.length), 1)[0];
        if (late === undefined) return { to, from, datagram };
        return {
          to: this.nodes.findIndex(({ address }) => sameAddress(address, late.to)),
          from: this.nodes.indexOf(late.from),
          datagram: late.datagram,
        };
      }
      default:
        return { to, from, datagram: mutate(random, this.seen) };
    }
  }

  inject(to: number, from: number, datagram: Uint8Array): void {
    this.nodes[to].deliver(datagram, this.nodes[from]?.address ?? STRANGER);
  }
}

function run(seed: number, feed: Feed): void {
  const world = new World(seed);
  const { network, nodes: [server, ...clients] } = world;
  const writers: Writer[] = [];
  const readers: Reader[] = [];
  for (const client of clients) {
    const connection = client.establish(server);
    for (const end of [connection, server.sessionWith(client)!]) {
      const stream = open(end);
      writers.push(new Writer(stream, STREAM, 1));
      readers.push(new Reader(stream, 1));
    }
  }
  const take = () => {
    for (const node of world.nodes) {
      for (const stream of node.streams.splice(0)) {
        readers.push(new Reader(stream, 1));
        stream.finish();
      }
    }
  };
  const random = new Prng(seed).fork();
  world.begin();
  for (let i = 0; i < INPUTS; i++) {
    const input = feed.next(() => {
      const { to, from, datagram } = world.invent(random);
      return Uint8Array.from([to | (from << 2) | (random.int(4) << 4), ...datagram]);
    });
    if (input === undefined) break;
    const control = input[0] ?? 0;
    world.inject(Math.min(2, control & 3), (control >>> 2) & 3, input.subarray(1));
    network.run(PAUSES[(control >>> 4) & 3]);
    clients[i % 2].sessionWith(server)!.session!.datagrams.send(input.subarray(0, 100));
    take();
  }
  world.end();
  network.runUntil(() => {
    take();
    return readers.length === 8 && readers.every(({ isDone }) => isDone) &&
      writers.every(({ isDone }) => isDone);
  }, 60_000);
  network.run(HALF_OPEN_TIMEOUT + 1);
  for (const node of world.nodes) {
    assert.equal(node.ended.length, 0, "a session ended");
    assert.equal(node.endpoint.size, node === server ? 2 : 1, "handshakes or sessions are left over");
    assert.ok(node.endpoint.timerCount <= node.endpoint.size);
    assert.equal(node.endpoint.openStreams, 0);
  }
  world.ledger.isSettled = false;
  for (const node of world.nodes) {
    node.endpoint.closeAll(0, "", network.now);
    node.flush();
  }
  network.run(10_000);
  for (const { endpoint } of world.nodes) {
    assert.ok(endpoint.isIdle);
    assert.equal(endpoint.timerCount, 0);
    assert.equal(endpoint.deadline, Infinity);
  }
}

/** See the module. */
export const NODE: FuzzTarget = { name: "node", share: 20, inputsPerCase: INPUTS, run };
