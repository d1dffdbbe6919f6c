/**
 * Arrays of `mmsghdr` for `sendmmsg` and `recvmmsg`: each entry with one `iovec`, a name and a control message. They lie
 * outside of the JavaScript heap and never move, so that they are linked once.
 *
 * @module
 */

import { SOCKADDR_LENGTH } from "./linux_sockaddr.ts";

/** `SOL_UDP`. */
export const SOL_UDP = 17;
/** Option and control message: datagrams of this many bytes are cut from what is sent. */
export const UDP_SEGMENT = 103;
/** Option and control message: datagrams of this many bytes were joined to what is received. */
export const UDP_GRO = 104;

/** 32-bit words of a `mmsghdr`, of an `iovec` and of a `cmsghdr` with up to 8 bytes in it. */
const HEADER_WORDS = 16;
const IOVEC_WORDS = 4;
const CONTROL_WORDS = 6;
/** Bytes of the same control message. */
const CONTROL_LENGTH = 4 * CONTROL_WORDS;
/** Bytes before what a `cmsghdr` holds. */
const CONTROL_HEADER = 16;
/** Places of 32-bit words in a `mmsghdr`. */
const Word = {
  NAME: 0,
  NAME_LENGTH: 2,
  IOVECS: 4,
  IOVEC_COUNT: 6,
  CONTROL: 8,
  CONTROL_LENGTH: 10,
  RECEIVED: 14,
} as const;

/** Address of the first byte in memory. The buffer must not be on the JavaScript heap. */
function addressOf(buffer: ArrayBuffer): number {
  return Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer)));
}

function putAddress(words: Uint32Array, at: number, address: number): void {
  words[at] = address >>> 0;
  words[at + 1] = address / 2 ** 32;
}

/** Entries over one buffer. */
export class Messages {
  /** All entries, for the call. */
  readonly headers: Uint8Array<ArrayBuffer>;
  readonly #headers: Uint32Array;
  readonly #iovecs: Uint32Array;
  readonly #names: Uint8Array;
  readonly #controls: Uint32Array;
  readonly #address: number;

  /** @param count entries. @param buffer what they point into. */
  constructor(readonly count: number, readonly buffer: Uint8Array<ArrayBuffer>) {
    const headers = new ArrayBuffer(4 * HEADER_WORDS * count);
    const iovecs = new ArrayBuffer(4 * IOVEC_WORDS * count);
    const names = new ArrayBuffer(SOCKADDR_LENGTH * count);
    const controls = new ArrayBuffer(CONTROL_LENGTH * count);
    this.headers = new Uint8Array(headers);
    this.#headers = new Uint32Array(headers);
    this.#iovecs = new Uint32Array(iovecs);
    this.#names = new Uint8Array(names);
    this.#controls = new Uint32Array(controls);
    this.#address = addressOf(buffer.buffer);
    for (let i = 0; i < count; i++) {
      const at = i * HEADER_WORDS;
      putAddress(this.#headers, at + Word.NAME, addressOf(names) + i * SOCKADDR_LENGTH);
      putAddress(this.#headers, at + Word.IOVECS, addressOf(iovecs) + 4 * i * IOVEC_WORDS);
      this.#headers[at + Word.IOVEC_COUNT] = 1;
      putAddress(this.#headers, at + Word.CONTROL, addressOf(controls) + i * CONTROL_LENGTH);
    }
  }

  /** The entries from `index` on, for the call. */
  from(index: number): Uint8Array<ArrayBuffer> {
    return index === 0 ? this.headers : this.headers.subarray(4 * HEADER_WORDS * index);
  }

  /** Points an entry at a part of the buffer. */
  point(index: number, offset: number, length: number): void {
    putAddress(this.#iovecs, index * IOVEC_WORDS, this.#address + offset);
    this.#iovecs[index * IOVEC_WORDS + 2] = length;
  }

  /** Sends an entry to a `sockaddr`, cut into datagrams of `segment` bytes unless that is 0. */
  address(index: number, name: Uint8Array, nameLength: number, segment: number): void {
    const at = index * HEADER_WORDS;
    this.#names.set(name, index * SOCKADDR_LENGTH);
    this.#headers[at + Word.NAME_LENGTH] = nameLength;
    this.#headers[at + Word.CONTROL_LENGTH] = segment === 0 ? 0 : CONTROL_LENGTH;
    if (segment > 0) this.#writeControl(index, segment);
  }

  /** Makes an entry ready to be received into again. */
  expect(index: number): void {
    const at = index * HEADER_WORDS;
    this.#headers[at + Word.NAME_LENGTH] = SOCKADDR_LENGTH;
    this.#headers[at + Word.CONTROL_LENGTH] = CONTROL_LENGTH;
  }

  /** Bytes received into an entry. */
  receivedLength(index: number): number {
    return this.#headers[index * HEADER_WORDS + Word.RECEIVED];
  }

  /** Size of the datagrams that were joined to what an entry received; 0 when it is one. */
  receivedSegment(index: number): number {
    if (this.#headers[index * HEADER_WORDS + Word.CONTROL_LENGTH] < CONTROL_HEADER + 4) return 0;
    const at = index * CONTROL_WORDS;
    const isGro = this.#controls[at + 2] === SOL_UDP && this.#controls[at + 3] === UDP_GRO;
    return isGro ? this.#controls[at + 4] : 0;
  }

  /** Where an entry came from, as a view. */
  receivedName(index: number): Uint8Array {
    return this.#names.subarray(index * SOCKADDR_LENGTH, (index + 1) * SOCKADDR_LENGTH);
  }

  #writeControl(index: number, segment: number): void {
    const at = index * CONTROL_WORDS;
    this.#controls[at] = CONTROL_HEADER + 2;
    this.#controls[at + 1] = 0;
    this.#controls[at + 2] = SOL_UDP;
    this.#controls[at + 3] = UDP_SEGMENT;
    this.#controls[at + 4] = segment;
  }
}
