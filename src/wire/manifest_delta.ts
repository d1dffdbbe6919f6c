/**
 * How a manifest differs from one that the requester has (`formats.md` 3.4): groups of entries that both have are named
 * by number, the others come along. Pure arithmetic on bytes; what groups are is decided by {@linkcode eachEntry}
 * and by who hashes them.
 *
 * @module
 */

import { DecodeError } from "../errors.ts";
import { DIR_MANIFEST_VERSION } from "./dir_manifest.ts";
import { PostcardReader, PostcardWriter } from "./postcard.ts";

/** Length of a fingerprint on the wire, bytes: as many as a number counts exactly and quickly. */
export const FINGERPRINT_LENGTH = 6;
/** Greatest number of fingerprints in one request. */
export const MAX_FINGERPRINTS = 32_768;
/** Greatest exponent of two for the least number of entries in a group. */
export const MAX_GROUP_SHIFT = 16;
/** Greatest number of chunks of a manifest that is asked for as a difference: 64 MiB. */
export const MAX_DELTA_CHUNKS = 16;

const KIND_DIR = 1;
const KIND_SYMLINK = 2;

/** New bytes, then a run of groups that the requester has. */
export interface DeltaStep {
  /** Number of bytes to take from what came along. */
  readonly literal: number;
  /** Number of the first group to take after them. */
  readonly first: number;
  /** How many groups to take. */
  readonly count: number;
}

/** The bytes of a difference. @param packed what comes along; see `packed_blob.ts`. */
export function encodeManifestDelta(steps: readonly DeltaStep[], packed: Uint8Array): Uint8Array {
  const writer = new PostcardWriter(16 + 8 * steps.length + packed.length).varint(steps.length);
  for (const { literal, first, count } of steps) writer.varint(literal).varint(first).varint(count);
  return writer.fixed(packed).finish();
}

/** Takes one step: see {@linkcode DeltaStep}. */
export type StepVisitor = (literal: number, first: number, count: number) => void;

/**
 * Reads a difference: calls `visit` for each step, keeps none, and returns what came along, packed, as a view. Throws
 * `DecodeError` when malformed, and what `visit` throws.
 */
export function readManifestDelta(bytes: Uint8Array, visit: StepVisitor): Uint8Array {
  const reader = new PostcardReader(bytes, "manifest delta");
  const count = reader.u64();
  for (let i = 0; i < count; i++) visit(reader.u64(), reader.u64(), reader.u64());
  return reader.fixed(reader.remaining);
}

/** Fingerprints as they go over the wire. */
export function encodeFingerprints(prints: ArrayLike<number>): Uint8Array {
  const out = new Uint8Array(FINGERPRINT_LENGTH * prints.length);
  const view = new DataView(out.buffer);
  for (let i = 0; i < prints.length; i++) {
    view.setUint32(FINGERPRINT_LENGTH * i, prints[i] % 2 ** 32, true);
    view.setUint16(FINGERPRINT_LENGTH * i + 4, prints[i] / 2 ** 32, true);
  }
  return out;
}

/** Number `index` of encoded fingerprints. */
export function fingerprintAt(encoded: Uint8Array, index: number): number {
  const at = FINGERPRINT_LENGTH * index;
  const high = encoded[at + 4] + 0x100 * encoded[at + 5];
  return high * 2 ** 32 + encoded[at + 3] * 2 ** 24 +
    (encoded[at] | (encoded[at + 1] << 8) | (encoded[at + 2] << 16));
}

/** Where an entry is in the bytes of a manifest, and where its path. */
export type EntryVisitor = (start: number, pathStart: number, pathEnd: number, end: number) => void;

/**
 * Calls `visit` for each entry of a manifest without making anything of it: a tenth of the time that decoding takes.
 * Only what is needed to find the next entry is checked. Throws `DecodeError` when `bytes` are no manifest.
 */
export function eachEntry(bytes: Uint8Array, visit: EntryVisitor): void {
  const reader = new EntryReader(bytes);
  if (bytes[0] !== DIR_MANIFEST_VERSION) throw reader.malformed();
  reader.at = 1;
  const count = reader.number();
  for (let i = 0; i < count; i++) {
    const start = reader.at;
    const pathLength = reader.number();
    const pathStart = reader.at;
    const pathEnd = reader.skip(pathLength);
    const kind = reader.number();
    if (kind > KIND_SYMLINK) throw reader.malformed();
    if (kind !== KIND_SYMLINK) reader.number();
    if (kind !== KIND_DIR) reader.skip(reader.number());
    visit(start, pathStart, pathEnd, reader.at);
  }
}

/** Varints and what they measure. Sizes above 2^31 cannot be in bytes that are in memory. */
class EntryReader {
  at = 0;

  constructor(readonly bytes: Uint8Array) {}

  number(): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 35; scale *= 0x80) {
      if (this.at >= this.bytes.length) break;
      const byte = this.bytes[this.at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw this.malformed();
  }

  /** Leaves bytes out; where they end. */
  skip(length: number): number {
    this.at += length;
    if (this.at > this.bytes.length) throw this.malformed();
    return this.at;
  }

  malformed(): DecodeError {
    return new DecodeError(`Read directory manifest: no entry at byte ${this.at}`);
  }
}
