/** Unreliable datagrams (RFC 9221): what is sent when, what is dropped, what is a violation. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { LimitExceededError, ProtocolError, SessionClosedError, UnsupportedError } from "../../src/errors.ts";
import { ErrorCode } from "../../src/transport/config.ts";
import { DatagramQueue } from "../../src/transport/datagram_queue.ts";
import { FrameType } from "../../src/wire/frame.ts";
import { only } from "../sim/frames.ts";
import { frame, HEADER, LoneSession } from "../sim/lone_session.ts";
import { SimNetwork, withSeeds } from "../sim/network.ts";
import { open, Reader, Writer } from "../sim/traffic.ts";

const bytes = (length: number, value = 1) => new Uint8Array(length).fill(value);

/** A session whose path carries 1200 bytes and no more. */
function narrow(transport = {}) {
  return new LoneSession({ peer: { maxUdpPayloadSize: 1200 }, transport });
}

Deno.test("datagram queue: keeps the newest within its bound, each item at its price", () => {
  const items = fc.array(fc.nat(300), { maxLength: 50 });
  fc.assert(fc.property(items, fc.integer({ min: 0, max: 2_000 }), (lengths, limit) => {
    const queue = new DatagramQueue(limit);
    const model: number[] = [];
    let dropped = 0;
    for (const length of lengths) {
      queue.push(bytes(length));
      model.push(length);
      while (model.reduce((sum, n) => sum + n + 64, 0) > limit) model.shift(), dropped++;
      assert.deepEqual([queue.size, queue.dropped], [model.length, dropped]);
    }
    while (queue.size > 0) assert.equal(queue.shift()!.length, model.shift());
    assert.equal(queue.shift(), undefined);
    assert.equal(queue.first, undefined);
  }));
});

Deno.test("datagrams: several share a packet, in order, and are acknowledged but not sent again", () => {
  const lone = narrow();
  for (let i = 0; i < 5; i++) lone.session.datagrams.send(bytes(200, i));
  const [packet, ...more] = lone.poll();
  assert.deepEqual(more, []);
  assert.deepEqual(only([...packet.frames], "datagram").map(({ data }) => data[0]), [0, 1, 2, 3, 4]);
  assert.ok(lone.session.recovery.bytesInFlight > 1_000, "they count against the window");
  // Lost: the probes carry a PING and nothing of it.
  const probes = lone.run(2_000).flatMap(({ frames }) => frames);
  assert.ok(probes.length >= 2 && probes.every(({ type }) => type === "ping"));
  assert.deepEqual([lone.session.datagrams.sent, lone.session.datagrams.unsent], [5, 0]);
});

Deno.test("datagrams: the longest that is allowed fits a packet, whatever else is to be sent", () => {
  const lone = narrow();
  const { datagrams } = lone.session;
  assert.equal(datagrams.maxPayload, 1200 - 32 - 3);
  lone.feed(frame.stream(0, 0, HEADER));
  lone.streams[0].write(bytes(10_000));
  for (let i = 0; i < 4; i++) {
    // An ACK is due every time.
    lone.feed(frame.ping);
    lone.feed(frame.ping);
    datagrams.send(bytes(datagrams.maxPayload));
    const frames = lone.frames();
    assert.equal(only(frames, "datagram")[0].data.length, 1165);
    assert.equal(only(frames, "ack").length, 1, "the ACK goes on its own");
    lone.run(50);
    lone.ackAll();
  }
});

Deno.test("datagrams: too long, to a peer that takes none, or after the end: an error that says so", () => {
  const lone = narrow();
  assert.throws(() => lone.session.datagrams.send(bytes(1166)), (error: LimitExceededError) => {
    assert.ok(error instanceof LimitExceededError);
    assert.deepEqual([error.limit, error.actual, error.maximum], ["maxDatagramPayload", 1166, 1165]);
    assert.equal(error.message, "Send datagram: it has 1166 bytes, 1165 fit the path now");
    return true;
  });
  const small = new LoneSession({ peer: { maxDatagramFrameSize: 100 } });
  assert.equal(small.session.datagrams.maxPayload, 97);
  small.session.datagrams.send(bytes(97));
  assert.throws(() => small.session.datagrams.send(bytes(98)), LimitExceededError);
  const none = new LoneSession({ peer: { maxDatagramFrameSize: 0 } });
  assert.equal(none.session.datagrams.maxPayload, 0);
  assert.throws(() => none.session.datagrams.send(bytes(0)), UnsupportedError);
  lone.session.close(9, "over", lone.now);
  assert.throws(() => lone.session.datagrams.send(bytes(1)), SessionClosedError);
});

Deno.test("datagrams: while the window is full the newest stay, and the bound holds", () => {
  const lone = narrow({ datagramQueue: 10 * (500 + 64) });
  for (let i = 0; i < 200; i++) {
    lone.session.datagrams.send(bytes(500, i));
    lone.poll();
  }
  const { sent, unsent } = lone.session.datagrams;
  assert.ok(sent >= 20 && sent < 30, `${sent} fit the first window`);
  assert.equal(sent + unsent, 190);
  lone.ackAll();
  const [first] = only(lone.run(500).flatMap(({ frames }) => frames), "datagram");
  assert.equal(first.data[0], 190);
});

Deno.test("datagrams: one that the path carries no more is dropped and counted, the next one goes", () => {
  const lone = new LoneSession({ path: { hostname: "127.0.0.1", port: 1 } });
  const { datagrams, mtu } = lone.session;
  mtu.onAcked(4096);
  assert.equal(datagrams.maxPayload, 4096 - 32 - 3);
  datagrams.send(bytes(4_000));
  datagrams.send(bytes(7));
  mtu.onProbeTimeout(3);
  assert.deepEqual(only(lone.frames(), "datagram").map(({ data }) => data.length), [7]);
  assert.deepEqual([datagrams.sent, datagrams.unsent], [1, 1]);
});

Deno.test("datagrams: go before streams and leave them a sixteenth", () => {
  const lone = narrow();
  lone.feed(frame.stream(0, 0, HEADER));
  lone.feed(frame.simple(FrameType.MAX_DATA, 2 ** 40), frame.simple(FrameType.MAX_STREAM_DATA, 0, 2 ** 40));
  lone.streams[0].write(bytes(4_000_000));
  let [ofDatagrams, ofStreams] = [0, 0];
  for (let i = 0; i < 100; i++) {
    for (let n = 0; n < 250; n++) lone.session.datagrams.send(bytes(1165));
    for (const sent of lone.run(20).flatMap(({ frames }) => frames)) {
      if (sent.type === "datagram") ofDatagrams += sent.data.length;
      if (sent.type === "stream") ofStreams += sent.data.length;
    }
    lone.ackAll();
  }
  const share = ofStreams / (ofDatagrams + ofStreams);
  assert.ok(share > 0.05 && share < 0.2, `${share} of the bytes are the stream's`);
});

Deno.test("datagrams: received ones belong to the owner; its error is told and stops nothing", () => {
  const lone = new LoneSession();
  assert.ok(lone.feed(frame.datagram(bytes(3, 7)), frame.datagram(bytes(0)), frame.padding(100)));
  assert.deepEqual(lone.datagrams, [bytes(3, 7), bytes(0)]);
  assert.equal(lone.datagrams[0].buffer.byteLength, 3, "a small one does not hold its packet");
  assert.equal(only(lone.run(10).flatMap(({ frames }) => frames), "ack").length, 1);
  const { events } = lone.session;
  events.onDatagram = () => {
    throw new RangeError("defect");
  };
  assert.ok(lone.feed(frame.datagram(bytes(1)), frame.stream(0, 0, HEADER)));
  assert.equal(lone.streams.length, 1);
  assert.throws(() => lone.session.throwDefect(), RangeError);
});

Deno.test("datagrams: to a node that takes none they are a violation", () => {
  const lone = new LoneSession({ transport: { datagramQueue: 0 } });
  lone.feed(frame.datagram(bytes(1)));
  assert.equal(lone.closeCode, ErrorCode.PROTOCOL_VIOLATION);
  assert.ok(lone.ends[0].error instanceof ProtocolError);
});

Deno.test("datagrams: behind the frame that ended the session they are not handed out", () => {
  const lone = new LoneSession();
  lone.feed(frame.close(0), frame.datagram(bytes(1)));
  assert.deepEqual(lone.datagrams, []);
});

Deno.test("datagrams on the simulator: at most once, unchanged, most of them, beside a stream that loses nothing", () => {
  const link = { delay: 10, jitter: 4, loss: 0.05, reorder: 0.05, duplicate: 0.05, corrupt: 0.02 };
  withSeeds(10, (network) => {
    const server = network.node();
    const client = network.node();
    const connection = client.establish(server);
    const writer = new Writer(open(connection), 300_000, 5);
    const { datagrams } = connection.session!;
    const count = 300;
    for (let i = 0; i < count; i++) {
      datagrams.send(bytes(10 + (i * 37) % (datagrams.maxPayload - 10), i).fill(i >> 8, 0, 1));
      network.run(7);
    }
    network.runUntil(() => server.streams.length > 0);
    const reader = new Reader(server.streams[0], 5);
    network.runUntil(() => writer.isDone);
    network.run(200);
    assert.equal(reader.read, 300_000);
    assert.equal(datagrams.sent + datagrams.unsent, count);
    const seen = new Set<number>();
    for (const datagram of server.datagrams) {
      const i = (datagram[0] << 8) | datagram[1];
      assert.ok(!seen.has(i), `datagram ${i} arrived twice`);
      assert.ok(datagram.subarray(1).every((byte) => byte === (i & 0xff)), `datagram ${i} is changed`);
      seen.add(i);
    }
    assert.ok(seen.size > 0.8 * count && seen.size <= datagrams.sent, `${seen.size} arrived`);
  }, link);
});

Deno.test("datagrams on the simulator: a flood of them is paced by the link and keeps the session alive", () => {
  const network = new SimNetwork(1, { delay: 20, bandwidth: 100, queue: 20_000 });
  const server = network.node();
  const client = network.node();
  const connection = client.establish(server);
  const { datagrams, recovery } = connection.session!;
  for (let i = 0; i < 2_000; i++) {
    datagrams.send(bytes(1_000));
    datagrams.send(bytes(1_000));
    network.run(1);
  }
  network.run(3_000);
  // Two seconds of 100 bytes per millisecond, and what waited then: 4 MB were offered.
  assert.ok(server.datagrams.length > 300 && server.datagrams.length < 480, `${server.datagrams.length}`);
  assert.ok(recovery.heldPackets < 100);
  assert.equal(datagrams.sent + datagrams.unsent, 4_000);
  assert.ok(connection.session!.isOpen);
});
