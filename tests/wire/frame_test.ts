import assert from "node:assert/strict";
import fc from "fast-check";
import { DecodeError } from "../../src/errors.ts";
import {
  FrameType,
  MAX_REASON,
  parseFrames,
  STREAM_FIN,
  STREAM_LEN,
  STREAM_OFF,
  writeConnectionClose,
  writeSimpleFrame,
} from "../../src/wire/frame.ts";
import { concatBytes, encodeUtf8, fromHex } from "../../src/wire/bytes.ts";
import { VarintReader } from "../../src/wire/varint.ts";
import { type Frame, FrameLog, framesOf } from "../sim/frames.ts";
import { packets } from "../support/frame_model.ts";

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
