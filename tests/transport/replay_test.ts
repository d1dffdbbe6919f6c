/** Captured packets, repeated and injected: no effect but counters (`protocol.md` 2.1, 2.3). */

import assert from "node:assert/strict";
import { HALF_OPEN_TIMEOUT } from "../../src/transport/config.ts";
import { datagramsDropped } from "../../src/transport/counters.ts";
import { PacketType, writeU32 } from "../../src/wire/packet.ts";
import { type Sighting, type SimNetwork, withSeed, withSeeds } from "../sim/network.ts";
import type { SimNode } from "../sim/node.ts";
import { Prng } from "../sim/prng.ts";
import { open, Reader, Writer } from "../sim/traffic.ts";

const LIMITS = { keyUpdatePackets: 40 };

/** Bytes both ways on new streams. */
function exchange(network: SimNetwork, a: SimNode, b: SimNode, length = 50_000): void {
  const before = [a.streams.length, b.streams.length];
  const writers = [
    new Writer(open(a.sessionWith(b)!), length, 1),
    new Writer(open(b.sessionWith(a)!), length, 2),
  ];
  network.runUntil(() => a.streams.length > before[0] && b.streams.length > before[1], 20_000);
  const readers = [new Reader(b.streams[before[1]], 1), new Reader(a.streams[before[0]], 2)];
  network.runUntil(() => [...writers, ...readers].every(({ isDone }) => isDone), 20_000);
}

/** What a node is, as far as a replay might change it. */
function stateOf({ endpoint, streams, ended, incoming }: SimNode): unknown {
  const { sessionsEstablished, sessionsEnded, key_updates, path_validations, internal_errors } =
    endpoint.counters;
  return {
    size: endpoint.size,
    streams: streams.length,
    ended: ended.length,
    incoming: incoming.length,
    counts: [sessionsEstablished, sessionsEnded, key_updates, path_validations, internal_errors],
    paths: [...endpoint.connections].map(({ path }) => path),
  };
}

/** Delivers a datagram that must be dropped; by the name of the counter that counted it. */
function drop(node: SimNode, datagram: Uint8Array, from: { hostname: string; port: number }): string {
  const { counters } = node.endpoint;
  const before = { ...counters };
  node.deliver(datagram.slice(), from);
  assert.equal(datagramsDropped(counters) - datagramsDropped(before), 1, "counted once");
  return (Object.keys(before) as (keyof typeof before)[])
    .find((name) => counters[name] !== before[name] && !name.endsWith("Received"))!;
}

/** A pair with a session, keys updated on the way, and everything that went between them. */
function captured(network: SimNetwork) {
  const server = network.node({ limits: LIMITS });
  const client = network.node({ limits: LIMITS });
  const seen: Sighting[] = [];
  network.tap = (sighting) => void seen.push(sighting);
  client.establish(server);
  exchange(network, client, server);
  network.run(200);
  assert.ok(server.endpoint.counters.key_updates > 0);
  network.tap = undefined;
  return { server, client, seen };
}

Deno.test("replay: everything of a session, to where it went, from there and from elsewhere", () => {
  withSeeds(5, (network) => {
    const { server, client, seen } = captured(network);
    const random = new Prng(network.seed);
    const elsewhere = { hostname: "203.0.113.1", port: 1 };
    const before = [server, client].map(stateOf);
    const names = new Set<string>();
    for (let i = 0; i < 1_000; i++) {
      const { from, datagram } = random.pick(seen);
      const to = from === client ? server : client;
      names.add(drop(to, datagram, random.chance(0.5) ? from.address : elsewhere));
    }
    // The other way round, too: a packet comes back to who sent it.
    for (const { from, datagram } of seen.slice(0, 200)) {
      names.add(drop(from, datagram, (from === client ? server : client).address));
    }
    network.run(50);
    assert.deepEqual([server, client].map(stateOf), before);
    for (const name of ["replayed", "stale_initiation", "unknown_index", "bad_mac1"]) {
      assert.ok(names.has(name));
    }
    exchange(network, client, server);
    assert.equal(server.ended.length + client.ended.length, 0);
  }, { delay: 5, jitter: 3 });
});

Deno.test("replay: while the session goes on, of every packet right behind it, no byte is lost", () => {
  withSeeds(5, (network) => {
    const server = network.node({ limits: LIMITS });
    const client = network.node({ limits: LIMITS });
    client.establish(server);
    network.tap = ({ from, datagram }) => {
      const copy = datagram.slice();
      const to = from === client ? server : client;
      // At 25 ms the original has come.
      network.after(25, () => to.deliver(copy, { hostname: "203.0.113.1", port: 1 }));
    };
    exchange(network, client, server, 200_000);
    for (const { endpoint } of [server, client]) {
      assert.ok(endpoint.counters.replayed > 50);
      assert.equal(endpoint.counters.path_validations, 0);
      assert.equal(endpoint.counters.bad_packet, 0);
    }
  }, { delay: 5, jitter: 3 });
});

Deno.test("replay: to another node, with and without sessions of its own", () => {
  withSeed(1, (network) => {
    const { server, client, seen } = captured(network);
    const third = network.node();
    network.node().establish(third);
    network.run(200);
    const before = stateOf(third);
    const names = new Set(seen.map(({ from, datagram }) => drop(third, datagram, from.address)));
    assert.deepEqual([...names].sort(), ["bad_mac1", "unknown_index"]);
    assert.deepEqual(stateOf(third), before);
    exchange(network, client, server);
  }, { delay: 5 });
});

Deno.test("replay: to a node that has restarted makes no session, and keeps nobody out", () => {
  withSeed(2, (network) => {
    const { server, client, seen } = captured(network);
    server.restart();
    // It does not know any more that the initiation is old; but nobody confirms its answer.
    const sent = seen.filter(({ from }) => from === client);
    for (const { datagram } of [...sent, ...sent]) server.deliver(datagram.slice(), client.address);
    assert.equal(server.endpoint.counters.sessionsEstablished, 0);
    assert.ok(server.endpoint.size <= 1);
    client.restart();
    client.establish(server);
    exchange(network, client, server);
    network.run(HALF_OPEN_TIMEOUT);
    assert.equal(server.endpoint.size, 1);
  }, { delay: 5 });
});

Deno.test("injection: packets of one session in another are dropped and counted", () => {
  withSeeds(3, (network) => {
    const { server, client, seen } = captured(network);
    const other = network.node();
    other.establish(server);
    network.run(200);
    const before = [server, other].map(stateOf);
    const toServer = server.sessionWith(other)!;
    const toOther = other.sessionWith(server)!;
    const names = new Set<string>();
    for (const { from, datagram } of seen) {
      if (datagram[0] !== PacketType.DATA) continue;
      const [node, { localIndex }] = from === client ? [server, toServer] : [other, toOther];
      const source = node === server ? other.address : server.address;
      for (const phase of [0, 1]) {
        const packet = datagram.slice();
        packet[1] = phase;
        writeU32(packet, 4, localIndex);
        names.add(drop(node, packet, source));
      }
    }
    // Numbers seen before do not even get that far.
    assert.deepEqual([...names].sort(), ["bad_packet", "replayed"]);
    network.run(50);
    assert.deepEqual([server, other].map(stateOf), before);
    exchange(network, other, server);
    exchange(network, client, server);
  }, { delay: 5, jitter: 3 });
});
