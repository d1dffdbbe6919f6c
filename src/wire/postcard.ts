/**
 * The subset of the postcard 1.x format that the content formats use (`formats.md` 3): fixed bytes, unsigned
 * LEB128 varints, strings, lists. Encoders write the shortest varint; decoders accept padded ones up to the
 * type's greatest length, as the reference program does.
 *
 * @module
 */

import { DecodeError } from "../errors.ts";
import { decodeUtf8, encodeUtf8 } from "./bytes.ts";

/** Greatest value that a decoded u64 may have here: sizes beyond 2^53 - 1 are refused by {@linkcode PostcardReader.u64}. */
const MAX_SAFE = Number.MAX_SAFE_INTEGER;

/** Appends postcard values to a growing buffer. */
export class PostcardWriter {
  #buffer: Uint8Array;
  #length = 0;

  /** An empty buffer. @param capacity bytes to reserve at first. */
  constructor(capacity = 64) {
    this.#buffer = new Uint8Array(capacity);
  }

  /** One raw byte. */
  u8(value: number): this {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
    return this;
  }

  /** An unsigned varint of up to 53 bits from a number, or up to 64 bits from a bigint. */
  varint(value: number | bigint): this {
    this.#reserve(10);
    if (value < 0x80 && typeof value === "number") {
      this.#buffer[this.#length++] = value;
      return this;
    }
    if (typeof value === "bigint") {
      while (value >= 0x80n) {
        this.#buffer[this.#length++] = Number(value & 0x7fn) | 0x80;
        value >>= 7n;
      }
      value = Number(value);
    }
    while (value >= 0x80) {
      this.#buffer[this.#length++] = (value % 0x80) | 0x80;
      value = Math.floor(value / 0x80);
    }
    this.#buffer[this.#length++] = value;
    return this;
  }

  /** Raw bytes without a length: a fixed array. */
  fixed(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** Room for `length` raw bytes, which `write` fills from `at` on: for what is made in place, thousands of times. */
  room(length: number, write: (into: Uint8Array, at: number) => void): this {
    this.#reserve(length);
    write(this.#buffer, this.#length);
    this.#length += length;
    return this;
  }

  /** A list of bytes: varint length, then the bytes. */
  bytes(bytes: Uint8Array): this {
    return this.varint(bytes.length).fixed(bytes);
  }

  /** A string: varint byte length, then UTF-8. */
  string(text: string): this {
    const { length } = text;
    if (length < 0x80) {
      // Most are short and ASCII: in place, without an array for each.
      this.#reserve(1 + length);
      const buffer = this.#buffer;
      const at = this.#length + 1;
      let i = 0;
      for (; i < length; i++) {
        const unit = text.charCodeAt(i);
        if (unit >= 0x80) break;
        buffer[at + i] = unit;
      }
      if (i === length) {
        buffer[at - 1] = length;
        this.#length = at + length;
        return this;
      }
    }
    return this.bytes(encodeUtf8(text));
  }

  /** What was written so far, as a view that is valid until the next write. */
  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  #reserve(extra: number): void {
    const need = this.#length + extra;
    if (need <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(need, this.#buffer.length * 2));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }
}

/**
 * Reads postcard values from bytes. Every method throws {@linkcode DecodeError} on truncated or impossible
 * input; nothing is allocated from a declared count.
 */
export class PostcardReader {
  #at = 0;

  /** Starts at the first byte. @param input views of it are returned. @param what the format's name, for messages. */
  constructor(readonly input: Uint8Array, readonly what: string) {}

  /** Bytes not read yet. */
  get remaining(): number {
    return this.input.length - this.#at;
  }

  /** One raw byte. */
  u8(): number {
    if (this.#at >= this.input.length) throw this.#truncated(1);
    return this.input[this.#at++];
  }

  /** A varint of at most 32 bits. */
  u32(): number {
    return Number(this.#varint(5, 0x0f));
  }

  /** A varint of at most 64 bits that fits a number; greater ones throw. */
  u64(): number {
    const value = this.#varint(10, 0x01);
    if (value > MAX_SAFE) {
      throw new DecodeError(`Decode ${this.what}: value ${value} is greater than ${MAX_SAFE}`);
    }
    return Number(value);
  }

  /** A varint of at most 64 bits. */
  bigU64(): bigint {
    return BigInt(this.#varint(10, 0x01));
  }

  /** `length` raw bytes, as a view. */
  fixed(length: number): Uint8Array {
    if (length > this.remaining) throw this.#truncated(length);
    return this.input.subarray(this.#at, this.#at += length);
  }

  /** A list of bytes, as a view. */
  bytes(): Uint8Array {
    return this.fixed(this.u64());
  }

  /** A UTF-8 string. */
  string(): string {
    const bytes = this.bytes();
    try {
      return decodeUtf8(bytes);
    } catch (cause) {
      throw new DecodeError(`Decode ${this.what}: text is not UTF-8`, { cause });
    }
  }

  /** Reads a varint of at most `maxBytes` whose last byte has no bits beyond `lastMask`. */
  #varint(maxBytes: number, lastMask: number): number | bigint {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < maxBytes; i++) {
      const byte = this.u8();
      if (i === maxBytes - 1 && byte > lastMask) {
        throw new DecodeError(`Decode ${this.what}: varint longer than ${maxBytes} bytes or out of range`);
      }
      // Beyond 2^49 a number loses bits: take the exact way for the rest.
      if (i === 7) return this.#wideVarint(BigInt(value), byte, maxBytes, lastMask);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    throw new DecodeError(`Decode ${this.what}: varint longer than ${maxBytes} bytes`);
  }

  #wideVarint(low: bigint, eighth: number, maxBytes: number, lastMask: number): bigint {
    let value = low | (BigInt(eighth & 0x7f) << 49n);
    let byte = eighth;
    for (let i = 8; byte >= 0x80; i++) {
      byte = this.u8();
      if (i >= maxBytes || (i === maxBytes - 1 && byte > lastMask)) {
        throw new DecodeError(`Decode ${this.what}: varint longer than ${maxBytes} bytes or out of range`);
      }
      value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    }
    return value;
  }

  #truncated(wanted: number): DecodeError {
    return new DecodeError(
      `Decode ${this.what}: input ends after ${this.input.length} bytes, wanted ${wanted} more at ${this.#at}`,
    );
  }
}
