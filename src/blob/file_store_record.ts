/**
 * The bytes of a pack: a header, then records back to back.
 *
 * ```
 * pack header, 48 bytes: the same 24 bytes twice, so that one flipped bit does not cost the pack
 *   "HWPK" | version u32 | marker 8 bytes | pack id u32 | CRC-32 of the 20 bytes before
 * record, 48 bytes and, for a put, the blob
 *   marker 8 bytes | kind and length u32 | address 32 bytes | CRC-32 of the 44 bytes before
 * ```
 *
 * Integers are little endian; the kind has the upper 4 bits. The marker is random and new in every pack, and the CRC
 * of a record starts from its place. So bytes inside a blob never pass for a record: whoever made the blob did not
 * know the marker, and a copy of a pack stored as a blob lies at other places. That is what allows the scan to look
 * for the next record after a damaged one.
 *
 * @module
 */

import { StoreError, UnsupportedVersionError } from "../errors.ts";
import { MAX_STORED_BLOB } from "./store.ts";

/** Length of a pack's header, bytes. */
export const PACK_HEADER_LENGTH = 48;
/** Length of a record's header, bytes. */
export const RECORD_HEADER_LENGTH = 48;
/** Length of a marker, bytes. */
export const MARKER_LENGTH = 8;
/** Where the address is in a record's header. */
export const HASH_OFFSET = 12;

const VERSION = 1;
const MAGIC = 0x4b505748; // "HWPK"
const COPY_LENGTH = PACK_HEADER_LENGTH / 2;
const LENGTH_BITS = 28;
const LENGTH_MASK = (1 << LENGTH_BITS) - 1;

/** What a record says. */
export const RecordKind = {
  /** The blob follows. */
  put: 1,
  /** The blob is no longer wanted. */
  delete: 2,
  /** The blob is protected. */
  pin: 3,
  /** The blob is no longer protected. */
  unpin: 4,
  /** Everything before it in this pack was durable when it was written. Its address is zero. */
  checkpoint: 5,
  /** A put whose blob was lost to a power failure; the bytes that follow are to be skipped. */
  void: 6,
} as const;

/** One of the values of {@linkcode RecordKind}. */
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

/** What identifies a pack in its records. */
export interface PackIdentity {
  /** Number of the pack: packs with higher ones were begun later. */
  readonly id: number;
  /** Begins every record. */
  readonly marker: Uint8Array;
}

/** What a record's header says. */
export interface RecordHeader {
  /** What the record is. */
  readonly kind: RecordKind;
  /** Bytes that follow the header. */
  readonly length: number;
}

/** The header of a new pack. Tests make one of another version. */
export function encodePackHeader(pack: PackIdentity, version: number = VERSION): Uint8Array {
  const out = new Uint8Array(PACK_HEADER_LENGTH);
  const view = new DataView(out.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, version, true);
  out.set(pack.marker, 8);
  view.setUint32(16, pack.id, true);
  view.setUint32(20, crc32(out, 0, 20, 0), true);
  out.copyWithin(COPY_LENGTH, 0, COPY_LENGTH);
  return out;
}

/**
 * What the header of pack `id` says; `undefined` when both copies are damaged. Throws `UnsupportedVersionError` for
 * a pack of a later release.
 */
export function decodePackHeader(bytes: Uint8Array, id: number): PackIdentity | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + COPY_LENGTH <= bytes.length; at += COPY_LENGTH) {
    if (view.getUint32(at, true) !== MAGIC) continue;
    if (view.getUint32(at + 20, true) !== crc32(bytes, at, 20, 0)) continue;
    const version = view.getUint32(at + 4, true);
    if (version !== VERSION) throw new UnsupportedVersionError("blob pack", version);
    if (view.getUint32(at + 16, true) !== id) {
      throw new StoreError(`Open store: pack ${id} says it is pack ${view.getUint32(at + 16, true)}`);
    }
    return { id, marker: bytes.slice(at + 8, at + 8 + MARKER_LENGTH) };
  }
  return undefined;
}

/** Writes the header of a record that will lie at `offset` of its pack to `out` at `at`. */
export function encodeRecordHeader(
  out: Uint8Array,
  at: number,
  pack: PackIdentity,
  offset: number,
  kind: RecordKind,
  hash: Uint8Array,
  length: number,
): void {
  const word = ((kind << LENGTH_BITS) | length) >>> 0;
  out.set(pack.marker, at);
  writeUint32(out, at + 8, word);
  out.set(hash, at + HASH_OFFSET);
  writeUint32(out, at + 44, crc32(out, at, 44, seed(pack, offset)));
}

/**
 * The record header at `at` of `bytes`, which lies at `offset` of its pack; `undefined` when there is none. Throws
 * `UnsupportedVersionError` for a kind that only a later release knows.
 */
export function decodeRecordHeader(
  bytes: Uint8Array,
  at: number,
  pack: PackIdentity,
  offset: number,
): RecordHeader | undefined {
  for (let i = 0; i < MARKER_LENGTH; i++) if (bytes[at + i] !== pack.marker[i]) return undefined;
  if (readUint32(bytes, at + 44) !== crc32(bytes, at, 44, seed(pack, offset))) return undefined;
  const word = readUint32(bytes, at + 8);
  const kind = word >>> LENGTH_BITS;
  const length = word & LENGTH_MASK;
  if (kind < RecordKind.put || kind > RecordKind.void || length > MAX_STORED_BLOB) {
    throw new UnsupportedVersionError("blob pack record", kind);
  }
  return { kind: kind as RecordKind, length };
}

/** A record counts at its own place only. */
function seed(pack: PackIdentity, offset: number): number {
  return (Math.imul(pack.id, 0x9e3779b1) ^ offset) >>> 0;
}

function writeUint32(out: Uint8Array, at: number, value: number): void {
  out[at] = value;
  out[at + 1] = value >>> 8;
  out[at + 2] = value >>> 16;
  out[at + 3] = value >>> 24;
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, i) => {
  let crc = i;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc >>> 0;
});

/** CRC-32 (IEEE) of `length` bytes at `at`, begun from `start` instead of 0. */
function crc32(bytes: Uint8Array, at: number, length: number, start: number): number {
  let crc = ~start;
  for (let i = at; i < at + length; i++) crc = CRC_TABLE[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}
