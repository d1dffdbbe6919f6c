/**
 * Groups of entries of a directory manifest, with fingerprints, and a manifest as its difference from another one
 * (`formats.md` 3.4).
 *
 * @module
 */

import type { Blake3 } from "../crypto/blake3.ts";
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
/** Paths that differ in their last digit differ in a few bits of their hash: spreads them (from MurmurHash3). */
const SPREAD = 0x85ebca6b;

/** The groups of one manifest. */
export interface ManifestGroups {
  /** Decides how many entries are in a group; see {@linkcode groupManifest}. */
  readonly shift: number;
  /** Where each group begins, bytes, and at the end where the last one ends. */
  readonly starts: readonly number[];
  /** Fingerprint of each: the first 48 bits of its BLAKE3, read from the least byte. */
  readonly prints: readonly number[];
}

/**
 * Takes a manifest apart into groups of 2^shift entries and more: from there on a group ends behind an entry whose
 * path's hash has its first `shift` bits zero. So a change of one entry changes its group and no other one,
 * and what is added or removed few. Throws `DecodeError` when `bytes` are no manifest.
 */
export function groupManifest(bytes: Uint8Array, shift: number, blake3: Blake3): ManifestGroups {
  const least = 2 ** shift;
  const starts: number[] = [];
  const prints: number[] = [];
  let from = 0;
  let entries = 0;
  let behind = 0;
  const close = (end: number): void => {
    starts.push(from);
    prints.push(fingerprintAt(blake3.hash(bytes.subarray(from, end)), 0));
    entries = 0;
  };
  eachEntry(bytes, (start, pathStart, pathEnd, end) => {
    if (entries++ === 0) from = start;
    behind = end;
    if (entries < least) return;
    let hash = FNV_OFFSET;
    for (let i = pathStart; i < pathEnd; i++) hash = Math.imul(hash ^ bytes[i], FNV_PRIME);
    hash = Math.imul(hash ^ (hash >>> 16), SPREAD);
    if (hash >>> (32 - shift) === 0) close(end);
  });
  if (entries > 0) close(behind);
  starts.push(behind);
  return { shift, starts, prints };
}

/**
 * The groups of a manifest that another one is to be asked for by: as few entries in each as the number of fingerprints
 * in a request allows. `undefined` when there is nothing to name. Throws `DecodeError` when `bytes` are no manifest.
 */
export function groupsToOffer(bytes: Uint8Array, blake3: Blake3): ManifestGroups | undefined {
  for (let shift = FIRST_SHIFT; shift <= MAX_GROUP_SHIFT; shift++) {
    const groups = groupManifest(bytes, shift, blake3);
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
