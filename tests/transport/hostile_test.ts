/** Floods of strangers and of hostile peers: nothing grows without bound. Single hostile packets: `tests/fuzz`. */

import assert from "node:assert/strict";
import { HALF_OPEN_TIMEOUT, MAX_OUTBOX, MAX_SESSIONS } from "../../src/transport/config.ts";
import { FrameType } from "../../src/wire/frame.ts";
import { concatBytes } from "../../src/wire/bytes.ts";
import { only } from "../sim/frames.ts";
import { frame, HEADER } from "../sim/lone_session.ts";
import { SimNetwork } from "../sim/network.ts";
import type { SimNode } from "../sim/node.ts";
import { RawPeer } from "../sim/raw_peer.ts";

/** For tests of what comes behind the cookies. */
const NO_COOKIES = { cookieThreshold: Infinity };

// --- floods ---

Deno.test("flood: initiations of ever new keys, their timers do not outlive them", () => {
  const network = new SimNetwork(1);
  const server = network.node({ limits: NO_COOKIES });
  network.tap = () => false;
  const first = new RawPeer(server);
  for (let i = 0; i < 1_500; i++) {
    new RawPeer(server).deliver(first.initiation);
    server.deliver(new RawPeer(server).initiation, first.address);
    network.tap = () => false;
    if (i % 10 === 0) network.run(1);
  }
  assert.equal(server.endpoint.size, 1024);
  assert.equal(server.endpoint.timerCount, 1024);
  network.run(HALF_OPEN_TIMEOUT);
  assert.ok(server.endpoint.isIdle);
  assert.equal(server.endpoint.deadline, Infinity);
  assert.equal(server.endpoint.timerCount, 0);
});

Deno.test("flood: initiations again and again while the socket takes nothing", () => {
  const network = new SimNetwork(1);
  const server = network.node({ limits: NO_COOKIES });
  const peer = new RawPeer(server);
  // A socket that takes nothing is never polled.
  for (let i = 0; i < 5_000; i++) server.endpoint.receive(peer.initiation.slice(), peer.address, network.now);
  assert.equal(server.endpoint.counters.outbox_full, 5_000 - MAX_OUTBOX);
  server.flush();
  assert.equal(peer.inbox.length, MAX_OUTBOX);
  for (const datagram of peer.inbox) assert.deepEqual(datagram, peer.inbox[0]);
});

Deno.test("flood: as many sessions as allowed, further ones are refused, known peers may come back", () => {
  const network = new SimNetwork(1);
  const server = network.node({ limits: NO_COOKIES, transport: { idleTimeout: 0 } });
  network.tap = () => false;
  const known = network.node({ transport: { idleTimeout: 0 } });
  network.tap = undefined;
  known.establish(server);
  const late = new RawPeer(server).open();
  for (let i = 1; i < MAX_SESSIONS; i++) {
    network.tap = undefined;
    new RawPeer(server, { maxIdleTimeout: 0 }).open().send(frame.ping);
  }
  assert.equal([...server.endpoint.connections].length, MAX_SESSIONS);
  network.tap = undefined;
  new RawPeer(server).deliver(new RawPeer(server).initiation);
  assert.equal(server.endpoint.counters.too_many_sessions, 1);
  // Its handshake was done while there was room.
  late.send(frame.ping);
  assert.equal(server.endpoint.counters.too_many_sessions, 2);
  network.tap = undefined;
  known.restart();
  known.establish(server);
  assert.equal([...server.endpoint.connections].length, MAX_SESSIONS);
});

/** A server that reads nothing, and a peer with keys. */
function victim(transport = {}): { network: SimNetwork; server: SimNode; peer: RawPeer } {
  const network = new SimNetwork(1);
  const server = network.node({ transport });
  return { network, server, peer: new RawPeer(server).open() };
}

Deno.test("flood: tiny frames in order, nobody reads: memory follows the bytes", () => {
  const { network, server, peer } = victim();
  peer.send(frame.stream(0, 0, HEADER));
  let at = HEADER.length;
  for (let i = 0; i < 200; i++) {
    peer.send(...Array.from({ length: 300 }, () => frame.stream(0, at++, new Uint8Array(1))));
    network.run(1);
  }
  const [stream] = server.streams;
  assert.equal(stream.receiving.readable, 60_000);
  let held = 0;
  for (let piece = stream.read(); piece !== undefined; piece = stream.read()) held += piece.buffer.byteLength;
  assert.ok(held < 70_000, `${held} bytes held for 60000`);
});

Deno.test("flood: tiny frames out of order on many streams stay within the session's bound", () => {
  const { network, server, peer } = victim();
  for (let id = 0; id < 4 * 1024; id += 4) peer.send(frame.stream(id, 0, HEADER));
  for (let i = 0; i < 100; i++) {
    for (let n = 0; n < 100; n++) {
      const id = 4 * ((i * 100 + n) % 1024);
      peer.send(...[10, 12, 14].map((offset) => frame.stream(id, offset + 6 * i, new Uint8Array(1))));
    }
    network.run(1);
  }
  const session = [...server.endpoint.connections][0].session!;
  assert.ok(session.streams.segments <= 8192 + 32, `${session.streams.segments} pieces`);
  assert.ok(server.endpoint.counters.reassembly_full > 1_000);
  assert.ok(session.isOpen);
});

Deno.test("flood: ACKs of as many ranges as fit a packet", () => {
  const { network, server, peer } = victim();
  peer.send(frame.stream(0, 0, HEADER));
  server.streams[0].write(new Uint8Array(8_000));
  server.flush();
  const ack = concatBytes([
    frame.simple(FrameType.ACK, 5, 0, 2, 0, 0, 0, 0, 0),
    ...Array.from({ length: 0 }, () => frame.ping),
  ]);
  for (let i = 0; i < 2_000; i++) peer.send(ack);
  network.run(10);
  const session = [...server.endpoint.connections][0].session!;
  assert.ok(session.isOpen);
  assert.ok(session.recovery.heldPackets < 50);
});

Deno.test("flood: packet numbers with gaps make no more than 64 ranges", () => {
  const { network, server, peer } = victim();
  for (let i = 0; i < 3_000; i++) {
    peer.packetNumber += 1;
    peer.send(frame.ping);
  }
  network.run(10);
  const acks = only(peer.take(), "ack");
  assert.ok(acks.length > 1_000);
  for (const { ranges } of acks) assert.ok(ranges.length <= 128);
  assert.ok([...server.endpoint.connections][0].session!.recovery.heldPackets < 10);
});

Deno.test("flood: streams opened and given up again and again leave nothing", () => {
  const { network, server, peer } = victim();
  let opened = 0;
  for (let round = 0; round < 50; round++) {
    for (let i = 0; i < 100; i++, opened++) {
      const id = 4 * opened;
      if (i % 3 === 0) peer.send(frame.simple(FrameType.RESET_STREAM, id, 1, 0));
      else if (i % 3 === 1) {
        peer.send(frame.stream(id, 0, HEADER), frame.simple(FrameType.RESET_STREAM, id, 1, 9));
      } else peer.send(frame.stream(id, 0, HEADER, true), frame.simple(FrameType.STOP_SENDING, id, 1));
    }
    for (const stream of server.streams.splice(0)) {
      stream.read();
      stream.abort(0);
    }
    server.flush();
    network.run(30);
    // Acknowledges all that has come; the numbers are without gaps.
    const largest = [...server.endpoint.connections][0].session!.nextPacketNumber - 1;
    peer.send(frame.ack([0, largest]));
    network.run(5);
  }
  const session = [...server.endpoint.connections][0].session!;
  assert.ok(session.isOpen);
  assert.equal(session.streams.size, 0);
  assert.equal(session.streams.segments, 0);
});

Deno.test("flood: the peer opens all its streams with one frame and never uses them", () => {
  const { network, server, peer } = victim();
  peer.send(frame.simple(FrameType.STOP_SENDING, 4 * 1023, 0));
  const session = [...server.endpoint.connections][0].session!;
  assert.equal(session.streams.size, 1024);
  assert.equal(server.streams.length, 0);
  peer.send(frame.close(0));
  network.run(5_000);
  assert.ok(server.endpoint.isIdle);
});

Deno.test("flood: path challenges are answered by no more bytes than came", () => {
  const { network, server, peer } = victim();
  const before = server.endpoint.counters.bytesSent;
  let sent = 0;
  for (let i = 0; i < 500; i++) {
    const packet = peer.packet(Array.from({ length: 100 }, () => frame.pathChallenge(new Uint8Array(8))));
    sent += packet.length;
    peer.deliver(packet);
  }
  network.run(10);
  assert.ok(server.endpoint.counters.bytesSent - before <= sent);
});
