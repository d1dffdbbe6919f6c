/** The search for the path's datagram size (RFC 8899) and the way back from black holes. */

import assert from "node:assert/strict";
import { BLACK_HOLE_LOSSES, PMTU_RAISE_TIME } from "../../src/transport/config.ts";
import { PathMtu } from "../../src/transport/path_mtu.ts";
import { SimNetwork } from "../sim/network.ts";
import type { SimNode } from "../sim/node.ts";
import { open, pattern, Reader, Writer } from "../sim/traffic.ts";

const NOW = 1_000;
const PATH = { hostname: "192.0.2.1", port: 1 };

Deno.test("path size: probes one size at a time, gives up after three losses", () => {
  const mtu = new PathMtu({ hostname: "192.0.2.1", port: 1 }, 65_507, undefined);
  assert.equal(mtu.probe(NOW), 1400);
  mtu.onSent();
  assert.equal(mtu.probe(NOW), undefined);
  mtu.onAcked(1400);
  assert.deepEqual([mtu.size, mtu.probe(NOW)], [1400, 1452]);
  for (let i = 0; i < 3; i++) {
    assert.equal(mtu.probe(NOW), 1452);
    mtu.onSent();
    mtu.onLost(NOW);
  }
  assert.deepEqual([mtu.size, mtu.probe(NOW)], [1400, undefined]);
});

Deno.test("path size: limits of the peer and of the option", () => {
  const of = (hostname: string, peer: number, option?: number) => {
    const mtu = new PathMtu({ hostname, port: 1 }, peer, option);
    for (let size = mtu.probe(NOW); size !== undefined; size = mtu.probe(NOW)) mtu.onAcked(size);
    return mtu.size;
  };
  assert.equal(of("192.0.2.1", 65_507), 1452);
  assert.equal(of("127.0.0.1", 65_507), 61_440);
  assert.equal(of("127.0.0.1", 20_000), 16_384);
  assert.equal(of("::1", 1200), 1200);
  assert.equal(of("192.0.2.1", 65_507, 8_000), 8_000);
  assert.equal(of("192.0.2.1", 65_507, 1_410), 1_410);
  assert.equal(of("192.0.2.1", 4_000, 8_000), 4_000);
  assert.equal(of("127.0.0.1", 65_507, 1200), 1200);
});

/** A search that found everything it may. */
function found(): PathMtu {
  const mtu = new PathMtu(PATH, 65_507, undefined);
  mtu.onAcked(1400);
  mtu.onAcked(1452);
  return mtu;
}

Deno.test("path size: ten minutes after a search that ended early the next begins above what was found", () => {
  const mtu = new PathMtu(PATH, 65_507, undefined);
  mtu.onAcked(1400);
  for (let i = 0; i < 3; i++) {
    mtu.onSent();
    mtu.onLost(NOW);
  }
  assert.equal(mtu.probe(NOW + PMTU_RAISE_TIME - 1), undefined);
  assert.equal(mtu.probe(NOW + PMTU_RAISE_TIME), 1452);
  mtu.onTooBig(2 * PMTU_RAISE_TIME);
  assert.equal(mtu.probe(3 * PMTU_RAISE_TIME - 1), undefined);
  assert.equal(mtu.probe(3 * PMTU_RAISE_TIME), 1452);
  mtu.onAcked(1452);
  assert.deepEqual([mtu.size, mtu.probe(1e9)], [1452, undefined], "nothing above it is left");
});

Deno.test("path size: full packets lost in a row over more than a round trip are a black hole", () => {
  const mtu = found();
  for (let i = 0; i < BLACK_HOLE_LOSSES - 1; i++) assert.equal(mtu.onPacketLost(1452, NOW + i, 5), false);
  assert.equal(mtu.onPacketLost(1452, NOW + 6, 5), true);
  assert.deepEqual([mtu.size, mtu.probe(NOW)], [1200, 1400]);
});

Deno.test("path size: no black hole is a burst within a round trip, a loss before an arrival, or one of small packets", () => {
  const burst = found();
  for (let i = 0; i < 100; i++) assert.equal(burst.onPacketLost(1452, NOW + i / 10, 10), false);
  const older = found();
  older.onPacketAcked(1452, NOW + 100);
  for (let i = 0; i < 100; i++) assert.equal(older.onPacketLost(1452, NOW + i, 10), false);
  const small = found();
  for (let i = 0; i < 100; i++) assert.equal(small.onPacketLost(1200, NOW + i, 10), false);
  const mixed = found();
  for (let i = 0; i < 100; i++) {
    assert.equal(mixed.onPacketLost(1452, NOW + i, 1), false);
    if (i % 5 === 4) mixed.onPacketAcked(1452, NOW + i);
    mixed.onPacketAcked(600, NOW + i);
  }
  assert.equal(mixed.size, 1452);
});

Deno.test("path size: another path is searched from the base", () => {
  const mtu = found();
  mtu.onPathChange({ hostname: "127.0.0.1", port: 1 });
  assert.deepEqual([mtu.size, mtu.probe(NOW)], [1200, 1400]);
  for (const size of [1400, 1452, 4096]) mtu.onAcked(size);
  assert.equal(mtu.probe(NOW), 16_384);
});

Deno.test("path size: a black hole is told by its losses while small messages still pass", () => {
  const network = new SimNetwork(1, { delay: 10, bandwidth: 2_000 });
  const server = network.node();
  const client = network.node();
  const connection = client.establish(server);
  const small = open(connection, { priority: 0 });
  const bulk = open(connection);
  const first = new Writer(bulk, 300_000);
  network.runUntil(() => server.streams.length === 2 && first.written === 300_000);
  const [, reader] = server.streams.map((stream) => new Reader(stream));
  network.run(2_000);
  const { session } = connection;
  assert.equal(session!.mtu.size, 1452);
  network.link(client, server).options = { delay: 10, bandwidth: 2_000, mtu: 1300 };
  const next = new Writer(open(connection), 20_000);
  // They arrive, so that no probe time-out ever adds up.
  let worst = 0;
  for (let i = 0; i < 200 && !next.isDone; i++) {
    small.write(pattern(0, i, 1));
    network.run(15);
    worst = Math.max(worst, session!.recovery.ptoCount);
    if (server.streams.length > 2) new Reader(server.streams.splice(2)[0]);
  }
  assert.ok(next.isDone, "full packets are sent for ever");
  assert.ok(worst < 3, `${worst} probe time-outs in a row`);
  assert.equal(session!.mtu.size, 1200);
  assert.ok(reader.isDone);
});

/** Two nodes on loopback; the bytes that each of them has sent. */
function loopback(): { network: SimNetwork; from: SimNode; to: SimNode; sent: (node: SimNode) => number } {
  const network = new SimNetwork(1, { delay: 0.1 });
  const [from, to] = [network.node({ hostname: "127.0.0.1" }), network.node({ hostname: "127.0.0.1" })];
  const bytes = new Map<SimNode, number>();
  network.tap = ({ from, datagram }) => {
    bytes.set(from, (bytes.get(from) ?? 0) + datagram.length);
    return true;
  };
  return { network, from, to, sent: (node) => bytes.get(node) ?? 0 };
}

Deno.test("path size: on loopback probes are made of what is to be sent, and cost nothing", () => {
  const { network, from, to, sent } = loopback();
  const connection = from.establish(to);
  const length = 4_000_000;
  const writer = new Writer(open(connection), length);
  network.runUntil(() => to.streams.length === 1);
  const reader = new Reader(to.streams[0]);
  network.runUntil(() => writer.isDone);
  network.run(1_000);
  assert.deepEqual([connection.session!.mtu.size, reader.read], [61_440, length]);
  const extra = sent(from) - length;
  assert.ok(extra < 20_000, `${extra} bytes on top`);
  // Who only acknowledges does not search.
  assert.ok(sent(to) < 40_000, `${sent(to)} bytes back`);
});

Deno.test("path size: on loopback who sends little does not search", () => {
  const { network, from, to, sent } = loopback();
  const connection = from.establish(to);
  open(connection).write(pattern(0, 0, 100));
  network.run(5_000);
  assert.equal(connection.session!.mtu.size, 1200);
  assert.ok(sent(from) + sent(to) < 2_500, `${sent(from)} and ${sent(to)} bytes`);
});

Deno.test("path size: on loopback a probe of data that does not pass is sent again in smaller packets", () => {
  const { network, from, to } = loopback();
  network.link(from, to).options = { delay: 0.1, mtu: 9_000 };
  const connection = from.establish(to);
  const writer = new Writer(open(connection), 500_000);
  network.runUntil(() => to.streams.length === 1);
  const reader = new Reader(to.streams[0]);
  network.runUntil(() => writer.isDone);
  network.run(1_000);
  assert.equal(reader.read, 500_000);
  assert.ok(connection.session!.mtu.size >= 4096 && connection.session!.mtu.size <= 9_000);
  assert.equal(connection.session!.recovery.lostPackets, 0, "and is no congestion");
});

Deno.test("path size: on loopback datagrams are reason enough to search", () => {
  const { network, from, to } = loopback();
  const { session } = from.establish(to);
  network.run(1_000);
  assert.equal(session!.datagrams.askMaxPayload(), 1200 - 32 - 3);
  network.run(1_000);
  assert.equal(session!.datagrams.askMaxPayload(), 61_440 - 32 - 5);
  const other = to.sessionWith(from)!.session!;
  other.datagrams.send(pattern(0, 0, 10));
  network.run(1_000);
  assert.equal(other.mtu.size, 61_440);
});
