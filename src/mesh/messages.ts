/**
 * Messages on a byte stream (`protocol.md` 4): each is a varint length (RFC 9000 §16) and that many bytes. A
 * protocol may mix them with raw bytes whose number a message told.
 *
 * @module
 */

import { DecodeError } from "../errors.ts";
import { varintLength, VarintReader, writeVarint } from "../wire/varint.ts";

/** A message with its length before it. */
export function frameMessage(message: Uint8Array): Uint8Array {
  const head = varintLength(message.length);
  const out = new Uint8Array(head + message.length);
  writeVarint(out, 0, message.length);
  out.set(message, head);
  return out;
}

const NOTHING = new Uint8Array();

/** Takes a stream's pieces apart into messages and raw bytes. */
export class MessageReader {
  #piece: Uint8Array = new Uint8Array();
  #at = 0;
  /** Where pieces of a message that comes in several are put together. */
  #joined: Uint8Array = NOTHING;
  readonly #varint = new VarintReader(new Uint8Array());

  /**
   * @param read gives the next piece of the stream, `undefined` when there is none yet.
   * @param maxMessage bytes; a longer message throws, so that nobody can make the reader keep more.
   */
  constructor(readonly read: () => Uint8Array | undefined, readonly maxMessage: number) {}

  /** Whether bytes were read from the stream that belong to no message yet. */
  get hasRest(): boolean {
    return this.#at < this.#piece.length;
  }

  /**
   * The next message, as a view; `undefined` when it has not arrived completely. Throws {@linkcode DecodeError} when
   * it is longer than allowed.
   */
  message(): Uint8Array | undefined {
    for (;;) {
      const available = this.#piece.length - this.#at;
      if (available > 0) {
        const head = 1 << (this.#piece[this.#at] >>> 6);
        if (available >= head) {
          const length = this.#varint.reset(this.#piece, this.#at).varint();
          if (length > this.maxMessage) {
            throw new DecodeError(
              `Read message: ${length} bytes announced, at most ${this.maxMessage} allowed`,
            );
          }
          if (available >= head + length) {
            const start = this.#at + head;
            this.#at = start + length;
            return this.#piece.subarray(start, this.#at);
          }
        }
      }
      const more = this.read();
      if (more === undefined) return undefined;
      this.#append(more);
    }
  }

  /** The piece read last is valid no longer: what is left of it is copied. */
  keepRest(): void {
    if (this.#piece.buffer === this.#joined.buffer) return;
    this.#piece = this.hasRest ? this.#piece.slice(this.#at) : NOTHING;
    this.#at = 0;
  }

  /** At most `limit` raw bytes, as a view; `undefined` when none are there. */
  raw(limit: number): Uint8Array | undefined {
    if (this.#at === this.#piece.length) {
      const more = this.read();
      if (more === undefined) return undefined;
      this.#piece = more;
      this.#at = 0;
    }
    const end = Math.min(this.#piece.length, this.#at + limit);
    const bytes = this.#piece.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  /** Puts a piece behind what is left. Room is doubled, so that a message in tiny pieces is not moved for each of them. */
  #append(more: Uint8Array): void {
    const rest = this.#piece.subarray(this.#at);
    this.#at = 0;
    if (rest.length === 0) {
      this.#piece = more;
      this.#joined = NOTHING;
      return;
    }
    let start = rest.byteOffset;
    if (rest.buffer !== this.#joined.buffer || start + rest.length + more.length > this.#joined.length) {
      start = 0;
      this.#joined = new Uint8Array(2 * (rest.length + more.length));
      this.#joined.set(rest);
    }
    // What was handed out lies before it and stays as it is.
    this.#joined.set(more, start + rest.length);
    this.#piece = this.#joined.subarray(start, start + rest.length + more.length);
  }
}
