/**
 * Groups of entries of a directory manifest, with fingerprints, and a manifest as its difference from another one
 * (`formats.md` 3.4).
 *
 * @module
 */

import { DecodeError } from "../errors.ts";
import {
  type DeltaStep,
  eachEntry,
  encodeManifestDelta,
  FINGERPRINT_LENGTH,
  fingerprintAt,
  MAX_FINGERPRINTS,
  MAX_GROUP_SHIFT,
  readManifestDelta,
} from "../wire/manifest_delta.ts";
import { packBytes, unpackBlob } from "./packed_blob.ts";

/**
 * Least number of entries in a group, as an exponent of two: on average there are seven. Of 13,000 files of which 130
 * change, fingerprints and entries that come along take the same number of bytes at four.
 */
const FIRST_SHIFT = 2;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
/** Spread what differs in few bits over all of them (from MurmurHash3). */
const SPREAD_1 = 0x85ebca6b;
const SPREAD_2 = 0xc2b2ae35;

/** The groups of one manifest. */
export interface ManifestGroups {
  /** Decides how many entries are in a group; see {@linkcode groupManifest}. */
  readonly shift: number;
  /** Where each group begins, bytes, and at the end where the last one ends. */
  readonly starts: readonly number[];
  /** Fingerprint of each; see {@linkcode fingerprintOf}. */
  readonly prints: readonly number[];
}

/**
 * Takes a manifest apart into groups of 2^shift entries and more: from there on a group ends behind an entry whose
 * path's hash has its first `shift` bits zero. So a change of one entry changes its group and no other one,
 * and what is added or removed few. Throws `DecodeError` when `bytes` are no manifest.
 */
export function groupManifest(bytes: Uint8Array, shift: number): ManifestGroups {
  const least = 2 ** shift;
  const starts: number[] = [];
  const prints: number[] = [];
  let from = 0;
  let entries = 0;
  let behind = 0;
  const close = (end: number): void => {
    starts.push(from);
    prints.push(fingerprintOf(bytes, from, end));
    entries = 0;
  };
  eachEntry(bytes, (start, pathStart, pathEnd, end) => {
    if (entries++ === 0) from = start;
    behind = end;
    if (entries < least) return;
    if (hashOf(bytes, pathStart, pathEnd) >>> (32 - shift) === 0) close(end);
  });
  if (entries > 0) close(behind);
  starts.push(behind);
  return { shift, starts, prints };
}

/** FNV-1a, its bits spread; a signed number of 32 bits. */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = FNV_OFFSET;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i], FNV_PRIME);
  return Math.imul(hash ^ (hash >>> 16), SPREAD_1);
}

/**
 * Fingerprint of bytes: the hash of FNV-1a, and 16 bits of the same with another multiplier, above it. Two that are
 * equal by chance, or because somebody wanted it, cost a second request: the manifest made of them has another address.
 * That is worth a quarter of the time that BLAKE3 takes for pieces as short as these.
 */
function fingerprintOf(bytes: Uint8Array, from: number, to: number): number {
  let low = FNV_OFFSET;
  let high = FNV_OFFSET;
  for (let i = from; i < to; i++) {
    low = Math.imul(low ^ bytes[i], FNV_PRIME);
    high = Math.imul(high ^ bytes[i], SPREAD_2);
  }
  low = Math.imul(low ^ (low >>> 16), SPREAD_1);
  high = Math.imul(high ^ (high >>> 16), SPREAD_1);
  return (high >>> 16) * 2 ** 32 + (low >>> 0);
}

/**
 * The groups of a manifest that another one is to be asked for by: as few entries in each as the number of fingerprints
 * in a request allows. `undefined` when there is nothing to name. Throws `DecodeError` when `bytes` are no manifest.
 */
export function groupsToOffer(bytes: Uint8Array): ManifestGroups | undefined {
  for (let shift = FIRST_SHIFT; shift <= MAX_GROUP_SHIFT; shift++) {
    const groups = groupManifest(bytes, shift);
    if (groups.prints.length === 0) return undefined;
    if (groups.prints.length <= MAX_FINGERPRINTS) return groups;
  }
  return undefined;
}

/**
 * The difference of the manifest `bytes`, whose groups are known, from one with these encoded fingerprints.
 * `undefined` when more than `maxLiteral` bytes of it are not in the other one.
 */
export function deltaTo(
  bytes: Uint8Array,
  groups: ManifestGroups,
  fingerprints: Uint8Array,
  maxLiteral: number,
): Uint8Array | undefined {
  const known = new Map<number, number>();
  const count = fingerprints.length / FINGERPRINT_LENGTH;
  for (let i = 0; i < count; i++) known.set(fingerprintAt(fingerprints, i), i);
  const steps: DeltaStep[] = [];
  const literals: Uint8Array[] = [];
  let literalLength = 0;
  const { starts, prints } = groups;
  /** The manifest up to here is in the steps. */
  let done = 0;
  for (let group = 0; group < prints.length;) {
    const first = known.get(prints[group]);
    if (first === undefined) {
      group++;
      continue;
    }
    const literal = bytes.subarray(done, starts[group]);
    literalLength += literal.length;
    if (literalLength > maxLiteral) return undefined;
    literals.push(literal);
    let run = 1;
    while (group + run < prints.length && known.get(prints[group + run]) === first + run) run++;
    steps.push({ literal: literal.length, first, count: run });
    done = starts[group += run];
  }
  const last = bytes.subarray(done);
  if (literalLength + last.length > maxLiteral) return undefined;
  if (last.length > 0) steps.push({ literal: last.length, first: 0, count: 0 });
  return encodeManifestDelta(steps, packBytes([...literals, last]));
}

/**
 * The manifest of `length` bytes behind a difference from the manifest `base`. Takes no more memory than some times
 * `length`, whatever `delta` holds. Throws `DecodeError` when it is malformed or of another length. Whether it is the
 * right manifest is not known.
 */
export function applyDelta(
  base: Uint8Array,
  { starts }: ManifestGroups,
  delta: Uint8Array,
  length: number,
): Uint8Array {
  const groupCount = starts.length - 1;
  let literalLength = 0;
  let total = 0;
  const packed = readManifestDelta(delta, (literal, first, count) => {
    if (first + count > groupCount) throw malformed(`groups ${first} to ${first + count} of ${groupCount}`);
    literalLength += literal;
    total += literal + starts[first + count] - starts[first];
    if (total > length) throw malformed(`more than ${length} bytes`);
  });
  if (total < length) throw malformed(`${total} of ${length} bytes`);
  const literals = unpackBlob(packed, literalLength);
  const out = new Uint8Array(length);
  let at = 0;
  let taken = 0;
  readManifestDelta(delta, (literal, first, count) => {
    out.set(literals.subarray(taken, taken += literal), at);
    out.set(base.subarray(starts[first], starts[first + count]), at += literal);
    at += starts[first + count] - starts[first];
  });
  return out;
}

function malformed(what: string): DecodeError {
  return new DecodeError(`Decode manifest delta: it names ${what}`);
}
