/** Address change: path validation, rebinding NATs, and those who would like to be taken for one (RFC 9000 §8.2, §9). */

import assert from "node:assert/strict";
import fc from "fast-check";
import { sameAddress, type SocketAddress } from "../../src/transport/address.ts";
import { MAX_PATH_RESPONSES, PATH_QUIET_TIME } from "../../src/transport/config.ts";
import { zeroCounters } from "../../src/transport/counters.ts";
import { Paths } from "../../src/transport/paths.ts";
import { toHex } from "../../src/wire/bytes.ts";
import { FrameType } from "../../src/wire/frame.ts";
import { PacketType } from "../../src/wire/packet.ts";
import { only } from "../sim/frames.ts";
import { frame, HEADER } from "../sim/lone_session.ts";
import { SimNetwork, withSeed, withSeeds } from "../sim/network.ts";
import type { SimNode } from "../sim/node.ts";
import { RawPeer } from "../sim/raw_peer.ts";
import { open, Reader, Writer } from "../sim/traffic.ts";

const HOME = { hostname: "192.0.2.1", port: 1 };
const AWAY = { hostname: "198.51.100.1", port: 2 };
const ELSEWHERE = { hostname: "203.0.113.1", port: 3 };
const PTO = 40;
const INITIAL_PTO = 100;
const OVERHEAD = 32;

/** The paths of a session that a test plays. */
class Lone {
  readonly counters = zeroCounters();
  readonly moves: { path: SocketAddress; roundTrip: number | undefined }[] = [];
  readonly paths: Paths;
  readonly sent: { to: SocketAddress; type: number; data: Uint8Array; at: number }[] = [];
  now = 0;
  #byte = 0;

  constructor() {
    this.paths = new Paths(HOME, {
      counters: this.counters,
      probeTimeout: PTO,
      initialProbeTimeout: () => INITIAL_PTO,
      draw: (length) => new Uint8Array(length).fill(++this.#byte),
      onPathChange: (path, roundTrip) => void this.moves.push({ path, roundTrip }),
    });
  }

  /** Sends what is due. */
  poll(): void {
    const out = new Uint8Array(1200);
    for (;;) {
      const length = this.paths.write(out, OVERHEAD, this.now);
      if (length === 0) break;
      for (let at = 0; at < length; at += 9) {
        const data = out.slice(at + 1, at + 9);
        this.sent.push({ to: this.paths.destination, type: out[at], data, at: this.now });
      }
    }
  }

  /** Lets time pass until a moment. */
  runTo(end: number): void {
    this.poll();
    for (let turns = 0; this.paths.deadline <= end; turns++) {
      assert.ok(turns < 100, "time stands still");
      this.now = Math.max(this.now, this.paths.deadline);
      this.paths.onTimeout(this.now);
      this.poll();
    }
    this.now = end;
  }

  /** What was sent to an address. */
  to(address: SocketAddress) {
    return this.sent.filter(({ to }) => sameAddress(to, address));
  }

  /** The peer answers what was sent to an address last. */
  answer(address: SocketAddress): void {
    this.paths.onResponse(this.to(address).at(-1)!.data, this.now);
    this.poll();
  }
}

Deno.test("paths: both addresses are challenged, the session moves when only the new one answers", () => {
  const lone = new Lone();
  lone.paths.onForeign(AWAY, 100, true, 0);
  lone.runTo(30);
  lone.answer(AWAY);
  assert.deepEqual(lone.moves, [], "the old one has its time to answer");
  lone.runTo(PTO);
  assert.deepEqual(lone.moves, [{ path: AWAY, roundTrip: 30 }]);
  assert.equal(lone.paths.current, AWAY);
  assert.equal(lone.paths.deadline, Infinity);
  assert.deepEqual(lone.to(HOME).map(({ at, type }) => [at, type]), [[0, 0x1a], [PTO / 4, 0x1a]]);
  assert.equal(lone.to(AWAY).length, 1);
  assert.notEqual(toHex(lone.to(HOME)[0].data), toHex(lone.to(AWAY)[0].data));
  assert.deepEqual([lone.counters.path_validations, lone.counters.path_changes], [1, 1]);
});

Deno.test("paths: the session stays when the old address answers, before or after the new one", () => {
  for (const order of [[HOME], [HOME, AWAY], [AWAY, HOME]]) {
    const lone = new Lone();
    lone.paths.onForeign(AWAY, 100, true, 0);
    lone.runTo(5);
    for (const address of order) lone.answer(address);
    lone.runTo(PATH_QUIET_TIME);
    lone.paths.onForeign(AWAY, 100, true, lone.now);
    lone.runTo(PATH_QUIET_TIME + 4);
    assert.deepEqual([lone.moves.length, lone.counters.paths_kept, lone.counters.path_validations], [
      0,
      1,
      1,
    ]);
    lone.paths.onForeign(AWAY, 100, true, PATH_QUIET_TIME + 5);
    assert.equal(lone.counters.path_validations, 2, "asked again when it has been quiet");
  }
});

Deno.test("paths: without an answer it ends after three challenges, and may begin again", () => {
  const lone = new Lone();
  lone.paths.onForeign(AWAY, 500, true, 0);
  lone.runTo(3 * INITIAL_PTO);
  assert.deepEqual(lone.to(AWAY).map(({ at }) => at), [0, INITIAL_PTO, 2 * INITIAL_PTO]);
  assert.deepEqual([lone.counters.path_failures, lone.moves.length], [1, 0]);
  assert.equal(lone.paths.current, HOME);
  lone.paths.onForeign(AWAY, 100, true, lone.now);
  lone.runTo(lone.now + INITIAL_PTO + 1);
  lone.answer(AWAY);
  assert.deepEqual(lone.moves, [{ path: AWAY, roundTrip: undefined }], "two challenges tell no round trip");
});

Deno.test("paths: an overtaken packet, and answers to nothing, change nothing", () => {
  const lone = new Lone();
  lone.paths.onForeign(AWAY, 100, false, 0);
  lone.paths.onResponse(new Uint8Array(8), 0);
  lone.runTo(1_000);
  assert.equal(lone.sent.length, 0);
  lone.paths.onForeign(AWAY, 100, true, 1_000);
  lone.poll();
  lone.paths.onResponse(new Uint8Array(8), 1_000);
  lone.paths.onForeign(ELSEWHERE, 100, true, 1_000);
  lone.runTo(1_010);
  assert.equal(lone.to(ELSEWHERE).length, 0, "one at a time");
  lone.paths.stop();
  lone.runTo(10_000);
  assert.deepEqual([lone.moves.length, lone.counters.path_failures], [0, 0]);
});

Deno.test("paths: an address that has not answered gets three times what came from it at most", () => {
  const packet = fc.record({
    from: fc.constantFrom(AWAY, ELSEWHERE),
    size: fc.integer({ min: 33, max: 200 }),
  });
  fc.assert(fc.property(fc.array(fc.record({ packet, wait: fc.nat(300) }), { maxLength: 30 }), (steps) => {
    const lone = new Lone();
    const received = new Map<SocketAddress, number>([[AWAY, 0], [ELSEWHERE, 0]]);
    for (const { packet: { from, size }, wait } of steps) {
      received.set(from, received.get(from)! + size);
      lone.paths.onForeign(from, size, true, lone.now);
      lone.runTo(lone.now + wait);
      for (const address of [AWAY, ELSEWHERE]) {
        assert.ok(lone.to(address).length * (OVERHEAD + 9) <= 3 * received.get(address)!);
      }
    }
  }));
});

Deno.test("paths: challenges are answered where they came from, eight waiting ones at most", () => {
  const lone = new Lone();
  for (let i = 0; i < 20; i++) lone.paths.onChallenge(i % 2 === 0 ? AWAY : HOME, new Uint8Array(8).fill(i));
  lone.poll();
  assert.equal(lone.sent.length, MAX_PATH_RESPONSES);
  assert.deepEqual(lone.to(AWAY).map(({ data }) => data[0]), [0, 2, 4, 6]);
  assert.deepEqual(lone.to(HOME).map(({ data }) => data[0]), [1, 3, 5, 7]);
  for (const { type } of lone.sent) assert.equal(type, FrameType.PATH_RESPONSE);
});

// --- on the network ---

interface Transfer {
  readonly writers: Writer[];
  readonly readers: Reader[];
}

/** Both sides write to each other. */
function transfer(network: SimNetwork, a: SimNode, b: SimNode, lengths: [number, number]): Transfer {
  const writers = [
    new Writer(open(a.sessionWith(b)!), lengths[0], 1),
    new Writer(open(b.sessionWith(a)!), lengths[1], 2),
  ];
  network.runUntil(() => a.streams.length > 0 && b.streams.length > 0);
  const readers = [new Reader(b.streams[0], 1), new Reader(a.streams[0], 2)];
  return { writers, readers };
}

function isDone({ writers, readers }: Transfer): boolean {
  return writers.every((writer) => writer.isDone) && readers.every((reader) => reader.isDone);
}

const BAD = { delay: 15, jitter: 10, loss: 0.02, reorder: 0.05, bandwidth: 500 };

for (const role of ["initiator", "responder"] as const) {
  for (const [what, lengths] of [["sends", [1, 0]], ["receives", [0, 1]], ["both", [1, 1]]] as const) {
    Deno.test(`rebinding of the ${role} in mid transfer loses no byte: ${what}`, () => {
      withSeeds(8, (network) => {
        const server = network.node();
        const client = network.node();
        client.establish(server);
        const mobile = role === "initiator" ? client : server;
        const other = role === "initiator" ? server : client;
        const running = transfer(network, mobile, other, [lengths[0] * 400_000, lengths[1] * 400_000]);
        const connection = other.sessionWith(mobile)!;
        for (const after of [100 + network.seed * 10, 400]) {
          network.run(after);
          mobile.rebind();
        }
        network.runUntil(() => isDone(running), 60_000);
        assert.deepEqual([mobile.ended.length, other.ended.length], [0, 0]);
        network.runUntil(() => sameAddress(connection.path, mobile.address), 30_000);
        assert.ok(other.endpoint.counters.path_changes >= 1);
        assert.equal(mobile.endpoint.counters.path_changes, 0);
      }, BAD);
    });
  }
}

Deno.test("rebinding after a stall that made round trips of seconds: lost challenges are soon sent again", () => {
  const network = new SimNetwork(1, { delay: 10, bandwidth: 1_000 });
  const transport = { idleTimeout: 10_000 };
  const server = network.node({ transport });
  const client = network.node({ transport });
  const writer = new Writer(open(client.establish(server)), 4_000_000);
  network.runUntil(() => server.streams.length === 1);
  const reader = new Reader(server.streams[0]);
  const back = new Writer(server.streams[0], 4_000_000);
  new Reader(writer.stream);
  network.run(300);
  server.stall(4_000);
  network.run(4_050);
  assert.ok(server.sessionWith(client)!.session!.probeTimeout > 3_000);
  client.rebind();
  let lost = 0;
  network.tap = ({ from, to }) => from !== server || !sameAddress(to, client.address) || ++lost > 2;
  network.runUntil(() => writer.isDone && back.isDone, 10_000);
  assert.equal(reader.read, 4_000_000);
  assert.equal(server.ended.length + client.ended.length, 0);
});

Deno.test("rebinding while nothing is open is found with the next packet", () => {
  withSeed(1, (network) => {
    const server = network.node();
    const client = network.node();
    const connection = client.establish(server);
    network.run(1_000);
    client.rebind({ hostname: "198.51.100.7", port: 9 });
    const writer = new Writer(open(connection), 20_000);
    network.runUntil(() => server.streams.length > 0);
    new Reader(server.streams[0]);
    network.runUntil(() => writer.isDone, 2_000);
    assert.deepEqual(server.sessionWith(client)!.path, client.address);
    const { rtt } = server.sessionWith(client)!.session!.recovery;
    assert.ok(rtt.sampled && rtt.smoothed >= 19 && rtt.smoothed < 40, `${rtt.smoothed}`);
  }, { delay: 10 });
});

/** What an attacker does who sees the client's packets and is faster than they are. */
function attack(network: SimNetwork, client: SimNode, server: SimNode, relays: boolean) {
  const spoofed = { ...ELSEWHERE };
  const bytes = { there: 0, back: 0 };
  network.tap = ({ from, to, datagram }) => {
    if (sameAddress(to, spoofed)) {
      bytes.back += datagram.length;
      const [peer, source] = from === server ? [client, spoofed] : [server, spoofed];
      if (relays) network.after(2, () => peer.deliver(datagram, source));
      return false;
    }
    if (from !== client || datagram[0] !== PacketType.DATA) return true;
    bytes.there += datagram.length;
    const copy = datagram.slice();
    network.after(1, () => server.deliver(copy, spoofed));
    return true;
  };
  return bytes;
}

for (const relays of [false, true]) {
  const kind = relays ? "and relays what comes back" : "and is silent";
  Deno.test(`an attacker who repeats packets from another address ${kind} does not get the session`, () => {
    withSeeds(10, (network) => {
      const server = network.node();
      const client = network.node();
      client.establish(server);
      network.run(200);
      const bytes = attack(network, client, server, relays);
      const running = transfer(network, client, server, [300_000, 300_000]);
      network.runUntil(() => isDone(running), 60_000);
      const connection = server.sessionWith(client)!;
      assert.deepEqual(connection.path, client.address);
      const { counters } = server.endpoint;
      assert.ok(counters.path_validations > 0 && counters.paths_kept > 0);
      assert.equal(counters.path_changes + client.endpoint.counters.path_changes, 0);
      assert.ok(bytes.back <= 3 * bytes.there);
      assert.ok(counters.replayed > 0, "the genuine packets came second");
      assert.equal(server.ended.length + client.ended.length, 0);
    }, { delay: 10, jitter: 2 });
  });
}

Deno.test("a peer that only pretends another address gets no data sent there", () => {
  const network = new SimNetwork(1);
  const server = network.node();
  const peer = new RawPeer(server).open();
  const victim = { hostname: "198.51.100.9", port: 7 };
  let sent = 0;
  const { tap } = network;
  network.tap = (sighting) => {
    if (!sameAddress(sighting.to, victim)) return tap!(sighting);
    sent += sighting.datagram.length;
    return false;
  };
  // The very packet that confirms the handshake comes from the pretended address.
  const first = peer.packet([frame.stream(0, 0, HEADER)]);
  server.deliver(first, victim);
  server.streams[0].write(new Uint8Array(500_000));
  server.flush();
  network.run(20_000);
  assert.ok(sent <= 3 * first.length, `${sent} bytes for ${first.length}`);
  assert.ok(only(peer.take(), "stream").length > 0, "the data goes to where the response went");
  assert.equal(server.endpoint.counters.path_failures, 1);
});

Deno.test("a handshake is confirmed from each address that the response went to", () => {
  const network = new SimNetwork(1);
  const server = network.node();
  const peer = new RawPeer(server).open();
  const second = { hostname: "198.51.100.9", port: 7 };
  server.deliver(peer.initiation, second);
  server.deliver(peer.packet([frame.ping]), second);
  assert.deepEqual(server.incoming[0].path, second);
  assert.equal(server.endpoint.counters.path_validations, 0);
});
