/** Handshakes between endpoints on the simulated network (`protocol.md` 2.1, 8). */

import assert from "node:assert/strict";
import {
  HandshakeTimeoutError,
  InvalidArgumentError,
  NotAuthorizedError,
  SessionReplacedError,
} from "../../src/errors.ts";
import type { RttEstimator } from "../../src/transport/rtt.ts";
import { HALF_OPEN_TIMEOUT, MAX_ACK_DELAY, MAX_HALF_OPEN } from "../../src/transport/config.ts";
import { InitiatorHandshake, tai64n } from "../../src/transport/handshake.ts";
import { compareBytes, equalBytes, toHex } from "../../src/wire/bytes.ts";
import { PacketType } from "../../src/wire/packet.ts";
import { ABSENT_PARAMETERS } from "../../src/wire/transport_parameters.ts";
import { type Sighting, SimNetwork, withSeeds } from "../sim/network.ts";
import type { SimNode } from "../sim/node.ts";
import { open, Reader, Writer } from "../sim/traffic.ts";

const PSK = new Uint8Array(32).fill(7);
const OTHER_PSK = new Uint8Array(32).fill(8);

/** A network of a server and a client, and everything that they sent. */
function pair(server = {}, client = {}, defaults = {}, seed = 1) {
  const network = new SimNetwork(seed, defaults);
  const seen: Sighting[] = [];
  network.tap = (sighting) => void seen.push(sighting);
  return { network, seen, server: network.node(server), client: network.node(client) };
}

function ofType(seen: readonly Sighting[], type: number, from?: SimNode): Sighting[] {
  return seen.filter((s) => s.datagram[0] === type && (from === undefined || s.from === from));
}

/** Runs until a connect failed; its error. */
function failure(network: SimNetwork, client: SimNode): Error {
  network.runUntil(() => client.ended.length > 0);
  return client.ended[0].end.error;
}

for (const [name, psk] of [["with a mesh key", PSK], ["without a mesh key", undefined]] as const) {
  Deno.test(`handshake: completes ${name}, and both sides know each other`, () => {
    const { server, client } = pair(
      { psk, transport: { agent: "server/1" } },
      { psk, transport: { agent: "client/2" } },
    );
    const connection = client.establish(server);
    assert.ok(equalBytes(connection.peerKey, server.id));
    assert.ok(equalBytes(server.incoming[0].peerKey, client.id));
    assert.deepEqual([connection.isInitiator, server.incoming[0].isInitiator], [true, false]);
    assert.deepEqual([connection.peerAgent, server.incoming[0].peerAgent], ["server/1", "client/2"]);
    assert.deepEqual(connection.path, server.address);
    assert.deepEqual(server.incoming[0].path, client.address);
    assert.equal(server.endpoint.counters.sessionsEstablished, 1);
    assert.equal(client.endpoint.counters.sessionsEstablished, 1);
  });
}

Deno.test("handshake: one round trip, and the response is not longer than the initiation", () => {
  for (const agent of ["", "h", "hawser/0.1.0", "x".repeat(128), "é".repeat(100)]) {
    const { seen, server, client } = pair({ transport: { agent, idleTimeout: 2 ** 50 } });
    client.establish(server);
    const [initiation, ...moreInitiations] = ofType(seen, PacketType.INITIATION);
    const [response, ...moreResponses] = ofType(seen, PacketType.RESPONSE);
    assert.deepEqual([moreInitiations.length, moreResponses.length], [0, 0]);
    assert.ok(response.datagram.length <= initiation.datagram.length);
  }
});

Deno.test("handshake: its round trip is the first sample on both sides, unless something was sent twice", () => {
  const cases: [string, number | undefined, number | undefined, (s: Sighting, n: number) => boolean][] = [
    ["nothing is lost", 40, 40, () => true],
    ["the initiation is lost once", undefined, 40, ({ datagram }, n) => datagram[0] !== 1 || n > 1],
    ["the response is lost once", undefined, undefined, ({ datagram }, n) => datagram[0] !== 2 || n > 1],
    ["the first packet is lost", 40, undefined, ({ datagram }, n) => datagram[0] !== 4 || n > 1],
  ];
  for (const [name, ofInitiator, ofResponder, passes] of cases) {
    const { network, server, client } = pair({}, {}, { delay: 20 });
    const counts = [0, 0, 0, 0, 0];
    network.tap = (s) => passes(s, ++counts[s.datagram[0]]);
    const connection = client.connect(server);
    const sampled = (rtt: RttEstimator) => rtt.sampled ? rtt.smoothed : undefined;
    network.runUntil(() => connection.session !== undefined);
    assert.equal(sampled(connection.session!.recovery.rtt), ofInitiator, name);
    network.runUntil(() => server.incoming.length === 1);
    assert.equal(sampled(server.incoming[0].session!.recovery.rtt), ofResponder, name);
  }
});

Deno.test("handshake: under load its round trip is none of the path's", () => {
  const { network, server, client } = pair({ limits: { cookieThreshold: 0 } });
  const connection = client.connect(server);
  network.runUntil(() => connection.session !== undefined);
  assert.ok(!connection.session!.recovery.rtt.sampled);
});

Deno.test("close: right after the handshake it lingers for no more than three probe time-outs of that", () => {
  const { network, server, client } = pair({}, {}, { delay: 2 });
  const connection = client.connect(server);
  network.runUntil(() => connection.session !== undefined);
  const begin = network.now;
  // The peer's goodbye, which would end it sooner, is lost.
  network.link(server, client).cut = true;
  connection.session!.close(0, "", begin);
  network.runUntil(() => client.endpoint.isIdle);
  assert.ok(network.now - begin <= 3 * (4 + 8 + MAX_ACK_DELAY), `${network.now - begin} ms`);
});

Deno.test("close: once the other side's goodbye is answered nobody would miss the node, though it lingers", () => {
  const { network, server, client } = pair({}, {}, { delay: 2 });
  const connection = client.connect(server);
  network.runUntil(() => server.incoming.length === 1);
  assert.ok(!server.endpoint.isSilent);
  connection.session!.close(0, "", network.now);
  network.runUntil(() => server.endpoint.isSilent);
  assert.equal(server.incoming[0].session!.isOpen, false);
  assert.ok(!server.endpoint.isIdle);
  // The answer was on its way by then.
  assert.ok(!client.endpoint.isSilent);
  server.kill();
  const begin = network.now;
  network.runUntil(() => client.endpoint.isIdle);
  assert.equal(network.now - begin, 2);
});

Deno.test("handshake: the responder sends no data before a valid packet came", () => {
  const { network, seen, server, client } = pair();
  // All that the client sends after its initiation is lost.
  network.tap = (s) => {
    seen.push(s);
    return s.from === server || s.datagram[0] === PacketType.INITIATION;
  };
  client.connect(server);
  network.run(5_000);
  assert.equal(ofType(seen, PacketType.DATA, server).length, 0);
  assert.equal(server.incoming.length, 0);
  assert.equal(server.endpoint.counters.sessionsEstablished, 0);
  network.tap = undefined;
  network.runUntil(() => server.incoming.length === 1);
});

Deno.test("handshake: resends the same bytes at 0.25, 0.5, 1 and 2 s, then times out", () => {
  const { network, seen, client, server } = pair();
  server.kill();
  const begin = network.now;
  const connection = client.connect(server);
  const error = failure(network, client);
  assert.ok(error instanceof HandshakeTimeoutError);
  assert.deepEqual(error.addresses, ["192.0.2.1:4000"]);
  assert.equal(connection.phase, "gone");
  const gaps = [...seen.map(({ at }) => at), network.now].map((at, i, all) => at - (all[i - 1] ?? begin));
  const schedule = [0, 250, 500, 1000, 2000, 4000];
  assert.equal(gaps.length, schedule.length);
  for (const [i, wanted] of schedule.entries()) {
    assert.ok(gaps[i] >= wanted && gaps[i] <= wanted * 1.1, `gap ${i} is ${gaps[i]}`);
  }
  for (const { datagram } of seen) assert.deepEqual(datagram, seen[0].datagram);
  assert.ok(client.endpoint.isIdle);
  assert.equal(client.endpoint.deadline, Infinity);
});

Deno.test("handshake: goes on at whichever address answers", () => {
  const { server, client, network } = pair();
  const nowhere = { hostname: "198.51.100.1", port: 9 };
  const connection = client.connect(server, [nowhere, server.address, nowhere]);
  network.runUntil(() => connection.session !== undefined);
  assert.deepEqual(connection.path, server.address);
});

Deno.test("handshake: initiations on two paths to one node get one session", () => {
  const { server, client, network } = pair();
  const connection = client.connect(server, [server.address, server.address]);
  network.runUntil(() => server.incoming.length > 0);
  network.run(20_000);
  assert.equal(server.incoming.length, 1);
  assert.equal(connection.phase, "established");
});

for (const [name, psk] of [["another mesh key", OTHER_PSK], ["no mesh key", undefined]] as const) {
  Deno.test(`handshake: with ${name} it fails with NotAuthorizedError`, () => {
    const { network, server, client } = pair({ psk: PSK }, { psk });
    client.connect(server);
    assert.ok(failure(network, client) instanceof NotAuthorizedError);
    assert.ok(client.endpoint.counters.bad_handshake > 0);
    assert.ok(client.endpoint.isIdle);
    network.run(HALF_OPEN_TIMEOUT + 1);
    assert.ok(server.endpoint.isIdle);
    assert.equal(server.endpoint.counters.sessionsEstablished, 0);
  });
}

Deno.test("handshake: with another static key it times out, the peer counts a wrong mac1", () => {
  const { network, server, client } = pair();
  const stranger = network.node();
  client.connect(stranger, [server.address]);
  assert.ok(failure(network, client) instanceof HandshakeTimeoutError);
  assert.equal(server.endpoint.counters.bad_mac1, 5);
});

Deno.test("handshake: with one's own key, or without an address, is refused at once", () => {
  const { client, server } = pair();
  assert.throws(() => client.connect(client), InvalidArgumentError);
  assert.throws(() => client.connect(server, []), InvalidArgumentError);
  assert.ok(client.endpoint.isIdle);
});

Deno.test("handshake: an initiation with the responder's own key is dropped and counted", () => {
  const { network, server, client } = pair();
  const identity = {
    staticKey: server.staticKey,
    psk: undefined,
    parameters: ABSENT_PARAMETERS,
    random: (length: number) => new Uint8Array(length).fill(9),
  };
  const { packet } = new InitiatorHandshake(identity, server.id, 1, tai64n(2 ** 41));
  server.deliver(packet, client.address);
  network.run(1_000);
  assert.equal(server.endpoint.counters.own_key, 1);
  assert.ok(server.endpoint.isIdle);
});

Deno.test("handshake: a node that accepts nobody counts, and does not answer", () => {
  const { network, seen, server, client } = pair({ accepts: false });
  client.connect(server);
  assert.ok(failure(network, client) instanceof HandshakeTimeoutError);
  assert.equal(server.endpoint.counters.not_accepting, 5);
  assert.equal(seen.filter(({ from }) => from === server).length, 0);
  assert.ok(server.endpoint.isIdle);
  // It may connect itself.
  const other = network.node();
  server.establish(other);
});

Deno.test("handshake: a resent initiation gets the same response", () => {
  const { network, seen, server, client } = pair();
  let responses = 0;
  network.tap = (s) => {
    seen.push(s);
    return s.datagram[0] !== PacketType.RESPONSE || ++responses === 3;
  };
  client.connect(server);
  network.runUntil(() => server.incoming.length === 1);
  const sent = ofType(seen, PacketType.RESPONSE);
  assert.equal(sent.length, 3);
  for (const { datagram } of sent) assert.deepEqual(datagram, sent[0].datagram);
  assert.equal(server.endpoint.counters.sessionsEstablished, 1);
});

Deno.test("handshake: a replayed initiation is stale, whether the session lives or not", () => {
  const { network, seen, server, client } = pair();
  const connection = client.establish(server);
  const [{ datagram }] = ofType(seen, PacketType.INITIATION);
  const before = ofType(seen, PacketType.RESPONSE).length;
  server.deliver(datagram.slice(), client.address);
  assert.equal(server.endpoint.counters.stale_initiation, 1);
  connection.session!.close(0, "", network.now);
  network.run(10_000);
  server.deliver(datagram.slice(), client.address);
  assert.equal(server.endpoint.counters.stale_initiation, 2);
  assert.equal(ofType(seen, PacketType.RESPONSE).length, before);
  assert.ok(server.endpoint.isIdle);
});

Deno.test("handshake: times rise even where the clock stands or goes back", () => {
  let last = tai64n(1_700_000_000_123);
  assert.equal(toHex(last), "400000006553f10a0754d4c0");
  for (const clock of [1_700_000_000_123, 1_700_000_000_123, 5, 0]) {
    const next = tai64n(clock, last);
    assert.ok(compareBytes(next, last) > 0);
    last = next;
  }
});

Deno.test("handshake: of two connects at once by the same node the later one stands", () => {
  const { network, server, client } = pair();
  const first = client.connect(server);
  const second = client.connect(server);
  network.runUntil(() => second.session !== undefined);
  network.run(1_000);
  assert.equal(client.sessionWith(server), second);
  assert.ok(!first.session!.isOpen);
  assert.ok(server.sessionWith(client)!.session!.isOpen);
  assert.equal([...server.endpoint.connections].length, 1);
});

Deno.test("handshake: a late packet of an earlier handshake does not take the session's place", () => {
  const { network, server, client } = pair();
  const first = client.connect(server);
  let held: Sighting | undefined;
  // Before the first session's packets arrive, the client has another session.
  network.tap = (s) => {
    if (s.datagram[0] !== PacketType.DATA) return true;
    if (client.sessionWith(server) !== first) return true;
    held ??= s;
    return false;
  };
  network.runUntil(() => first.session !== undefined && held !== undefined);
  const second = client.connect(server);
  network.runUntil(() => second.session !== undefined && server.incoming.length > 0);
  const standing = server.sessionWith(client);
  server.deliver(held!.datagram, client.address);
  network.run(100);
  assert.equal(server.sessionWith(client), standing);
  const writer = new Writer(open(second), 1000);
  network.runUntil(() => server.streams.length > 0);
  new Reader(server.streams[0]);
  network.runUntil(() => writer.isDone);
});

Deno.test("half-open handshakes: at most 1024, the oldest goes, and nothing of it stays", () => {
  const { network, server } = pair({ limits: { cookieThreshold: Infinity } });
  const key = server.address;
  // Each has its own key; none confirms.
  const clients: SimNode[] = [];
  network.tap = ({ datagram }) => datagram[0] === PacketType.INITIATION;
  for (let i = 0; i < MAX_HALF_OPEN + 50; i++) {
    const client = network.node({ hostname: `10.1.${i >> 8}.${i & 255}` });
    clients.push(client);
    client.connect(server, [key]);
    network.run(1);
  }
  network.run(60);
  const { counters } = server.endpoint;
  assert.ok(counters.half_open_evicted >= 50, `${counters.half_open_evicted} evicted`);
  assert.equal(server.endpoint.size, MAX_HALF_OPEN);
  for (const client of clients) client.kill();
  network.run(HALF_OPEN_TIMEOUT + 1_000);
  assert.equal(server.endpoint.size, 0);
  assert.equal(server.endpoint.deadline, Infinity);
});

Deno.test("a peer that restarts with its key is back at once; the old session ends as replaced", () => {
  withSeeds(20, (network) => {
    const server = network.node();
    const client = network.node();
    client.establish(server);
    const old = server.incoming[0];
    const stream = open(old);
    stream.write(new Uint8Array(1000));
    network.run(network.seed * 3);
    client.restart();
    const begin = network.now;
    const connection = client.connect(server);
    network.runUntil(() => server.incoming.length === 2 && connection.session !== undefined);
    assert.ok(network.now - begin < 2_000);
    assert.ok(server.ended.some(({ end }) => end.error instanceof SessionReplacedError && !end.remote));
    assert.ok(stream.error instanceof SessionReplacedError);
    assert.equal(server.sessionWith(client), server.incoming[1]);
    assert.equal(server.endpoint.counters.sessionsEnded, 1);
    const writer = new Writer(open(connection), 10_000);
    network.runUntil(() => server.streams.length > 0);
    new Reader(server.streams.at(-1)!);
    network.runUntil(() => writer.isDone);
  }, { loss: 0.05, jitter: 5 });
});

Deno.test("a peer that still believes in a replaced session is told", () => {
  const { network, server, client } = pair();
  const first = client.establish(server);
  // A second node with the client's key, as after a copied key file.
  const twin = network.node({ staticKey: client.staticKey, epoch: 1_800_000_000_000 });
  twin.establish(server);
  network.run(1_000);
  assert.ok(!first.session!.isOpen);
  const [{ end }] = client.ended;
  assert.ok(end.error instanceof SessionReplacedError && end.remote);
  assert.equal([...server.endpoint.connections].length, 1);
});

Deno.test("simultaneous open: the connect that yields is told of the session that stands", () => {
  const network = new SimNetwork(1);
  const a = network.node();
  const b = network.node();
  const [smaller, larger] = compareBytes(a.id, b.id) < 0 ? [a, b] : [b, a];
  const ours = smaller.connect(larger);
  const theirs = larger.connect(smaller);
  let overtakenBy: unknown;
  theirs.events = { onOvertaken: (by) => overtakenBy = by };
  network.runUntil(() => overtakenBy !== undefined);
  assert.equal(overtakenBy, larger.sessionWith(smaller));
  assert.equal(ours.phase, "established");
  assert.equal(theirs.phase, "gone");
  assert.equal(smaller.endpoint.counters.simultaneous_open, 1);
  assert.equal(smaller.endpoint.counters.sessions_crossed, 0);
});
