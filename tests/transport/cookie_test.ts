/** Cookies and mac2 of a node under load (`protocol.md` 2.1, WireGuard whitepaper §5.4.7). */

import assert from "node:assert/strict";
import { mac, mac1Key } from "../../src/crypto/mac.ts";
import type { SocketAddress } from "../../src/transport/address.ts";
import {
  COOKIE_SECRET_LIFETIME,
  COOKIE_THRESHOLD,
  INITIATIONS_PER_HOST,
  MAX_COOKIES,
  MAX_HALF_OPEN,
  MAX_HOSTS_UNDER_LOAD,
} from "../../src/transport/config.ts";
import { CookieGuard, CookieJar } from "../../src/transport/cookies.ts";
import {
  COOKIE_REPLY_LENGTH,
  INITIATION_MIN,
  initiationPacket,
  mac1Field,
  mac1Input,
  mac2Field,
  PacketType,
  writeU32,
} from "../../src/wire/packet.ts";
import { SimNetwork, withSeed } from "../sim/network.ts";
import type { SimNode } from "../sim/node.ts";
import { Prng } from "../sim/prng.ts";
import { open, Reader, Writer } from "../sim/traffic.ts";

/** What a stranger who knows the public key of a node can make without any curve operation. */
class Stranger {
  readonly #key: Uint8Array;
  readonly #body: Uint8Array;

  constructor(publicKey: Uint8Array, readonly random: Prng, length = 420) {
    this.#key = mac1Key(publicKey);
    this.#body = random.bytes(length);
  }

  /** An initiation with a right mac1 and nothing behind it. */
  initiation(): Uint8Array {
    writeU32(this.#body, 40, this.random.int(2 ** 32));
    const packet = initiationPacket(this.random.int(2 ** 32), this.#body);
    mac1Field(packet).set(mac(this.#key, mac1Input(packet)));
    return packet;
  }

  /** An address that may be anybody's. */
  address(): SocketAddress {
    const n = this.random.int(2 ** 24);
    return { hostname: `10.${n >>> 16}.${(n >>> 8) & 255}.${n & 255}`, port: 1 + this.random.int(65_535) };
  }
}

/** Delivers so many initiations per millisecond from now on, for a while. */
function flood(node: SimNode, stranger: Stranger, perMillisecond: number, lasts: number): void {
  const { network } = node;
  for (let at = 0; at < lasts; at++) {
    network.after(at, () => {
      for (let i = 0; i < perMillisecond; i++) node.deliver(stranger.initiation(), stranger.address());
    });
  }
}

Deno.test("flood: 50,000 initiations per second from spoofed addresses, peers still get in", () => {
  withSeed(50_000, (network) => {
    const server = network.node();
    const clients = Array.from({ length: 10 }, () => network.node());
    const { counters } = server.endpoint;
    const lasts = 1_500;
    flood(server, new Stranger(server.id, new Prng(network.seed)), 50, lasts);
    const begin = network.now;
    for (const [i, client] of clients.entries()) network.after(50 + 60 * i, () => client.connect(server));
    for (let at = 0; at < lasts; at += 50) {
      network.run(50);
      assert.ok(server.endpoint.size <= COOKIE_THRESHOLD + clients.length, `${server.endpoint.size} held`);
      assert.ok(server.endpoint.timerCount <= COOKIE_THRESHOLD + clients.length);
    }
    // No more curve operations than in a quiet second, whatever comes.
    assert.ok(counters.bad_handshake <= COOKIE_THRESHOLD, `${counters.bad_handshake} were read`);
    assert.ok(counters.cookies_sent > 70_000, `${counters.cookies_sent} cookies`);
    assert.equal(counters.cookie_required, counters.cookies_sent);
    assert.ok(counters.bytesSent < counters.bytesReceived / 4, "nothing is amplified");
    for (const client of clients) {
      const connection = client.endpoint.connectionTo(server.id);
      assert.ok(connection !== undefined, "a client did not get in");
      assert.ok(connection.establishedAt - begin < lasts);
      assert.ok(client.endpoint.counters.cookies_received > 0);
    }
    const [client] = clients;
    const writer = new Writer(open(client.sessionWith(server)!), 10_000);
    network.runUntil(() => server.streams.length > 0);
    new Reader(server.streams[0]);
    network.runUntil(() => writer.isDone);
  }, { delay: 15, jitter: 10, loss: 0.05 });
});

Deno.test("cookies: asked for from the threshold on, no more a second or two after the flood", () => {
  const network = new SimNetwork(1);
  const server = network.node({ limits: { cookieThreshold: 5 } });
  const stranger = new Stranger(server.id, new Prng(1));
  const { counters } = server.endpoint;
  for (let i = 0; i < 5; i++) server.deliver(stranger.initiation(), stranger.address());
  assert.deepEqual([counters.bad_handshake, counters.cookies_sent], [5, 0]);
  for (let i = 0; i < 5; i++) server.deliver(stranger.initiation(), stranger.address());
  assert.deepEqual([counters.bad_handshake, counters.cookies_sent], [5, 5]);
  network.run(1_000);
  server.deliver(stranger.initiation(), stranger.address());
  assert.equal(counters.cookies_sent, 6, "the second after is one of load");
  network.run(2_000);
  const client = network.node();
  client.establish(server);
  assert.equal(counters.cookies_sent, 6);
});

/** A server that is under load for as long as the test runs, and what is sent to and from it. */
function underLoad(seed = 1) {
  const network = new SimNetwork(seed);
  const server = network.node({ limits: { cookieThreshold: 0 } });
  return { network, server, client: network.node() };
}

Deno.test("cookies: the initiator answers at once, with the same initiation and a mac2", () => {
  const { network, server, client } = underLoad();
  const sent: Uint8Array[] = [];
  network.tap = ({ from, datagram }) => {
    if (from === client && datagram[0] === PacketType.INITIATION) sent.push(datagram);
  };
  const begin = network.now;
  const connection = client.establish(server);
  assert.ok(connection.establishedAt - begin < 100, "well before the first resend");
  assert.equal(sent.length, 2);
  const withoutMac2 = (packet: Uint8Array) => packet.subarray(0, packet.length - 16);
  assert.deepEqual(withoutMac2(sent[1]), withoutMac2(sent[0]));
  assert.ok(mac2Field(sent[0]).every((byte) => byte === 0));
  assert.ok(mac2Field(sent[1]).some((byte) => byte !== 0));
  // The cookie serves the next connect, too.
  connection.session!.close(0, "", network.now);
  network.run(5_000);
  client.establish(server);
  assert.equal(sent.length, 3);
  assert.equal(client.endpoint.counters.cookies_received, 1);
  network.run(COOKIE_SECRET_LIFETIME);
  client.connect(server);
  assert.ok(network.runUntil(() => sent.length === 4) === undefined);
  assert.ok(mac2Field(sent[3]).every((byte) => byte === 0), "too old by now");
});

Deno.test("cookies: lost, the initiator still comes through at its next resend", () => {
  const { network, server, client } = underLoad();
  let initiations = 0;
  // The first answer to a cookie is lost.
  network.tap = ({ datagram }) => datagram[0] !== PacketType.INITIATION || ++initiations !== 2;
  const begin = network.now;
  const connection = client.establish(server);
  const took = connection.establishedAt - begin;
  assert.ok(took >= 250 && took < 400, `${took}`);
  assert.equal(initiations, 3);
});

Deno.test("cookies: a mac2 is of use at its own address only", () => {
  const { network, server, client } = underLoad();
  const [, stolen] = initiationsOf(network, client, server);
  const { counters } = server.endpoint;
  for (const thief of [{ ...client.address, port: 1 }, { ...client.address, hostname: "10.0.0.1" }]) {
    const before = counters.cookie_required;
    server.deliver(stolen, thief);
    assert.equal(counters.cookie_required, before + 1);
  }
  // At its own it is read, and found to be old.
  server.deliver(stolen, client.address);
  assert.equal(counters.stale_initiation, 1);
});

/** Lets the client connect; the initiations that it sent. */
function initiationsOf(network: SimNetwork, client: SimNode, server: SimNode): Uint8Array[] {
  const sent: Uint8Array[] = [];
  network.tap = ({ from, datagram }) => {
    if (from === client && datagram[0] === PacketType.INITIATION) sent.push(datagram);
  };
  client.establish(server);
  return sent;
}

Deno.test("cookies: forged, misdirected and repeated replies have no effect but counters", () => {
  const { network, server, client } = underLoad();
  const replies: Uint8Array[] = [];
  network.tap = ({ datagram }) => {
    if (datagram[0] !== PacketType.COOKIE_REPLY) return true;
    replies.push(datagram);
    return false;
  };
  client.connect(server);
  network.runUntil(() => replies.length === 1);
  assert.equal(replies[0].length, COOKIE_REPLY_LENGTH);
  const { counters } = client.endpoint;
  for (const at of [8, 32, 63]) {
    const forged = replies[0].slice();
    forged[at] ^= 1;
    client.deliver(forged, server.address);
  }
  client.deliver(new Uint8Array([...replies[0], 0]), server.address);
  assert.equal(counters.bad_cookie, 4);
  const misdirected = replies[0].slice();
  misdirected[4] ^= 1;
  client.deliver(misdirected, server.address);
  assert.equal(counters.unknown_index, 1);
  let sent = 0;
  network.tap = ({ from }) => {
    if (from === client) sent++;
    return false;
  };
  // From elsewhere it is taken, but nothing is sent there; from the right place it is answered once.
  client.deliver(replies[0], { hostname: "10.0.0.1", port: 1 });
  for (let i = 0; i < 50; i++) client.deliver(replies[0], server.address);
  assert.equal(counters.cookies_received, 51);
  assert.equal(sent, 1);
  network.tap = undefined;
  network.runUntil(() => client.sessionWith(server) !== undefined);
  client.deliver(replies[0], server.address);
  assert.equal(counters.unknown_index, 2, "the handshake is over");
});

Deno.test("cookies: one host does not get more than its share of a busy node", () => {
  const { network, server } = underLoad();
  const random = new Prng(3);
  const stranger = new Stranger(server.id, random);
  const from = { hostname: "10.9.8.7", port: 1 };
  const replies: Uint8Array[] = [];
  network.tap = ({ datagram }) => void replies.push(datagram);
  const jar = new CookieJar();
  const asked = stranger.initiation();
  server.deliver(asked, from);
  assert.ok(jar.take(replies[0], server.id, asked, network.now));
  for (let i = 0; i < 100; i++) {
    const packet = stranger.initiation();
    jar.seal(packet, server.id, network.now);
    server.deliver(packet, from);
  }
  const { counters } = server.endpoint;
  assert.equal(counters.bad_handshake, INITIATIONS_PER_HOST);
  assert.equal(counters.host_over_limit, 100 - INITIATIONS_PER_HOST);
});

Deno.test("cookie guard: a cookie is good for 120 s at least and 240 s at most, two secrets are kept", () => {
  const random = new Prng(9);
  const publicKey = random.bytes(32);
  const guard = new CookieGuard(publicKey, 0, (length) => random.bytes(length));
  const stranger = new Stranger(publicKey, random, INITIATION_MIN);
  const from = stranger.address();
  const passes = (packet: Uint8Array, now: number) => guard.judge(packet, from, now) === "pass";
  for (const begin of [0, 500_000, 1_130_000]) {
    const jar = new CookieJar();
    const packet = stranger.initiation();
    assert.ok(!passes(packet, begin));
    assert.ok(jar.take(guard.reply(packet, from, begin), publicKey, packet, begin));
    jar.seal(packet, publicKey, begin);
    const last = begin + COOKIE_SECRET_LIFETIME - 1;
    for (let now = begin; now <= last; now += 20_000) assert.ok(passes(packet, now), `at ${now}`);
    assert.ok(passes(packet, last));
    for (let now = begin; now < begin + 3 * COOKIE_SECRET_LIFETIME; now += 40_000) {
      guard.reply(packet, from, now);
      assert.ok(guard.size <= 3);
    }
    assert.ok(!passes(packet, begin + 2 * COOKIE_SECRET_LIFETIME + 1), "two rotations later");
  }
});

Deno.test("cookie guard and jar: hosts and cookies are bounded", () => {
  const random = new Prng(4);
  const publicKey = random.bytes(32);
  const guard = new CookieGuard(publicKey, 0, (length) => random.bytes(length));
  const jar = new CookieJar();
  const stranger = new Stranger(publicKey, random, INITIATION_MIN);
  let passed = 0;
  for (let i = 0; i < MAX_HOSTS_UNDER_LOAD + 100; i++) {
    const from = { hostname: `10.0.${i >>> 8}.${i & 255}`, port: 1 };
    const packet = stranger.initiation();
    jar.take(guard.reply(packet, from, 0), publicKey, packet, 0);
    jar.seal(packet, publicKey, 0);
    const verdict = guard.judge(packet, from, 0);
    if (verdict === "pass") passed++;
    else assert.equal(verdict, "too_many_of_host");
  }
  assert.equal(passed, MAX_HOSTS_UNDER_LOAD);
  assert.ok(guard.size <= MAX_HOSTS_UNDER_LOAD + 2);
  assert.equal(jar.size, 1);
  for (let i = 0; i < MAX_COOKIES + 10; i++) {
    const other = random.bytes(32);
    const packet = stranger.initiation();
    const { reply } = new GuardOf(other, random);
    assert.ok(jar.take(reply(packet), other, packet, 0));
  }
  assert.equal(jar.size, MAX_COOKIES);
  assert.ok(MAX_HALF_OPEN >= COOKIE_THRESHOLD * 10, "without cookies a half-open handshake lives its 10 s");
});

/** The guard of some other node, for one reply. */
class GuardOf {
  readonly reply: (packet: Uint8Array) => Uint8Array;
  constructor(publicKey: Uint8Array, random: Prng) {
    const guard = new CookieGuard(publicKey, 0, (length) => random.bytes(length));
    this.reply = (packet) => guard.reply(packet, { hostname: "10.0.0.1", port: 1 }, 0);
  }
}
