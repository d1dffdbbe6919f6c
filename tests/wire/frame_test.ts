import assert from "node:assert/strict";
import fc from "fast-check";
import { DecodeError } from "../../src/errors.ts";
import {
  ackFrameLength,
  FrameType,
  MAX_REASON,
  parseFrames,
  simpleFrameBound,
  STREAM_FIN,
  STREAM_LEN,
  STREAM_OFF,
  streamFrameOverhead,
  writeAck,
  writeConnectionClose,
  writePathFrame,
  writeSimpleFrame,
  writeStreamHeader,
} from "../../src/wire/frame.ts";
import { concatBytes, encodeUtf8, fromHex } from "../../src/wire/bytes.ts";
import { VarintReader } from "../../src/wire/varint.ts";
import { type Frame, FrameLog, framesOf } from "../sim/frames.ts";

const varint = fc.oneof(fc.nat(100), fc.nat(100_000), fc.nat(), fc.maxSafeNat());
const bytes = fc.uint8Array({ maxLength: 40 });

/** Pairs smallest, largest, highest first, with gaps between. */
const ranges = fc.tuple(
  fc.array(fc.tuple(fc.nat(1_000_000), fc.nat(1_000_000)), { minLength: 1, maxLength: 40 }),
  fc.nat(),
)
  .map(([gaps, start]) => {
    const out: number[] = [];
    let at = start;
    for (const [gap, width] of gaps) {
      out.unshift(at, at + width);
      at += width + 2 + gap;
    }
    return out;
  });

const frames: fc.Arbitrary<Frame> = fc.oneof(
  fc.constant<Frame>({ type: "ping" }),
  fc.tuple(ranges, varint).map(([list, delay]): Frame => ({
    type: "ack",
    largest: list[1],
    delay,
    ranges: list,
  })),
  fc.tuple(varint, varint, varint).map(([id, code, finalSize]): Frame => ({
    type: "reset_stream",
    id,
    code,
    finalSize,
  })),
  fc.tuple(varint, varint).map(([id, code]): Frame => ({ type: "stop_sending", id, code })),
  fc.tuple(varint, fc.nat(), bytes, fc.boolean()).map(([id, offset, data, fin]): Frame => ({
    type: "stream",
    id,
    offset,
    data,
    fin,
  })),
  fc.tuple(fc.constantFrom("max_data" as const, "max_streams" as const), varint).map((
    [type, maximum],
  ): Frame => ({
    type,
    maximum,
  })),
  fc.tuple(varint, varint).map(([id, maximum]): Frame => ({ type: "max_stream_data", id, maximum })),
  fc.constantFrom(FrameType.DATA_BLOCKED, FrameType.STREAM_DATA_BLOCKED, FrameType.STREAMS_BLOCKED).map(
    (frameType): Frame => ({ type: "blocked", frameType }),
  ),
  fc.tuple(
    fc.constantFrom("path_challenge" as const, "path_response" as const),
    fc.uint8Array({ minLength: 8, maxLength: 8 }),
  ).map(([type, data]): Frame => ({ type, data })),
  fc.tuple(varint, fc.string({ maxLength: 50, unit: "binary" })).map(([code, reason]): Frame => ({
    type: "connection_close",
    code,
    reason: reason.toWellFormed(),
  })),
  bytes.map((data): Frame => ({ type: "datagram", data })),
);

/** Writes a frame; also checks that what is said of its length beforehand is true. */
function write(out: Uint8Array, at: number, frame: Frame): number {
  const simple = (type: number, ...values: number[]): number => {
    const end = writeSimpleFrame(out, at, type, ...values);
    assert.ok(end - at <= simpleFrameBound(values.length));
    return end;
  };
  switch (frame.type) {
    case "ping":
      return simple(FrameType.PING);
    case "ack": {
      const end = writeAck(out, at, frame.ranges, frame.delay);
      assert.equal(end - at, ackFrameLength(frame.ranges, frame.delay));
      return end;
    }
    case "reset_stream":
      return simple(FrameType.RESET_STREAM, frame.id, frame.code, frame.finalSize);
    case "stop_sending":
      return simple(FrameType.STOP_SENDING, frame.id, frame.code);
    case "stream": {
      const { id, offset, data, fin } = frame;
      const begin = writeStreamHeader(out, at, id, offset, data.length, fin);
      assert.equal(begin - at, streamFrameOverhead(id, offset, data.length));
      out.set(data, begin);
      return begin + data.length;
    }
    case "max_data":
      return simple(FrameType.MAX_DATA, frame.maximum);
    case "max_streams":
      return simple(FrameType.MAX_STREAMS, frame.maximum);
    case "max_stream_data":
      return simple(FrameType.MAX_STREAM_DATA, frame.id, frame.maximum);
    case "blocked":
      return frame.frameType === FrameType.STREAM_DATA_BLOCKED
        ? simple(frame.frameType, 5, 100_000)
        : simple(frame.frameType, 100_000);
    case "path_challenge":
      return writePathFrame(out, at, FrameType.PATH_CHALLENGE, frame.data);
    case "path_response":
      return writePathFrame(out, at, FrameType.PATH_RESPONSE, frame.data);
    case "connection_close":
      return writeConnectionClose(out, at, frame.code, frame.reason);
    case "datagram":
      at = writeSimpleFrame(out, at, FrameType.DATAGRAM | 1, frame.data.length);
      out.set(frame.data, at);
      return at + frame.data.length;
  }
}

const packets = fc.array(frames, { minLength: 1, maxLength: 12 }).map((list) => {
  const out = new Uint8Array(20_000);
  let at = 0;
  for (const frame of list) at = write(out, at, frame);
  return { frames: list, bytes: out.slice(0, at) };
});

Deno.test("frames: every kind, alone and together, is read as written", () => {
  fc.assert(fc.property(packets, (packet) => assert.deepEqual(framesOf(packet.bytes), packet.frames)), {
    numRuns: 500,
  });
});

Deno.test("frames: known bytes", () => {
  const cases: [string, Frame][] = [
    ["01", { type: "ping" }],
    ["02 0a 05 01 02 01 03", { type: "ack", largest: 10, delay: 5, ranges: [8, 10, 2, 5] }],
    ["04 04 40ff 08", { type: "reset_stream", id: 4, code: 255, finalSize: 8 }],
    ["08 04 6162", { type: "stream", id: 4, offset: 0, data: encodeUtf8("ab"), fin: false }],
    ["0b 04 02 6162", { type: "stream", id: 4, offset: 0, data: encodeUtf8("ab"), fin: true }],
    ["0f 04 4100 02 6162", { type: "stream", id: 4, offset: 256, data: encodeUtf8("ab"), fin: true }],
    ["10 80010000", { type: "max_data", maximum: 65536 }],
    ["1d 4101 02 6f6b", { type: "connection_close", code: 257, reason: "ok" }],
    ["30 0102", { type: "datagram", data: new Uint8Array([1, 2]) }],
  ];
  for (const [hex, frame] of cases) {
    const input = fromHex(hex.replaceAll(" ", ""))!;
    assert.deepEqual(framesOf(input), [frame], hex);
    // Padding before, between and behind.
    if ((input[0] & 0xf8) !== 0x08 && input[0] !== 0x30) {
      const padded = concatBytes([new Uint8Array(3), input, new Uint8Array(2), input, new Uint8Array(1)]);
      assert.deepEqual(framesOf(padded), [frame, frame], hex);
    }
  }
});

Deno.test("frames: all eight kinds of STREAM", () => {
  for (let bits = 0; bits < 8; bits++) {
    const parts: Uint8Array[] = [new Uint8Array([FrameType.STREAM | bits, 8])];
    if (bits & STREAM_OFF) parts.push(new Uint8Array([5]));
    if (bits & STREAM_LEN) parts.push(new Uint8Array([3]));
    parts.push(encodeUtf8("abc"));
    const wanted: Frame = {
      type: "stream",
      id: 8,
      offset: bits & STREAM_OFF ? 5 : 0,
      data: encodeUtf8("abc"),
      fin: (bits & STREAM_FIN) !== 0,
    };
    const rest: Frame[] = bits & STREAM_LEN ? [{ type: "ping" }] : [];
    if (bits & STREAM_LEN) parts.push(new Uint8Array([FrameType.PING]));
    assert.deepEqual(framesOf(concatBytes(parts)), [wanted, ...rest]);
  }
});

Deno.test("frames: what is not a frame throws DecodeError", () => {
  const bad = [
    "", // no frame at all
    "03",
    "06",
    "07",
    "13",
    "17",
    "18",
    "19",
    "1c",
    "1e",
    "1f",
    "20",
    "2f",
    "32",
    "40",
    "ff",
    "0210",
    "0203000004",
    "02030001000300",
    "02 00 00 00 01",
    "0b0405 61",
    "08",
    "0c04",
    "0a04 02 61",
    "0c04 c01fffffffffffff 61", // ends beyond the largest offset
    "10ffffffffffffffff",
    "1a01020304050607",
    "1d00",
    "1d0003 6162",
    "3105 01",
  ];
  for (const hex of bad) {
    assert.throws(() => framesOf(fromHex(hex.replaceAll(" ", ""))!), DecodeError, hex);
  }
});

Deno.test("frames: every truncation of a packet is a shorter packet or throws DecodeError", () => {
  fc.assert(fc.property(packets, ({ bytes }) => {
    for (let end = 0; end < bytes.length; end++) attempt(bytes.subarray(0, end));
  }));
});

Deno.test("frames: garbage and changed packets throw nothing but DecodeError", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), attempt), { numRuns: 5_000 });
  const edit = fc.tuple(fc.nat(), fc.nat(255));
  fc.assert(
    fc.property(packets, fc.array(edit, { maxLength: 5 }), ({ bytes }, edits) => {
      const changed = bytes.slice();
      for (const [at, value] of edits) changed[at % changed.length] = value;
      attempt(changed);
    }),
    { numRuns: 2_000 },
  );
});

function attempt(input: Uint8Array): void {
  try {
    parseFrames(new VarintReader(input), new FrameLog());
  } catch (error) {
    assert.ok(error instanceof DecodeError, String(error));
  }
}

Deno.test("frames: an ACK that announces more ranges than it holds ends at the packet's end", () => {
  const out = new Uint8Array(60_000);
  let at = writeSimpleFrame(out, 0, FrameType.ACK, 2 ** 50, 0, 2 ** 53 - 1);
  while (at < out.length) out[at++] = 0;
  assert.throws(() => parseFrames(new VarintReader(out), new FrameLog()), DecodeError);
});

Deno.test("frames: a long reason is cut between characters", () => {
  const out = new Uint8Array(2_000);
  for (
    const reason of [
      "x".repeat(600),
      "é".repeat(300),
      "x" + "é".repeat(300),
      "€".repeat(200),
      "xx" + "😀".repeat(150),
    ]
  ) {
    const end = writeConnectionClose(out, 0, 1, reason);
    const [frame] = framesOf(out.subarray(0, end)) as [Frame & { type: "connection_close" }];
    assert.ok(frame.reason.length > 100 && reason.startsWith(frame.reason), frame.reason);
    const length = encodeUtf8(frame.reason).length;
    assert.ok(length <= MAX_REASON && length > MAX_REASON - 4);
  }
});

Deno.test("frames: a reason that is not UTF-8 is no reason to refuse the frame", () => {
  assert.deepEqual(framesOf(fromHex("1d0502fffe")!), [{ type: "connection_close", code: 5, reason: "" }]);
});
