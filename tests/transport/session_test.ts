/** One session against packets written by hand: violations, acknowledgement, probes, time-outs, close. */

import assert from "node:assert/strict";
import {
  NotAuthorizedError,
  PeerSilentError,
  ProtocolError,
  SessionClosedError,
  SessionReplacedError,
  StreamResetError,
} from "../../src/errors.ts";
import { ErrorCode } from "../../src/transport/config.ts";
import { FrameType } from "../../src/wire/frame.ts";
import { only } from "../sim/frames.ts";
import { frame, HEADER, LoneSession } from "../sim/lone_session.ts";

const bytes = (length: number) => new Uint8Array(length).fill(1);

// --- violations ---

const { simple, stream } = frame;
const violations: [string, number, (lone: LoneSession) => Uint8Array[]][] = [
  ["a stream beyond its credit", ErrorCode.FLOW_CONTROL_ERROR, () => [stream(0, 2 ** 20 - 1, bytes(2))]],
  ["a reset beyond the stream's credit", ErrorCode.FLOW_CONTROL_ERROR, () => [
    simple(FrameType.RESET_STREAM, 0, 0, 2 ** 20 + 1),
  ]],
  [
    "streams beyond the connection's credit",
    ErrorCode.FLOW_CONTROL_ERROR,
    () => Array.from({ length: 17 }, (_, i) => stream(4 * i, 2 ** 20 - 1, bytes(1))),
  ],
  [
    "data behind the end",
    ErrorCode.FINAL_SIZE_ERROR,
    () => [stream(0, 0, HEADER, true), stream(0, 3, bytes(2))],
  ],
  ["another end", ErrorCode.FINAL_SIZE_ERROR, () => [
    stream(0, 0, HEADER),
    stream(0, 10, bytes(2), true),
    stream(0, 10, bytes(3), true),
  ]],
  ["an end before what came", ErrorCode.FINAL_SIZE_ERROR, () => [
    stream(0, 10, bytes(9)),
    stream(0, 10, bytes(2), true),
  ]],
  ["a reset with a smaller size than what came", ErrorCode.FINAL_SIZE_ERROR, () => [
    stream(0, 10, bytes(9)),
    simple(FrameType.RESET_STREAM, 0, 0, 18),
  ]],
  ["a stream of ours that we never opened", ErrorCode.STREAM_STATE_ERROR, () => [stream(1, 0, bytes(1))]],
  ["credit for a stream that we never opened", ErrorCode.STREAM_STATE_ERROR, () => [
    simple(FrameType.MAX_STREAM_DATA, 5, 1),
  ]],
  ["a unidirectional stream", ErrorCode.STREAM_STATE_ERROR, () => [stream(2, 0, bytes(1))]],
  ["more streams than allowed", ErrorCode.STREAM_LIMIT_ERROR, () => [stream(4 * 1024, 0, bytes(1))]],
  ["an unknown frame", ErrorCode.FRAME_ENCODING_ERROR, () => [new Uint8Array([0x21])]],
  ["a frame that is cut off", ErrorCode.FRAME_ENCODING_ERROR, () => [new Uint8Array([FrameType.MAX_DATA])]],
  ["an empty packet", ErrorCode.FRAME_ENCODING_ERROR, () => []],
  ["an ACK below packet 0", ErrorCode.FRAME_ENCODING_ERROR, () => [simple(FrameType.ACK, 3, 0, 0, 4)]],
  ["an ACK of a packet never sent", ErrorCode.PROTOCOL_VIOLATION, (lone) => {
    lone.session.ping();
    lone.poll();
    return [frame.ack([0, lone.session.nextPacketNumber])];
  }],
  ["an ACK before anything was sent", ErrorCode.PROTOCOL_VIOLATION, () => [frame.ack([0, 0])]],
  [
    "a stream with priority 8",
    ErrorCode.PROTOCOL_VIOLATION,
    () => [stream(0, 0, new Uint8Array([0, 8, 16]))],
  ],
  ["a stream with weight 0", ErrorCode.PROTOCOL_VIOLATION, () => [stream(0, 0, new Uint8Array([0, 3, 0]))]],
  ["a stream with weight 257", ErrorCode.PROTOCOL_VIOLATION, () => [
    stream(0, 0, new Uint8Array([0, 3, 0x41, 1])),
  ]],
  ["a stream that ends inside its header", ErrorCode.PROTOCOL_VIOLATION, () => [
    stream(0, 0, new Uint8Array([0, 3]), true),
  ]],
  [
    "a stream that ends before its header",
    ErrorCode.PROTOCOL_VIOLATION,
    () => [stream(0, 0, bytes(0), true)],
  ],
  ["a stream whose header never ends", ErrorCode.FRAME_ENCODING_ERROR, () => [
    stream(0, 0, new Uint8Array(24).fill(0xff)),
  ]],
];

for (const [name, code, frames] of violations) {
  Deno.test(`violation: ${name} closes the session with code ${code}`, () => {
    const lone = new LoneSession();
    lone.feed(...frames(lone));
    // A header made of nonsense may be found out in either way.
    const wanted = name.includes("never ends") ? ErrorCode.PROTOCOL_VIOLATION : code;
    assert.equal(lone.closeCode, wanted);
    assert.ok(lone.ends[0].error instanceof ProtocolError);
    assert.equal(lone.ends.length, 1);
    const [close] = only(lone.frames(), "connection_close");
    assert.equal(close.code, wanted);
    assert.ok(close.reason.length > 0);
    assert.equal(lone.session.isOpen, false);
    lone.run(5_000);
    assert.ok(lone.session.isGone);
    assert.equal(lone.session.deadline, Infinity);
  });
}

const harmless: [string, Uint8Array[]][] = [
  ["exactly the stream's credit", [stream(0, 0, HEADER), stream(0, 2 ** 20 - 1, bytes(1))]],
  ["the last stream allowed", [stream(4 * 1023, 0, HEADER)]],
  ["data again, and the end again", [
    stream(0, 0, HEADER),
    stream(0, 3, bytes(5), true),
    stream(0, 2, bytes(4)),
    stream(0, 3, bytes(5), true),
    stream(0, 8, bytes(0), true),
  ]],
  [
    "many resets at their credit, which they give back",
    Array.from({ length: 40 }, (_, i) => simple(FrameType.RESET_STREAM, 4 * i, 0, 2 ** 20)),
  ],
  ["a reset twice", [simple(FrameType.RESET_STREAM, 0, 1, 5), simple(FrameType.RESET_STREAM, 0, 1, 5)]],
  ["less credit than before", [simple(FrameType.MAX_DATA, 1), simple(FrameType.MAX_STREAMS, 1)]],
  ["blocked frames", [
    simple(FrameType.DATA_BLOCKED, 1),
    simple(FrameType.STREAM_DATA_BLOCKED, 0, 1),
    simple(FrameType.STREAMS_BLOCKED, 1),
  ]],
  ["a datagram", [new Uint8Array([FrameType.DATAGRAM, 1, 2, 3])]],
  ["a path response nobody asked for", [new Uint8Array([FrameType.PATH_RESPONSE, ...bytes(8)])]],
  ["padding only", [frame.padding(30)]],
];

for (const [name, frames] of harmless) {
  Deno.test(`no violation: ${name}`, () => {
    const lone = new LoneSession();
    assert.ok(lone.feed(...frames));
    assert.equal(lone.closeCode, undefined);
  });
}

Deno.test("violation: frames behind the one that ended the session do nothing", () => {
  const ways: ((lone: LoneSession) => Uint8Array)[] = [
    () => frame.close(0),
    (lone) => {
      lone.onStream = () => lone.session.close(0, "", lone.now);
      return stream(0, 0, HEADER);
    },
  ];
  for (const way of ways) {
    const lone = new LoneSession();
    const ended = way(lone);
    lone.feed(ended, stream(4, 0, HEADER), stream(8, 0, HEADER));
    assert.equal(lone.ends.length, 1);
    assert.ok(lone.streams.every(({ id }) => id === 0));
    assert.equal(lone.session.streams.size, 0);
  }
});

// --- acknowledgement ---

Deno.test("acks: every second packet at once, a lone one after 5 ms", () => {
  const lone = new LoneSession();
  lone.feed(frame.ping);
  assert.deepEqual(lone.poll(), []);
  assert.equal(lone.session.deadline, lone.now + 5);
  lone.feed(frame.ping);
  const [first] = lone.poll();
  assert.deepEqual(only([...first.frames], "ack")[0].ranges, [0, 1]);
  lone.feed(frame.ping);
  const [second, ...more] = lone.run(5);
  assert.deepEqual(more, []);
  assert.equal(second.at, 1_005);
  const [ack] = only([...second.frames], "ack");
  assert.deepEqual(ack.ranges, [0, 2]);
  assert.equal(ack.delay, 625, "5 ms in units of 8 µs");
});

Deno.test("acks: at once when a packet is missing or late", () => {
  const lone = new LoneSession();
  lone.feed(frame.ping);
  lone.run(10);
  lone.feedNumbered(2, frame.ping);
  assert.deepEqual(only(lone.frames(), "ack")[0].ranges, [2, 2, 0, 0]);
  lone.feedNumbered(1, frame.ping);
  assert.deepEqual(only(lone.frames(), "ack")[0].ranges, [0, 2]);
});

Deno.test("acks: what does not ask for one gets none, so that ACKs do not answer ACKs for ever", () => {
  const lone = new LoneSession({ peer: { maxUdpPayloadSize: 1200 } });
  lone.session.ping();
  lone.poll();
  assert.ok(lone.ackAll());
  assert.ok(lone.feed(frame.padding(20)));
  assert.deepEqual(lone.run(9_000), []);
});

Deno.test("acks: a packet refused for want of room is not acknowledged, what fills the gap is taken", () => {
  const lone = new LoneSession({ transport: { streamWindow: 2 ** 24 } });
  lone.feed(stream(0, 0, HEADER));
  // Every other byte: each is a piece of its own.
  let at = HEADER.length + 1;
  let number = 1;
  while (lone.feed(...Array.from({ length: 100 }, () => stream(0, at += 2, bytes(1))))) number++;
  assert.ok(number > 80 && number < 90, `${number} packets were taken`);
  const limit = lone.session.streams.segments;
  assert.ok(limit >= 8192 && limit <= 8292);
  assert.equal(lone.feed(stream(0, at += 2, bytes(1))), false);
  assert.equal(lone.session.streams.segments, limit);
  const largest = only(lone.run(10).flatMap(({ frames }) => frames), "ack").at(-1)!;
  assert.ok(largest.largest < number + 1);
  // The first gap: taken, and what is behind it goes to the reader.
  assert.ok(lone.feed(stream(0, HEADER.length, bytes(3))));
  assert.ok(lone.session.streams.segments < limit);
  assert.equal(lone.session.isOpen, true);
});

Deno.test("acks: a full window of usual packets behind one that is lost is taken", () => {
  const lone = new LoneSession({ transport: { streamWindow: 2 ** 24, connectionWindow: 2 ** 24 } });
  const first = stream(0, 0, new Uint8Array([...HEADER, ...bytes(1197)]));
  for (let i = 1; i < 13_000; i++) assert.ok(lone.feed(stream(0, 1200 * i, bytes(1200))), `packet ${i}`);
  assert.ok(lone.feed(first));
  let read = 0;
  for (let piece = lone.streams[0].read(); piece !== undefined; piece = lone.streams[0].read()) {
    read += piece.length;
  }
  assert.equal(read, 13_000 * 1200 - HEADER.length);
  assert.equal(lone.session.streams.segments, 0);
});

// --- probes ---

Deno.test("probe time-out: two packets, then twice as long each time, with what is oldest", () => {
  const lone = new LoneSession({ initiator: true });
  lone.session.ping();
  const out = lone.session.streams.open({ protocol: 0, priority: 3, weight: 16 });
  out.write(bytes(100));
  lone.poll();
  // smoothed 100 + 4 * 50 + 5
  const pto = 305;
  const packets = lone.run(pto * 7 + 1);
  assert.deepEqual(packets.map(({ at }) => at - 1_000), [pto, pto, 3 * pto, 3 * pto, 7 * pto, 7 * pto]);
  for (const { frames } of packets) assert.deepEqual(only([...frames], "stream")[0].data.length, 103);
  // An answer ends the back-off.
  lone.ackAll();
  assert.equal(lone.session.recovery.ptoCount, 0);
  assert.equal(lone.session.recovery.bytesInFlight, 0);
  assert.equal(out.sending.buffered, 0);
});

Deno.test("probe time-out: with nothing to repeat it is a PING, whatever the window says", () => {
  const lone = new LoneSession({ initiator: true });
  lone.poll();
  const packets = lone.run(310);
  assert.deepEqual(packets.map(({ frames }) => frames), [[{ type: "ping" }], [{ type: "ping" }]]);
});

Deno.test("probes left over are dropped when an answer comes first", () => {
  const lone = new LoneSession({ initiator: true });
  lone.poll();
  lone.now = lone.session.deadline;
  lone.session.onTimeout(lone.now);
  lone.feed(frame.ack([0, 0]));
  assert.deepEqual(lone.poll().filter(({ length }) => length < 1_000), []);
});

Deno.test("a peer that acknowledges nothing does not make the session hold ever more ACKs", () => {
  const lone = new LoneSession({
    initiator: true,
    transport: { idleTimeout: 0 },
    peer: { maxIdleTimeout: 0 },
  });
  lone.poll();
  for (let i = 0; i < 5_000; i++) lone.feed(frame.ping), lone.poll();
  assert.ok(lone.sent.length > 2_000);
  assert.ok(lone.session.recovery.heldPackets < 10, `${lone.session.recovery.heldPackets} held`);
});

// --- liveness ---

Deno.test("idle time-out: the smaller of both sides' ends the session without a word", () => {
  for (const [ours, theirs, wanted] of [[30_000, 20_000, 20_000], [10_000, 0, 10_000], [0, 7_000, 7_000]]) {
    const lone = new LoneSession({ transport: { idleTimeout: ours }, peer: { maxIdleTimeout: theirs } });
    lone.run(wanted - 1);
    assert.equal(lone.ends.length, 0);
    const packets = lone.run(1);
    const [{ code, remote, error }] = lone.ends;
    assert.deepEqual([code, remote], [ErrorCode.IDLE_TIMEOUT, false]);
    assert.ok(error instanceof PeerSilentError);
    assert.equal(error.silentMs, wanted);
    assert.deepEqual(packets, []);
    assert.ok(lone.session.isGone);
    assert.equal(lone.session.deadline, Infinity);
  }
});

Deno.test("idle time-out: none when neither side wants one", () => {
  const lone = new LoneSession({ transport: { idleTimeout: 0 }, peer: { maxIdleTimeout: 0 } });
  lone.run(1e9);
  assert.ok(lone.session.isOpen);
  assert.equal(lone.session.deadline, Infinity);
});

Deno.test("idle time-out: counts from the last packet, or the first that asked for an answer since", () => {
  const lone = new LoneSession();
  lone.run(10_000);
  lone.feed(frame.padding(1));
  lone.run(20_000);
  lone.session.ping();
  lone.run(29_999);
  assert.equal(lone.ends.length, 0, "the PING at 30 s gave 30 s more");
  lone.run(2);
  assert.equal(lone.ends.length, 1, "its repetitions did not");
});

Deno.test("keep-alive: PING at a third of the idle time-out while a stream is open", () => {
  const lone = new LoneSession();
  assert.deepEqual(lone.run(25_000), []);
  lone.feed(stream(0, 0, HEADER));
  lone.run(100);
  lone.ackAll();
  for (let i = 0; i < 10; i++) {
    const pings = lone.run(10_001);
    assert.ok(only(pings.flatMap(({ frames }) => frames), "ping").length >= 1, `round ${i}`);
    lone.ackAll();
  }
  assert.ok(lone.session.isOpen);
});

Deno.test("keep-alive: a peer with a tiny idle time-out is not asked more often than probes would be sent", () => {
  const lone = new LoneSession({ peer: { maxIdleTimeout: 1 } });
  lone.feed(stream(0, 0, HEADER));
  const packets = lone.run(900);
  assert.ok(packets.length < 10, `${packets.length} packets in 900 ms`);
});

Deno.test("keep-alive: always with the option", () => {
  const lone = new LoneSession({ transport: { keepAlive: true } });
  const pings = lone.run(10_001);
  assert.equal(only(pings.flatMap(({ frames }) => frames), "ping").length, 1);
});

Deno.test("a PING goes before data and does not make a packet longer than the path carries", () => {
  const lone = new LoneSession({ initiator: true });
  lone.session.streams.open({ protocol: 0, priority: 3, weight: 16 }).write(bytes(10_000));
  lone.session.ping();
  const [first] = lone.poll();
  assert.equal(first.length, lone.session.mtu.size);
  assert.deepEqual(first.frames.map(({ type }) => type), ["ping", "stream"]);
});

// --- path ---

Deno.test("path challenges are handed to who knows where they came from", () => {
  const lone = new LoneSession();
  const data = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
  lone.feed(frame.pathChallenge(data), frame.pathChallenge(bytes(8)));
  assert.deepEqual(lone.challenges, [data, bytes(8)]);
  assert.equal(only(lone.run(10).flatMap(({ frames }) => frames), "ack").length, 1);
});

// --- close ---

Deno.test("close: says so with the code, and acknowledges what came last", () => {
  const lone = new LoneSession();
  lone.feed(stream(0, 0, HEADER, true));
  lone.session.close(7, "enough", lone.now);
  const frames = lone.frames();
  assert.deepEqual(only(frames, "ack")[0].ranges, [0, 0]);
  assert.deepEqual(only(frames, "connection_close"), [{
    type: "connection_close",
    code: 7,
    reason: "enough",
  }]);
  assert.ok(lone.ends[0].error instanceof SessionClosedError);
});

Deno.test("close: said again twice, for it may be lost", () => {
  const lone = new LoneSession();
  lone.session.close(ErrorCode.APPLICATION, "enough", lone.now);
  const packets = lone.run(10_000);
  assert.deepEqual(packets.map(({ at }) => at - 1_000), [0, 305, 610]);
  for (const { frames } of packets) assert.equal(only([...frames], "connection_close")[0].reason, "enough");
  assert.ok(lone.session.isGone);
});

Deno.test("close: answers stragglers ever more rarely, and is gone after three probe time-outs", () => {
  const lone = new LoneSession();
  lone.session.close(0, "", lone.now);
  lone.poll();
  const answered: number[] = [];
  for (let i = 1; i <= 40; i++) {
    lone.feed(frame.ping);
    if (lone.poll().length > 0) answered.push(i);
  }
  assert.deepEqual(answered, [1, 2, 4, 8, 16, 32]);
  lone.run(3 * 305 - 1);
  assert.equal(lone.session.isGone, false);
  lone.run(1);
  assert.ok(lone.session.isGone);
  assert.equal(lone.session.deadline, Infinity);
});

Deno.test("close: a session that the peer closed answers once and says nothing more", () => {
  const lone = new LoneSession();
  const ours = lone.session.streams.open({ protocol: 0, priority: 3, weight: 16 });
  ours.write(bytes(10));
  lone.poll();
  lone.feed(frame.close(5, "bye"));
  assert.deepEqual(lone.ends.map(({ code, reason, remote }) => [code, reason, remote]), [[5, "bye", true]]);
  assert.ok(ours.error instanceof SessionClosedError);
  lone.feed(frame.ping);
  const said = lone.run(2_000).map(({ frames }) => frames);
  assert.deepEqual(said, [[{ type: "connection_close", code: 0, reason: "" }]]);
  assert.ok(lone.session.isGone);
});

Deno.test("close: the peer's code tells the error", () => {
  for (
    const [code, type] of [
      [ErrorCode.NOT_AUTHORIZED, NotAuthorizedError],
      [ErrorCode.SESSION_REPLACED, SessionReplacedError],
      [ErrorCode.NO_ERROR, SessionClosedError],
    ] as const
  ) {
    const lone = new LoneSession();
    lone.feed(frame.close(code));
    assert.ok(lone.ends[0].error instanceof type);
  }
});

// --- callbacks ---

Deno.test("a callback that throws stops neither the packet nor other streams; the error comes out afterwards", () => {
  const lone = new LoneSession();
  const read: number[] = [];
  lone.onStream = (stream) =>
    stream.onReadable = () => {
      if (stream.id === 0) throw new RangeError("defect");
      read.push(stream.id);
    };
  assert.ok(
    lone.feed(stream(0, 0, HEADER), stream(0, 3, bytes(1)), stream(4, 0, HEADER), stream(4, 3, bytes(1))),
  );
  assert.ok(read.includes(4));
  assert.throws(() => lone.session.throwDefect(), RangeError);
  lone.session.throwDefect();
  assert.equal(only(lone.run(10).flatMap(({ frames }) => frames), "ack").length, 1);
});

Deno.test("a writer's callback that throws does not lose what was just sent", () => {
  const lone = new LoneSession({ initiator: true });
  const out = lone.session.streams.open({ protocol: 0, priority: 3, weight: 16 });
  out.onWritable = () => {
    throw new RangeError("defect");
  };
  out.write(bytes(5_000));
  out.finish();
  const sent = only(lone.frames(), "stream").reduce((sum, { data }) => sum + data.length, 0);
  assert.equal(sent, 5_003);
  lone.ackAll();
  assert.equal(out.sending.state, "data_recvd");
  assert.throws(() => lone.session.throwDefect(), RangeError);
});

// --- the two directions of a stream ---

Deno.test("a peer that stops reading leaves us what it wrote", () => {
  const lone = new LoneSession();
  lone.feed(stream(0, 0, new Uint8Array([...HEADER, 1, 2, 3])));
  const [taken] = lone.streams;
  taken.write(bytes(10));
  lone.poll();
  lone.feed(simple(FrameType.STOP_SENDING, 0, 9), stream(0, 6, bytes(4), true));
  assert.ok(taken.writeError instanceof StreamResetError && taken.writeError.code === 9);
  assert.equal(taken.readError, undefined);
  assert.throws(() => taken.write(bytes(1)), StreamResetError);
  let read = 0;
  for (let piece = taken.read(); piece !== undefined; piece = taken.read()) read += piece.length;
  assert.deepEqual([read, taken.ended], [7, true]);
  assert.deepEqual(only(lone.frames(), "reset_stream"), [{
    type: "reset_stream",
    id: 0,
    code: 9,
    finalSize: 10,
  }]);
  lone.ackAll();
  assert.equal(lone.session.streams.size, 0);
});

Deno.test("a peer that resets its direction still takes ours", () => {
  const lone = new LoneSession();
  lone.feed(stream(0, 0, new Uint8Array([...HEADER, 1, 2, 3])));
  const [taken] = lone.streams;
  lone.feed(simple(FrameType.RESET_STREAM, 0, 4, 6));
  assert.ok(taken.readError instanceof StreamResetError && taken.readError.code === 4);
  assert.equal(taken.read(), undefined);
  taken.write(bytes(5));
  taken.finish();
  lone.poll();
  lone.ackAll();
  assert.equal(taken.sending.state, "data_recvd");
  assert.equal(lone.session.streams.size, 0);
});

Deno.test("a stream that is stopped when its end is already in the packet is removed", () => {
  const lone = new LoneSession();
  lone.feed(stream(0, 0, HEADER));
  const [taken] = lone.streams;
  taken.finish();
  lone.poll();
  lone.ackAll();
  taken.onReadable = () => taken.stop(3);
  lone.feed(stream(0, 3, bytes(1)), stream(0, 4, bytes(1), true));
  lone.poll();
  lone.ackAll();
  assert.equal(lone.session.streams.size, 0);
  assert.ok(lone.session.isOpen);
});
