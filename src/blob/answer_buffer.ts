/**
 * Many small answers as few pieces of a stream: each is put behind the one before in a buffer that holds hundreds, and
 * the stream gets them as one.
 *
 * @module
 */

import type { Stream } from "../transport/stream.ts";
import type { BufferPool } from "./buffer_pool.ts";

/** A buffer with the number of those who need it: whoever fills it, and pieces of it that are under way. */
interface SharedBuffer {
  readonly bytes: Uint8Array;
  users: number;
}

/** Gathers what is to be written to a stream. Whatever else writes to it calls {@linkcode AnswerBuffer.flush} before. */
export class AnswerBuffer {
  #buffer: SharedBuffer | undefined;
  /** What is between the two was gathered and not yet written. */
  #begin = 0;
  #end = 0;

  /** @param pool gives the buffers; none of them is kept while nothing is gathered or under way. */
  constructor(readonly stream: Stream, readonly pool: BufferPool) {}

  /** Room for `length` bytes, at most a buffer, behind what was gathered. Valid until the next call. */
  room(length: number): Uint8Array {
    if (this.#buffer !== undefined && this.#buffer.bytes.length - this.#end < length) {
      this.flush();
      this.#leave();
    }
    if (this.#buffer === undefined) {
      this.#buffer = { bytes: this.pool.take(), users: 1 };
      this.#begin = this.#end = 0;
    }
    return this.#buffer.bytes.subarray(this.#end, this.#end + length);
  }

  /** Notes that the first `length` bytes of the room given last were filled. */
  add(length: number): void {
    this.#end += length;
  }

  /** Gathers a copy of `bytes`, at most a buffer. */
  put(bytes: Uint8Array): void {
    this.room(bytes.length).set(bytes);
    this.add(bytes.length);
  }

  /** Writes what was gathered. */
  flush(): void {
    const buffer = this.#buffer;
    if (buffer === undefined || this.#begin === this.#end) return;
    const piece = buffer.bytes.subarray(this.#begin, this.#end);
    this.#begin = this.#end;
    buffer.users++;
    this.stream.write(piece, () => this.#release(buffer));
  }

  #release(buffer: SharedBuffer): void {
    buffer.users--;
    // Nothing of it is under way, and nothing is gathered: what comes next may wait for long.
    if (buffer === this.#buffer && buffer.users === 1 && this.#begin === this.#end) this.#leave();
    else if (buffer.users === 0) this.pool.give(buffer.bytes);
  }

  #leave(): void {
    const buffer = this.#buffer!;
    this.#buffer = undefined;
    if (--buffer.users === 0) this.pool.give(buffer.bytes);
  }
}
