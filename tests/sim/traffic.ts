/**
 * Streams full of bytes that a reader can check: every byte follows from the stream's salt and its offset.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Connection } from "../../src/transport/connection.ts";
import type { Stream, StreamHeader } from "../../src/transport/stream.ts";
import type { Prng } from "./prng.ts";

const DEFAULT_HEADER: StreamHeader = { protocol: 0, priority: 3, weight: 16 };

/** Bytes after which the pattern begins anew: a prime, so that no shift that a program would make by mistake fits it. */
const PERIOD = 1_048_573;
/** More than the longest piece, so that most pieces are views. */
const OVERLAP = 131_072;
let master: Uint8Array | undefined;

/** `length` bytes of a stream from `offset` on, the caller's own. */
export function pattern(salt: number, offset: number, length: number): Uint8Array {
  return patternView(salt, offset, length).slice();
}

/** The same bytes, which others see, too: not to be changed. */
export function patternView(salt: number, offset: number, length: number): Uint8Array {
  master ??= makeMaster();
  const start = ((Math.imul(salt, 0x9e37_79b1) >>> 0) + offset) % PERIOD;
  if (start + length <= master.length) return master.subarray(start, start + length);
  const out = new Uint8Array(length);
  for (let at = 0; at < length; at += OVERLAP) {
    out.set(patternView(salt, offset + at, Math.min(OVERLAP, length - at)), at);
  }
  return out;
}

/** Whether `bytes` are those of the pattern from `offset` on. */
export function followsPattern(bytes: Uint8Array, salt: number, offset: number): boolean {
  const expected = patternView(salt, offset, bytes.length);
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== expected[i]) return false;
  return true;
}

function makeMaster(): Uint8Array {
  const out = new Uint8Array(PERIOD + OVERLAP);
  for (let i = 0; i < PERIOD; i++) {
    const mixed = Math.imul(i ^ (i >>> 8), 0x9e37_79b1);
    out[i] = Math.imul(mixed ^ (mixed >>> 15), 0x85eb_ca6b) >>> 24;
  }
  out.copyWithin(PERIOD, 0, OVERLAP);
  return out;
}

/** Opens a stream on a session. */
export function open(connection: Connection, header: Partial<StreamHeader> = {}): Stream {
  return connection.session!.streams.open({ ...DEFAULT_HEADER, ...header });
}

/** Writes `length` bytes of the pattern and the end, as fast as the stream takes them. */
export class Writer {
  written = 0;

  /** @param random makes pieces of random size; without it they are 64 KiB. */
  constructor(
    readonly stream: Stream,
    readonly length: number,
    readonly salt = 0,
    readonly random?: Prng,
  ) {
    stream.onWritable = () => this.#pump();
    this.#pump();
  }

  /** Whether everything was acknowledged. */
  get isDone(): boolean {
    return this.stream.sending.state === "data_recvd";
  }

  #pump(): void {
    const { stream, length, random } = this;
    while (stream.writable && this.written < length) {
      const size = Math.min(length - this.written, random === undefined ? 65_536 : 1 + random.int(40_000));
      const at = this.written;
      // Before the write, which may call back.
      this.written += size;
      stream.write(patternView(this.salt, at, size));
    }
    if (this.written === length && stream.writable) stream.finish();
  }
}

/** Reads everything that comes and checks it. */
export class Reader {
  read = 0;
  /** Reads nothing while this holds. */
  #paused: boolean;

  constructor(readonly stream: Stream, readonly salt = 0, paused = false) {
    this.#paused = paused;
    stream.onReadable = () => this.#pump();
    this.#pump();
  }

  /** Whether the end came. */
  get isDone(): boolean {
    return this.stream.ended;
  }

  /** Stops reading. */
  pause(): void {
    this.#paused = true;
  }

  /** Reads on. */
  resume(): void {
    this.#paused = false;
    this.#pump();
  }

  #pump(): void {
    if (this.#paused) return;
    for (let piece = this.stream.read(); piece !== undefined; piece = this.stream.read()) {
      assert.ok(
        followsPattern(piece, this.salt, this.read),
        `bytes at ${this.read} are not those written there`,
      );
      this.read += piece.length;
    }
  }
}
