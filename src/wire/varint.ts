/**
 * Variable-length integers of QUIC (RFC 9000 §16): the two top bits of the first byte tell the length 1, 2, 4 or
 * 8, the rest is the value, big-endian. Used by frames, transport parameters, stream headers and message framing.
 *
 * @module
 */

import { DecodeError } from "../errors.ts";

/** Number of bytes that {@linkcode writeVarint} takes for `value`. */
export function varintLength(value: number): 1 | 2 | 4 | 8 {
  return value < 0x40 ? 1 : value < 0x4000 ? 2 : value < 0x4000_0000 ? 4 : 8;
}

/** Writes `value` (0 to 2^53 - 1) at `at` and returns the offset after it. The caller makes the room. */
export function writeVarint(out: Uint8Array, at: number, value: number): number {
  if (value < 0x40) {
    out[at++] = value;
  } else if (value < 0x4000) {
    out[at++] = 0x40 | (value >>> 8);
    out[at++] = value;
  } else if (value < 0x4000_0000) {
    out[at++] = 0x80 | (value >>> 24);
    out[at++] = value >>> 16;
    out[at++] = value >>> 8;
    out[at++] = value;
  } else {
    const high = Math.floor(value / 0x1_0000_0000);
    const low = value >>> 0;
    out[at++] = 0xc0 | (high >>> 24);
    out[at++] = high >>> 16;
    out[at++] = high >>> 8;
    out[at++] = high;
    out[at++] = low >>> 24;
    out[at++] = low >>> 16;
    out[at++] = low >>> 8;
    out[at++] = low;
  }
  return at;
}

/** A position in bytes that varints are read from; reused so that parsing a packet allocates nothing. */
export class VarintReader {
  /** Offset of the next byte. */
  at = 0;
  /** Starts at the first byte. @param input the bytes. @param end offset after the last readable byte. */
  constructor(public input: Uint8Array, public end: number = input.length) {}

  /** Bytes not read yet. */
  get remaining(): number {
    return this.end - this.at;
  }

  /** Points the reader at other bytes. */
  reset(input: Uint8Array, at = 0, end: number = input.length): this {
    this.input = input;
    this.at = at;
    this.end = end;
    return this;
  }

  /** One byte. Throws {@linkcode DecodeError} at the end of the input. */
  u8(): number {
    if (this.at >= this.end) throw new DecodeError(`Decode varint: input ends at ${this.end}`);
    return this.input[this.at++];
  }

  /** The next varint. Throws {@linkcode DecodeError} when truncated or greater than 2^53 - 1. */
  varint(): number {
    const first = this.u8();
    const length = 1 << (first >>> 6);
    let value = first & 0x3f;
    if (length === 1) return value;
    if (this.end - this.at < length - 1) {
      throw new DecodeError(
        `Decode varint: input ends at ${this.end}, wanted ${length} bytes at ${this.at - 1}`,
      );
    }
    for (let i = 1; i < length; i++) value = value * 256 + this.input[this.at++];
    if (value > Number.MAX_SAFE_INTEGER) {
      throw new DecodeError(`Decode varint: value is greater than ${Number.MAX_SAFE_INTEGER}`);
    }
    return value;
  }

  /** `length` bytes, as a view. Throws {@linkcode DecodeError} when there are fewer. */
  bytes(length: number): Uint8Array {
    if (length > this.end - this.at) {
      throw new DecodeError(`Decode bytes: ${this.end - this.at} left, wanted ${length}`);
    }
    return this.input.subarray(this.at, this.at += length);
  }
}
