/**
 * Changes to bytes that know nothing of the code that will read them.
 *
 * @module
 */

import { concatBytes } from "../../src/wire/bytes.ts";
import { writeVarint } from "../../src/wire/varint.ts";
import type { Prng } from "../sim/prng.ts";

/** Numbers at which encodings change their length or code its mind. */
const EDGES: readonly number[] = [
  0,
  1,
  0x3f,
  0x40,
  0x7f,
  0x80,
  0xff,
  0x3fff,
  0x4000,
  0xffff,
  0x3fff_ffff,
  0x4000_0000,
  2 ** 31,
  2 ** 32,
  Number.MAX_SAFE_INTEGER,
];
/** Edits of one input at most. */
const MAX_EDITS = 4;
/** Bytes put in at most at one place. */
const MAX_INSERT = 24;

type Edit = (random: Prng, bytes: Uint8Array, samples: readonly Uint8Array[]) => Uint8Array;

const EDITS: readonly Edit[] = [
  // One bit.
  (random, bytes) => {
    const out = bytes.slice();
    if (out.length > 0) out[random.int(out.length)] ^= 1 << random.int(8);
    return out;
  },
  // One byte.
  (random, bytes) => {
    const out = bytes.slice();
    if (out.length > 0) {
      out[random.int(out.length)] = random.chance(0.5) ? random.int(256) : random.pick(EDGES);
    }
    return out;
  },
  // The end is missing.
  (random, bytes) => bytes.slice(0, random.int(bytes.length + 1)),
  // Bytes taken out.
  (random, bytes) => {
    const at = random.int(bytes.length + 1);
    return concatBytes([bytes.subarray(0, at), bytes.subarray(at + 1 + random.int(MAX_INSERT))]);
  },
  // Bytes put in: chance, or all the same.
  (random, bytes) => {
    const at = random.int(bytes.length + 1);
    const length = 1 + random.int(MAX_INSERT);
    const inserted = random.chance(0.5)
      ? random.bytes(length)
      : new Uint8Array(length).fill(random.pick([0, 1, 0x7f, 0x80, 0xff]));
    return concatBytes([bytes.subarray(0, at), inserted, bytes.subarray(at)]);
  },
  // A number of an edge, as a QUIC varint or little-endian base 128, over what is there or before it.
  (random, bytes) => {
    const at = random.int(bytes.length + 1);
    const number = varintBytes(random, random.pick(EDGES));
    const over = random.chance(0.5) ? number.length : 0;
    return concatBytes([bytes.subarray(0, at), number, bytes.subarray(at + over)]);
  },
  // A part repeated.
  (random, bytes) => {
    const at = random.int(bytes.length + 1);
    const end = at + random.int(bytes.length - at + 1);
    return concatBytes([bytes.subarray(0, end), bytes.subarray(at, end), bytes.subarray(end)]);
  },
  // The beginning of one, the end of another.
  (random, bytes, samples) => {
    const other = random.pick(samples);
    return concatBytes([
      bytes.subarray(0, random.int(bytes.length + 1)),
      other.subarray(random.int(other.length + 1)),
    ]);
  },
];

/** One of the samples with one to four edits; now and then nothing but chance. */
export function mutate(random: Prng, samples: readonly Uint8Array[]): Uint8Array {
  if (random.chance(0.03)) return random.bytes(random.int(300));
  let bytes = random.pick(samples);
  for (let n = 1 + random.int(MAX_EDITS); n > 0; n--) bytes = random.pick(EDITS)(random, bytes, samples);
  return bytes;
}

function varintBytes(random: Prng, value: number): Uint8Array {
  const out = new Uint8Array(10);
  if (random.chance(0.5)) return out.slice(0, writeVarint(out, 0, value));
  let at = 0;
  for (; value >= 0x80; value = Math.floor(value / 0x80)) out[at++] = (value % 0x80) | 0x80;
  out[at++] = value;
  return out.slice(0, at);
}
