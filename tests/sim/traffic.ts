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

/** `length` bytes of a stream from `offset` on. */
export function pattern(salt: number, offset: number, length: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const at = offset + i;
    out[i] = Math.imul(at ^ (at >>> 8) ^ salt, 0x9e37_79b1) >>> 24;
  }
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
      stream.write(pattern(this.salt, at, size));
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
      assert.deepEqual(piece, pattern(this.salt, this.read, piece.length), `bytes at ${this.read}`);
      this.read += piece.length;
    }
  }
}
