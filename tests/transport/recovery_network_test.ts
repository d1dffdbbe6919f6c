/** Sessions on paths that fail for a while: outages, stalls, idle time-outs, size limits, hostile copies. */

import assert from "node:assert/strict";
import { PeerSilentError, SessionClosedError } from "../../src/errors.ts";
import { ErrorCode } from "../../src/transport/config.ts";
import { PacketType, readPacketNumber } from "../../src/wire/packet.ts";
import { type Sighting, SimNetwork, withSeeds } from "../sim/network.ts";
import type { SimNode } from "../sim/node.ts";
import { open, Reader, Writer } from "../sim/traffic.ts";

const MIB = 2 ** 20;
const LOOPBACK = { hostname: "127.0.0.1" };

/** Starts a transfer from client to server and lets it run for a while. */
function transfer(network: SimNetwork, length: number, lead: number) {
  const server = network.node();
  const client = network.node();
  const connection = client.establish(server);
  const writer = new Writer(open(connection), length);
  network.runUntil(() => server.streams.length === 1);
  const reader = new Reader(server.streams[0]);
  network.run(lead);
  assert.ok(!writer.isDone, "the transfer is to be interrupted");
  return { server, client, connection, writer, reader };
}

// --- outages ---

Deno.test("outage: everything is lost for ten seconds, then the transfer goes on", () => {
  withSeeds(10, (network) => {
    const { server, client, writer, reader } = transfer(network, 4 * MIB, 200);
    network.cut(client, server);
    network.run(10_000);
    const stood = reader.read;
    network.run(5_000);
    assert.equal(reader.read, stood);
    network.cut(client, server, false);
    network.runUntil(() => writer.isDone, 40_000);
    assert.equal(reader.read, 4 * MIB);
    assert.equal(client.ended.length + server.ended.length, 0);
  }, { bandwidth: 2_000, delay: 20, queue: 100_000 });
});

Deno.test("outage: probes become ever rarer, but not rarer than a sixth of the idle time-out", () => {
  const network = new SimNetwork(1, { delay: 20, bandwidth: 2_000 });
  const { server, client } = transfer(network, 4 * MIB, 200);
  network.cut(client, server);
  const probes: number[] = [];
  network.tap = ({ from, at }) => {
    if (from === client) probes.push(at);
  };
  // What the window still allows goes first.
  network.run(1_000);
  probes.length = 0;
  network.run(25_000);
  assert.ok(probes.length <= 16, `${probes.length} packets in 25 s`);
  const gaps = [...new Set(probes)].map((at, i, all) => at - all[i - 1]).slice(1);
  for (const [i, gap] of gaps.entries()) {
    if (i > 0) {
      assert.ok(Math.abs(gap - 5_000) < 1e-6 || Math.abs(gap / gaps[i - 1] - 2) < 0.1, `gaps ${gaps}`);
    }
  }
  assert.equal(gaps[gaps.length - 1], 5_000);
});

Deno.test("outage: twenty-two seconds with an idle time-out of thirty, with a full window and without", () => {
  withSeeds(8, (network) => {
    const { server, client, writer, reader } = transfer(network, 4 * MIB, 600);
    // With each of these round-trip times the probes fall at other moments of the outage.
    for (const link of network.links(client, server)) {
      link.options = { bandwidth: 1_000, delay: 20 * network.seed, queue: 100_000 };
    }
    // An idle session with an open stream has nothing in flight: its keep-alive is what asks.
    const quiet = open(client.establish(network.node()));
    network.run(1_400);
    for (const node of network.nodes) network.partition([client], [node], { lasts: 22_000 });
    network.runUntil(() => writer.isDone, 60_000);
    assert.equal(reader.read, 4 * MIB);
    network.run(30_000);
    assert.equal(client.ended.length + server.ended.length, 0);
    assert.equal(quiet.error, undefined);
  }, { bandwidth: 1_000, delay: 40, queue: 100_000 });
});

Deno.test("outage: one direction only", () => {
  for (const direction of [0, 1]) {
    const network = new SimNetwork(direction, { bandwidth: 2_000, delay: 20 });
    const { server, client, writer } = transfer(network, 3 * MIB, 100);
    const link = network.links(client, server)[direction];
    link.cut = true;
    network.run(8_000);
    link.cut = false;
    network.runUntil(() => writer.isDone, 40_000);
  }
});

Deno.test("outage: longer than the idle time-out, both sides end with PeerSilentError, nothing is left", () => {
  const network = new SimNetwork(1, { bandwidth: 2_000 });
  const { server, client, writer } = transfer(network, 4 * MIB, 200);
  network.cut(client, server);
  network.run(70_000);
  for (const node of [client, server]) {
    assert.equal(node.ended.length, 1);
    assert.ok(node.ended[0].end.error instanceof PeerSilentError);
    assert.ok(node.endpoint.isIdle);
    assert.equal(node.endpoint.deadline, Infinity);
  }
  assert.ok(writer.stream.error instanceof PeerSilentError);
});

Deno.test("persistent congestion: after an outage the window is at its least, then grows again", () => {
  const network = new SimNetwork(1, { bandwidth: 5_000, delay: 10 });
  const { server, client, connection, writer } = transfer(network, 64 * MIB, 1_000);
  const { recovery } = connection.session!;
  const before = recovery.window;
  network.cut(client, server);
  network.run(8_000);
  network.cut(client, server, false);
  let least = Infinity;
  network.runUntil(() => (least = Math.min(least, recovery.window)) < before / 8 || writer.isDone, 20_000);
  assert.equal(least, 2 * connection.session!.mtu.size);
  network.runUntil(() => recovery.window > before / 2, 30_000);
});

// --- stalls ---

Deno.test("stall: an event loop that stands still for seconds kills no session and judges nothing lost", () => {
  withSeeds(10, (network) => {
    const { server, client, connection, writer, reader } = transfer(network, 2 * MIB, 300);
    const node = network.seed % 2 === 0 ? server : client;
    node.stall(4_000);
    network.runUntil(() => writer.isDone, 40_000);
    assert.equal(reader.read, 2 * MIB);
    assert.equal(client.ended.length + server.ended.length, 0);
    if (node === client) assert.equal(connection.session!.recovery.lostPackets, 0);
  }, { delay: 15, bandwidth: 1_000, queue: 10_000_000 });
});

Deno.test("stall: five seconds lose no session, whichever side stands still and however small its socket is", () => {
  withSeeds(16, (network) => {
    const socketBuffer = network.seed % 4 < 2 ? 20_000 : Infinity;
    const server = network.node({ socketBuffer });
    const client = network.node({ socketBuffer });
    const stream = open(client.establish(server));
    const writer = new Writer(stream, 3 * MIB);
    network.runUntil(() => server.streams.length === 1);
    const reader = new Reader(server.streams[0]);
    const back = new Writer(server.streams[0], MIB);
    const answers = new Reader(stream);
    for (let i = 0; i < 3; i++) {
      network.run(200 + 50 * network.seed);
      (network.seed % 2 === 0 ? server : client).stall(5_000);
    }
    network.runUntil(() => writer.isDone && back.isDone, 60_000);
    assert.deepEqual([reader.read, answers.read], [3 * MIB, MIB]);
    assert.equal(client.ended.length + server.ended.length, 0);
    assert.ok(client.sessionWith(server)!.session!.isOpen && server.sessionWith(client)!.session!.isOpen);
  }, { delay: 15, bandwidth: 1_000, queue: 200_000 });
});

Deno.test("stall: longer than the idle time-out while the peer has kept on, the session lives", () => {
  const network = new SimNetwork(1);
  const server = network.node({ transport: { idleTimeout: 10_000, keepAlive: true } });
  const client = network.node({ transport: { idleTimeout: 10_000 } });
  client.establish(server);
  network.run(1_000);
  // The peer's PINGs are in the socket when the loop comes back: nothing may be judged before they are read.
  client.stall(9_900);
  network.run(30_000);
  assert.ok(client.sessionWith(server)!.session!.isOpen);
});

// --- liveness ---

Deno.test("keep-alive: a session with an open stream outlives any silence, one without ends", () => {
  const network = new SimNetwork(1);
  const server = network.node();
  const client = network.node();
  const stream = open(client.establish(server));
  stream.write(new Uint8Array(1));
  network.run(300_000);
  assert.ok(client.sessionWith(server)!.session!.isOpen);
  stream.finish();
  while (server.streams[0].read() !== undefined);
  server.streams[0].finish();
  network.run(41_000);
  assert.ok(client.sessionWith(server) === undefined);
  assert.ok(client.endpoint.isIdle && server.endpoint.isIdle);
});

// --- close ---

Deno.test("close: the peer is told, both drain, nothing is left", () => {
  withSeeds(30, (network) => {
    const { server, client, connection } = transfer(network, 4 * MIB, 150);
    connection.session!.close(42, "over", network.now);
    network.run(35_000);
    assert.equal(client.ended[0].end.code, 42);
    const [{ end }] = server.ended;
    if (network.seed > 10) return;
    assert.deepEqual([end.code, end.reason, end.remote], [42, "over", true]);
    assert.ok(end.error instanceof SessionClosedError);
    for (const node of [client, server]) {
      assert.ok(node.endpoint.isIdle);
      assert.equal(node.endpoint.deadline, Infinity);
    }
  }, { bandwidth: 2_000 });
});

Deno.test("close: nobody lingers once the peer has answered", () => {
  const network = new SimNetwork(1, { bandwidth: 20_000, delay: 20 });
  const [server, client] = [network.node(), network.node()];
  const connection = client.establish(server);
  connection.session!.close(0, "", network.now);
  // Longer than there and back, shorter than one probe time-out.
  network.run(45);
  assert.ok(client.endpoint.isIdle);
  assert.equal(server.ended.length, 1);
});

Deno.test("close: a lost CONNECTION_CLOSE is sent again to a peer that goes on", () => {
  const network = new SimNetwork(1, { bandwidth: 2_000, delay: 20 });
  const { server, client } = transfer(network, 4 * MIB, 200);
  const remote = server.sessionWith(client)!;
  let lost = 0;
  network.tap = ({ from }) => from !== server || ++lost > 3;
  remote.session!.close(1, "", network.now);
  network.runUntil(() => client.ended.length === 1, 2_000);
  assert.equal(client.ended[0].end.code, 1);
});

Deno.test("close: closeAll ends every session and every handshake", () => {
  const network = new SimNetwork(1);
  const server = network.node();
  const client = network.node();
  const nobody = network.node();
  nobody.kill();
  client.establish(server);
  const waiting = client.connect(nobody);
  client.endpoint.closeAll(ErrorCode.NO_ERROR, "node closed", client.now);
  client.flush();
  assert.equal(waiting.phase, "gone");
  network.run(2_000);
  assert.ok(client.endpoint.isIdle);
  assert.equal(client.ended.length, 2);
  assert.equal(server.ended[0].end.reason, "node closed");
});

// --- path size ---

/** Datagram size that a bulk transfer between two nodes comes to. */
function datagramSize(options: { hostname?: string }, defaults = {}, transport = {}): [number, SimNetwork] {
  const network = new SimNetwork(1, { delay: 2, ...defaults });
  const server = network.node({ hostname: options.hostname, transport });
  const client = network.node({ hostname: options.hostname, transport });
  const connection = client.establish(server);
  const writer = new Writer(open(connection), 3 * MIB);
  network.runUntil(() => server.streams.length === 1);
  new Reader(server.streams[0]);
  network.runUntil(() => writer.isDone);
  network.run(5_000);
  return [connection.session!.mtu.size, network];
}

const sizes: [string, number, Parameters<typeof datagramSize>][] = [
  ["1452 off loopback", 1452, [{}]],
  ["61440 on loopback", 61440, [LOOPBACK]],
  ["1200 where no more passes", 1200, [{}, { mtu: 1200 }]],
  ["1400 where 1400 passes", 1400, [{}, { mtu: 1420 }]],
  ["16384 on a loopback that is limited", 16384, [LOOPBACK, { mtu: 20_000 }]],
  ["1400 where the socket refuses more", 1400, [{}, { mtu: 1400, tellsTooBig: true }]],
  ["what the option allows", 9000, [{}, {}, { maxDatagramSize: 9000 }]],
  ["less if the option says so", 1300, [LOOPBACK, {}, { maxDatagramSize: 1300 }]],
  ["1452 with loss", 1452, [{}, { loss: 0.02 }]],
];
for (const [name, size, args] of sizes) {
  Deno.test(`path size: ${name}`, () => {
    const [found] = datagramSize(...args);
    assert.equal(found, size);
  });
}

Deno.test("path size: a lost probe is no congestion, and nothing but probes is lost to it", () => {
  const [, network] = datagramSize({}, { mtu: 1300 });
  const [server, client] = network.nodes;
  assert.equal(client.sessionWith(server)!.session!.recovery.lostPackets, 0);
  assert.ok(network.link(client, server).counts.tooBig >= 3);
});

Deno.test("path size: a path that ceases to carry it is a black hole for a moment only", () => {
  for (const [hostname, mtu] of [[undefined, 1300], ["127.0.0.1", 9_000]] as const) {
    const network = new SimNetwork(1, { delay: 5, bandwidth: 2_000 });
    const server = network.node({ hostname });
    const client = network.node({ hostname });
    const connection = client.establish(server);
    const writer = new Writer(open(connection), 8 * MIB);
    network.runUntil(() => server.streams.length === 1);
    const reader = new Reader(server.streams[0]);
    network.run(1_000);
    assert.ok(connection.session!.mtu.size > mtu && !writer.isDone);
    network.link(client, server).options = { delay: 5, bandwidth: 2_000, mtu };
    network.runUntil(() => writer.isDone, 60_000);
    assert.equal(reader.read, 8 * MIB);
    assert.equal(connection.session!.mtu.size, mtu === 1300 ? 1200 : 4096, "and it searches anew");
  }
});

Deno.test("path size: a black hole is noticed though small packets pass all the time", () => {
  const network = new SimNetwork(1, { delay: 5, bandwidth: 2_000 });
  const server = network.node();
  const client = network.node();
  const connection = client.establish(server);
  const writer = new Writer(open(connection), 2 * MIB);
  network.runUntil(() => server.streams.length === 1);
  const reader = new Reader(server.streams[0]);
  network.run(300);
  assert.equal(connection.session!.mtu.size, 1452);
  network.link(client, server).options = { delay: 5, bandwidth: 2_000, mtu: 1300 };
  // Each of these is acknowledged, so that no probe time-out grows.
  const ping = () => {
    if (writer.isDone) return;
    connection.session!.ping();
    network.after(7, ping);
  };
  ping();
  network.runUntil(() => connection.session!.mtu.size === 1200, 2_000);
  network.runUntil(() => writer.isDone, 20_000);
  assert.equal(reader.read, 2 * MIB);
});

Deno.test("path size: heavy loss is no black hole", () => {
  withSeeds(5, (network) => {
    const { connection, writer } = transfer(network, MIB, 300);
    let least = Infinity;
    network.runUntil(() => {
      const { size } = connection.session!.mtu;
      if (size > 1400) least = 1452;
      else if (least < Infinity) least = size;
      return writer.isDone || least < 1452;
    });
    assert.equal(least, 1452);
  }, { loss: 0.1, delay: 10, bandwidth: 2_000 });
});

Deno.test("path size: after an outage it is found again", () => {
  const network = new SimNetwork(1, { delay: 5, bandwidth: 2_000 });
  const { server, client, connection, writer } = transfer(network, 8 * MIB, 300);
  network.cut(client, server);
  network.run(3_000);
  network.cut(client, server, false);
  network.runUntil(() => writer.isDone);
  assert.equal(connection.session!.mtu.size, 1452);
});

// --- copies of packets ---

Deno.test("replay: a packet that comes again is dropped and counted, at once or later", () => {
  const network = new SimNetwork(1);
  const server = network.node();
  const client = network.node();
  const packets: Sighting[] = [];
  network.tap = (sighting) => {
    if (sighting.from === client && sighting.datagram[0] === PacketType.DATA) packets.push(sighting);
  };
  const writer = new Writer(open(client.establish(server)), 100_000);
  network.runUntil(() => server.streams.length === 1);
  const reader = new Reader(server.streams[0]);
  network.runUntil(() => writer.isDone);
  network.run(100);
  const { counters } = server.endpoint;
  assert.equal(counters.replayed, 0);
  const sent = server.endpoint.counters.datagramsSent;
  for (const { datagram } of packets) server.deliver(datagram, client.address);
  network.run(1_000);
  assert.equal(counters.replayed, packets.length);
  assert.equal(reader.read, 100_000);
  assert.equal(counters.datagramsSent, sent, "a replay gets no answer");
});

Deno.test("injection: packets of one session do not authenticate in another", () => {
  const network = new SimNetwork(1);
  const server = network.node();
  const [client, other] = [network.node(), network.node()];
  const packets: Uint8Array[] = [];
  const connection = client.establish(server);
  const victim = other.establish(server);
  network.tap = ({ from, datagram }) => {
    if (from === client) packets.push(datagram);
  };
  const writer = new Writer(open(connection), 20_000);
  network.runUntil(() => server.streams.length === 1);
  new Reader(server.streams[0]);
  network.runUntil(() => writer.isDone);
  const index = indexOf(victim.peerKey, server, other);
  const { counters } = server.endpoint;
  const before = counters.bad_packet + counters.replayed;
  for (const packet of packets) {
    const forged = packet.slice();
    forged.set(index, 4);
    assert.ok(readPacketNumber(forged) !== undefined);
    server.deliver(forged, other.address);
  }
  assert.equal(counters.bad_packet + counters.replayed - before, packets.length);
  assert.ok(counters.bad_packet > 0);
  assert.ok(victim.session!.isOpen);
  // Our own packets, sent back to us, neither.
  const seen: Sighting[] = [];
  network.tap = (sighting) => void seen.push(sighting);
  victim.session!.ping();
  network.run(200);
  for (const { from, datagram } of seen) if (from === other) other.deliver(datagram, server.address);
  assert.ok(other.endpoint.counters.unknown_index + other.endpoint.counters.bad_packet > 0);
});

/** The receiver index on packets from `from` to `to`, as four bytes. */
function indexOf(_key: Uint8Array, to: SimNode, from: SimNode): Uint8Array {
  const local = to.sessionWith(from)!.localIndex;
  return new Uint8Array([local & 255, (local >>> 8) & 255, (local >>> 16) & 255, local >>> 24]);
}
