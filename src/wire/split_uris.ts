/**
 * Directory manifests in a form that packs well (`formats.md` 3.3): two thirds of one are the URIs of its files'
 * references, which repeat in hex the hash that is there already, and of the rest most is hashes, which nothing
 * compresses. Works on any bytes, so also on one chunk of a manifest.
 *
 * @module
 */

import { DecodeError } from "../errors.ts";
import { equalBytes, toHex } from "./bytes.ts";
import { PostcardReader, PostcardWriter } from "./postcard.ts";

const HASH_LENGTH = 32;
/** The size between a small reference's hash and its URI. */
const SIZE_LENGTH = 8;
const SCHEME = new TextEncoder().encode("mesh://");
const URI_LENGTH = SCHEME.length + 2 * HASH_LENGTH;
/** What a place gives back: hash, size and URI. */
const PLACE_LENGTH = HASH_LENGTH + SIZE_LENGTH + URI_LENGTH;

/** Bytes taken apart. */
export interface SplitUris {
  /** The hashes of all places, 32 bytes each. */
  readonly hashes: Uint8Array;
  /** For each place the varint length of what is before it, that, and its size; at the end what is behind the last. */
  readonly rest: Uint8Array;
}

/** Takes the hashes of small references out of `bytes`, and leaves out URIs that only repeat them. */
export function splitUris(bytes: Uint8Array): SplitUris {
  const hashes = new PostcardWriter(HASH_LENGTH + Math.floor(bytes.length / PLACE_LENGTH) * HASH_LENGTH);
  const rest = new PostcardWriter(bytes.length + SIZE_LENGTH);
  let done = 0;
  for (let at = nextScheme(bytes, 0); at >= 0; at = nextScheme(bytes, at)) {
    const hashAt = at - SIZE_LENGTH - HASH_LENGTH;
    const hash = bytes.subarray(Math.max(hashAt, 0), hashAt + HASH_LENGTH);
    if (hashAt < done || !isHexOf(bytes, at + SCHEME.length, hash)) {
      at++;
      continue;
    }
    hashes.fixed(hash);
    rest.varint(hashAt - done).fixed(bytes.subarray(done, hashAt)).fixed(
      bytes.subarray(at - SIZE_LENGTH, at),
    );
    done = at += URI_LENGTH;
  }
  return { hashes: hashes.finish(), rest: rest.fixed(bytes.subarray(done)).finish() };
}

/**
 * Puts together what {@linkcode splitUris} took apart. Throws `DecodeError` unless that gives exactly `length` bytes.
 */
export function joinUris({ hashes, rest }: SplitUris, length: number): Uint8Array {
  const reader = new PostcardReader(rest, "split content");
  const bytes = new Uint8Array(length);
  let at = 0;
  for (let place = 0; place < hashes.length; place += HASH_LENGTH) {
    const before = reader.bytes();
    if (at + before.length + PLACE_LENGTH > length) throw wrongLength("more", length);
    const hash = hashes.subarray(place, place + HASH_LENGTH);
    bytes.set(before, at);
    bytes.set(hash, at += before.length);
    bytes.set(reader.fixed(SIZE_LENGTH), at += HASH_LENGTH);
    bytes.set(SCHEME, at += SIZE_LENGTH);
    writeHex(hash, bytes, at += SCHEME.length);
    at += 2 * HASH_LENGTH;
  }
  if (at + reader.remaining !== length) throw wrongLength("other", length);
  bytes.set(reader.fixed(reader.remaining), at);
  return bytes;
}

function wrongLength(how: string, length: number): DecodeError {
  return new DecodeError(`Decode split content: it is of ${how} than ${length} bytes`);
}

/** Where the next `mesh://` begins; -1 when there is none. */
function nextScheme(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(SCHEME[0], from); at >= 0; at = bytes.indexOf(SCHEME[0], at + 1)) {
    if (equalBytes(bytes.subarray(at, at + SCHEME.length), SCHEME)) return at;
  }
  return -1;
}

function isHexOf(bytes: Uint8Array, at: number, hash: Uint8Array): boolean {
  for (let i = 0; i < HASH_LENGTH; i++) {
    if (bytes[at + 2 * i] !== HEX[2 * hash[i]] || bytes[at + 2 * i + 1] !== HEX[2 * hash[i] + 1]) {
      return false;
    }
  }
  return true;
}

function writeHex(hash: Uint8Array, into: Uint8Array, at: number): void {
  for (let i = 0; i < HASH_LENGTH; i++) {
    into[at + 2 * i] = HEX[2 * hash[i]];
    into[at + 2 * i + 1] = HEX[2 * hash[i] + 1];
  }
}

/** The two digits of every byte, as ASCII. */
const HEX: Uint8Array = new TextEncoder().encode(toHex(Uint8Array.from({ length: 256 }, (_, i) => i)));
