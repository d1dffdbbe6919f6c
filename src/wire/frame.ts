/**
 * Frames inside data packets: types and layouts of RFC 9000 §19 and RFC 9221, as listed in `protocol.md` 3. Writers
 * append to a buffer that the caller sized; {@linkcode parseFrames} calls a handler and allocates nothing but what
 * a frame carries as views of the packet.
 *
 * @module
 */

import { DecodeError } from "../errors.ts";
import { decodeUtf8, encodeUtf8Within } from "./bytes.ts";
import { varintLength, type VarintReader, writeVarint } from "./varint.ts";

/** Frame types in use. STREAM is 0x08 plus the bits {@linkcode STREAM_OFF}, {@linkcode STREAM_LEN}, {@linkcode STREAM_FIN}. */
export const FrameType = {
  PADDING: 0x00,
  PING: 0x01,
  ACK: 0x02,
  RESET_STREAM: 0x04,
  STOP_SENDING: 0x05,
  STREAM: 0x08,
  MAX_DATA: 0x10,
  MAX_STREAM_DATA: 0x11,
  MAX_STREAMS: 0x12,
  DATA_BLOCKED: 0x14,
  STREAM_DATA_BLOCKED: 0x15,
  STREAMS_BLOCKED: 0x16,
  PATH_CHALLENGE: 0x1a,
  PATH_RESPONSE: 0x1b,
  CONNECTION_CLOSE: 0x1d,
  DATAGRAM: 0x30,
} as const;

/** Bit of a STREAM frame: the offset is present. */
export const STREAM_OFF = 0x04;
/** Bit of a STREAM frame: the length is present. */
export const STREAM_LEN = 0x02;
/** Bit of a STREAM frame: its end is the end of the stream. */
export const STREAM_FIN = 0x01;

/** Largest stream offset (RFC 9000 §19.8: 2^62 - 1), here what a number holds. */
export const MAX_OFFSET: number = Number.MAX_SAFE_INTEGER;
/** Longest reason text of CONNECTION_CLOSE, bytes: fits the smallest packet. */
export const MAX_REASON = 512;

/** Receives the frames of one packet, in order. Byte arrays are views of the packet. */
export interface FrameHandler {
  /** PING, RFC 9000 §19.2. */
  onPing(): void;
  /**
   * ACK, RFC 9000 §19.3. `ranges` holds pairs smallest, largest of acknowledged packet numbers, highest pair
   * first; it is reused after the call. `delay` is the field as sent, not scaled.
   */
  onAck(largest: number, delay: number, ranges: readonly number[]): void;
  /** RESET_STREAM, RFC 9000 §19.4. */
  onResetStream(id: number, code: number, finalSize: number): void;
  /** STOP_SENDING, RFC 9000 §19.5. */
  onStopSending(id: number, code: number): void;
  /** STREAM, RFC 9000 §19.8. */
  onStream(id: number, offset: number, data: Uint8Array, fin: boolean): void;
  /** MAX_DATA, RFC 9000 §19.9. */
  onMaxData(maximum: number): void;
  /** MAX_STREAM_DATA, RFC 9000 §19.10. */
  onMaxStreamData(id: number, maximum: number): void;
  /** MAX_STREAMS, RFC 9000 §19.11. */
  onMaxStreams(maximum: number): void;
  /** DATA_BLOCKED, STREAM_DATA_BLOCKED or STREAMS_BLOCKED, RFC 9000 §19.12 to §19.14. */
  onBlocked(type: number): void;
  /** PATH_CHALLENGE, RFC 9000 §19.17. */
  onPathChallenge(data: Uint8Array): void;
  /** PATH_RESPONSE, RFC 9000 §19.18. */
  onPathResponse(data: Uint8Array): void;
  /** CONNECTION_CLOSE, RFC 9000 §19.19. */
  onConnectionClose(code: number, reason: string): void;
  /** DATAGRAM, RFC 9221 §4. */
  onDatagram(data: Uint8Array): void;
}

const ackRanges: number[] = [];

/**
 * Parses the frames of a decrypted packet; whether it elicits an acknowledgement: all frames do but ACK, PADDING and
 * CONNECTION_CLOSE (RFC 9002 §2). Throws {@linkcode DecodeError} on an unknown or malformed frame: the
 * session then closes with `FRAME_ENCODING_ERROR`.
 */
export function parseFrames(reader: VarintReader, handler: FrameHandler): boolean {
  let elicits = false;
  if (reader.remaining === 0) throw new DecodeError("Decode packet: no frame in it");
  while (reader.remaining > 0) {
    const type = reader.u8();
    elicits ||= type !== FrameType.ACK && type !== FrameType.PADDING && type !== FrameType.CONNECTION_CLOSE;
    if ((type & 0xf8) === FrameType.STREAM) {
      parseStream(reader, type, handler);
      continue;
    }
    switch (type) {
      case FrameType.PADDING:
        while (reader.at < reader.end && reader.input[reader.at] === 0) reader.at++;
        break;
      case FrameType.PING:
        handler.onPing();
        break;
      case FrameType.ACK:
        parseAck(reader, handler);
        break;
      case FrameType.RESET_STREAM:
        handler.onResetStream(reader.varint(), reader.varint(), reader.varint());
        break;
      case FrameType.STOP_SENDING:
        handler.onStopSending(reader.varint(), reader.varint());
        break;
      case FrameType.MAX_DATA:
        handler.onMaxData(reader.varint());
        break;
      case FrameType.MAX_STREAM_DATA:
        handler.onMaxStreamData(reader.varint(), reader.varint());
        break;
      case FrameType.MAX_STREAMS:
        handler.onMaxStreams(reader.varint());
        break;
      case FrameType.STREAM_DATA_BLOCKED:
        reader.varint();
        reader.varint();
        handler.onBlocked(type);
        break;
      case FrameType.DATA_BLOCKED:
      case FrameType.STREAMS_BLOCKED:
        reader.varint();
        handler.onBlocked(type);
        break;
      case FrameType.PATH_CHALLENGE:
        handler.onPathChallenge(reader.bytes(8));
        break;
      case FrameType.PATH_RESPONSE:
        handler.onPathResponse(reader.bytes(8));
        break;
      case FrameType.CONNECTION_CLOSE:
        parseClose(reader, handler);
        break;
      case FrameType.DATAGRAM:
        handler.onDatagram(reader.bytes(reader.remaining));
        break;
      case FrameType.DATAGRAM | 1:
        handler.onDatagram(reader.bytes(reader.varint()));
        break;
      default:
        throw new DecodeError(`Decode packet: unknown frame type 0x${type.toString(16)}`);
    }
  }
  return elicits;
}

function parseStream(reader: VarintReader, type: number, handler: FrameHandler): void {
  const id = reader.varint();
  const offset = type & STREAM_OFF ? reader.varint() : 0;
  const length = type & STREAM_LEN ? reader.varint() : reader.remaining;
  if (offset + length > MAX_OFFSET) {
    throw new DecodeError(`Decode STREAM frame: offset ${offset} is out of range`);
  }
  handler.onStream(id, offset, reader.bytes(length), (type & STREAM_FIN) !== 0);
}

function parseAck(reader: VarintReader, handler: FrameHandler): void {
  const largest = reader.varint();
  const delay = reader.varint();
  const count = reader.varint();
  ackRanges.length = 0;
  let smallest = largest - reader.varint();
  ackRanges.push(smallest, largest);
  for (let i = 0; i < count; i++) {
    const high = smallest - reader.varint() - 2;
    smallest = high - reader.varint();
    ackRanges.push(smallest, high);
  }
  if (smallest < 0) throw new DecodeError("Decode ACK frame: a range goes below packet number 0");
  handler.onAck(largest, delay, ackRanges);
}

function parseClose(reader: VarintReader, handler: FrameHandler): void {
  const code = reader.varint();
  const bytes = reader.bytes(reader.varint());
  let reason = "";
  try {
    reason = decodeUtf8(bytes.subarray(0, MAX_REASON));
  } catch {
    // A reason is for people only: one that is not UTF-8 is as good as none.
  }
  handler.onConnectionClose(code, reason);
}

/** Writes a frame made of its type and varints; returns the offset after it. */
export function writeSimpleFrame(out: Uint8Array, at: number, type: number, ...values: number[]): number {
  out[at++] = type;
  for (const value of values) at = writeVarint(out, at, value);
  return at;
}

/** Bytes that {@linkcode writeSimpleFrame} takes at most for `values` varints. */
export function simpleFrameBound(values: number): number {
  return 1 + 8 * values;
}

/** Bytes of an ACK frame over `ranges` (pairs smallest, largest, highest first). */
export function ackFrameLength(ranges: readonly number[], delay: number): number {
  let length = 1 + varintLength(ranges[1]) + varintLength(delay) + varintLength(ranges.length / 2 - 1) +
    varintLength(ranges[1] - ranges[0]);
  for (let i = 2; i < ranges.length; i += 2) {
    length += varintLength(ranges[i - 2] - ranges[i + 1] - 2) + varintLength(ranges[i + 1] - ranges[i]);
  }
  return length;
}

/** Writes an ACK frame over `ranges` (pairs smallest, largest, highest first). */
export function writeAck(out: Uint8Array, at: number, ranges: readonly number[], delay: number): number {
  out[at++] = FrameType.ACK;
  at = writeVarint(out, at, ranges[1]);
  at = writeVarint(out, at, delay);
  at = writeVarint(out, at, ranges.length / 2 - 1);
  at = writeVarint(out, at, ranges[1] - ranges[0]);
  for (let i = 2; i < ranges.length; i += 2) {
    at = writeVarint(out, at, ranges[i - 2] - ranges[i + 1] - 2);
    at = writeVarint(out, at, ranges[i + 1] - ranges[i]);
  }
  return at;
}

/** Bytes before the data of a STREAM frame with offset and length fields. */
export function streamFrameOverhead(id: number, offset: number, length: number): number {
  return 1 + varintLength(id) + varintLength(offset) + varintLength(length);
}

/** Writes everything of a STREAM frame but its data; returns the offset at which the data goes. */
export function writeStreamHeader(
  out: Uint8Array,
  at: number,
  id: number,
  offset: number,
  length: number,
  fin: boolean,
): number {
  out[at++] = FrameType.STREAM | STREAM_OFF | STREAM_LEN | (fin ? STREAM_FIN : 0);
  at = writeVarint(out, at, id);
  at = writeVarint(out, at, offset);
  return writeVarint(out, at, length);
}

/** Bytes before the data of a DATAGRAM frame of `length` bytes. */
export function datagramFrameOverhead(length: number): number {
  return 1 + varintLength(length);
}

/** Writes everything of a DATAGRAM frame but its data; returns the offset at which the data goes. */
export function writeDatagramHeader(out: Uint8Array, at: number, length: number): number {
  out[at++] = FrameType.DATAGRAM | 1;
  return writeVarint(out, at, length);
}

/** Writes PATH_CHALLENGE or PATH_RESPONSE with its 8 bytes. */
export function writePathFrame(out: Uint8Array, at: number, type: number, data: Uint8Array): number {
  out[at++] = type;
  out.set(data, at);
  return at + 8;
}

/** Writes CONNECTION_CLOSE; a reason longer than {@linkcode MAX_REASON} bytes is cut. */
export function writeConnectionClose(out: Uint8Array, at: number, code: number, reason: string): number {
  out[at++] = FrameType.CONNECTION_CLOSE;
  at = writeVarint(out, at, code);
  const text = encodeUtf8Within(reason, MAX_REASON);
  at = writeVarint(out, at, text.length);
  out.set(text, at);
  return at + text.length;
}
