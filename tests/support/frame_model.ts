/**
 * Frames as `fast-check` makes them up, and the way to write them.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import {
  ackFrameLength,
  FrameType,
  simpleFrameBound,
  streamFrameOverhead,
  writeAck,
  writeConnectionClose,
  writeDatagramHeader,
  writePathFrame,
  writeSimpleFrame,
  writeStreamHeader,
} from "../../src/wire/frame.ts";
import type { Frame } from "../sim/frames.ts";

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

/** Any frame. */
export const frames: fc.Arbitrary<Frame> = fc.oneof(
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
export function writeFrame(out: Uint8Array, at: number, frame: Frame): number {
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
      at = writeDatagramHeader(out, at, frame.data.length);
      out.set(frame.data, at);
      return at + frame.data.length;
  }
}

/** Packets of up to twelve frames, with their bytes. */
export const packets: fc.Arbitrary<{ frames: Frame[]; bytes: Uint8Array }> = fc.array(frames, {
  minLength: 1,
  maxLength: 12,
}).map((list) => {
  const out = new Uint8Array(20_000);
  let at = 0;
  for (const frame of list) at = writeFrame(out, at, frame);
  return { frames: list, bytes: out.slice(0, at) };
});
