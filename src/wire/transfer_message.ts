/**
 * Messages of the blob transfer (`content.md` 2): what a requester asks and what a holder answers. Variants 0 and 1
 * of the header and 0 of the control are the original's, bit for bit. Framing (varint length before each message)
 * is the stream's business.
 *
 * @module
 */

import { DecodeError, InvalidArgumentError, LimitExceededError } from "../errors.ts";
import { FINGERPRINT_LENGTH, MAX_DELTA_CHUNKS, MAX_FINGERPRINTS, MAX_GROUP_SHIFT } from "./manifest_delta.ts";
import { PostcardReader, PostcardWriter } from "./postcard.ts";
import { clipRefusal, MAX_REFUSAL_MESSAGE, readRefusal, REFUSAL_CODES, type RefusalCode } from "./refusal.ts";

export { MAX_REFUSAL_MESSAGE, type RefusalCode };

/** Greatest number of hashes in one `have` message. */
export const MAX_HAVE_HASHES = 4096;
/** Length of every encoded `request`, bytes. */
export const REQUEST_LENGTH = 33;
/** Greatest length of an encoded control message, bytes: a full `request-delta`. A longer one need not be read. */
export const MAX_CONTROL_LENGTH: number = 6 + 32 * MAX_DELTA_CHUNKS + FINGERPRINT_LENGTH * MAX_FINGERPRINTS;
/** Greatest length of an encoded header, bytes: a refusal with the longest text. A longer one need not be read. */
export const MAX_HEADER_LENGTH: number = 4 + MAX_REFUSAL_MESSAGE;

const HASH_LENGTH = 32;
const MAX_U64 = 0xffff_ffff_ffff_ffffn;

/** Asks for a whole blob. */
export interface RequestMessage {
  /** Tells the variant. */
  readonly kind: "request";
  /** BLAKE3 address, 32 bytes. */
  readonly hash: Uint8Array;
}

/** Asks for part of a blob; the holder clips the range to the blob. */
export interface RequestRangeMessage {
  /** Tells the variant. */
  readonly kind: "request-range";
  /** BLAKE3 address, 32 bytes. */
  readonly hash: Uint8Array;
  /** First byte wanted. */
  readonly offset: number;
  /** Number of bytes wanted. */
  readonly length: number;
}

/** Asks which of some blobs the holder has. */
export interface HaveMessage {
  /** Tells the variant. */
  readonly kind: "have";
  /** BLAKE3 addresses, 32 bytes each, at most {@linkcode MAX_HAVE_HASHES}. */
  readonly hashes: readonly Uint8Array[];
}

/** Asks for a whole blob, in packed form if the holder has one; see `packed_blob.ts`. */
export interface RequestPackedMessage {
  /** Tells the variant. */
  readonly kind: "request-packed";
  /** BLAKE3 address, 32 bytes. */
  readonly hash: Uint8Array;
}

/** Asks for a directory manifest as its difference from one that the requester has; see `manifest_delta.ts`. */
export interface RequestDeltaMessage {
  /** Tells the variant. */
  readonly kind: "request-delta";
  /** BLAKE3 addresses of all chunks of the manifest, 32 bytes each, 1 to {@linkcode MAX_DELTA_CHUNKS}. */
  readonly hashes: readonly Uint8Array[];
  /** How entries are grouped; 1 to {@linkcode MAX_GROUP_SHIFT}. */
  readonly shift: number;
  /**
   * Of the groups that the requester has, {@linkcode FINGERPRINT_LENGTH} bytes each, at most
   * {@linkcode MAX_FINGERPRINTS}.
   */
  readonly fingerprints: Uint8Array;
}

/** What a requester sends. */
export type TransferControl =
  | RequestMessage
  | RequestRangeMessage
  | HaveMessage
  | RequestPackedMessage
  | RequestDeltaMessage;

/** The blob is here; its bytes, or those of the range, follow. */
export interface FoundHeader {
  /** Tells the variant. */
  readonly kind: "found";
  /** Size of the whole blob, bytes; anything up to 2^64 - 1, as the holder claims. */
  readonly totalLength: bigint;
}

/** The blob is not here. */
export interface NotFoundHeader {
  /** Tells the variant. */
  readonly kind: "not-found";
}

/** The holder does not serve the request. */
export interface RefusedHeader {
  /** Tells the variant. */
  readonly kind: "refused";
  /** Why. */
  readonly code: RefusalCode;
  /** Detail for people, at most {@linkcode MAX_REFUSAL_MESSAGE} bytes. */
  readonly message: string;
}

/** Answers a `have`. */
export interface HaveReplyHeader {
  /** Tells the variant. */
  readonly kind: "have-reply";
  /** Bit `i % 8` (from the least) of byte `i / 8` is set when the holder has hash `i`. */
  readonly bitmap: Uint8Array;
}

/** The blob is here; its packed form follows. */
export interface PackedHeader {
  /** Tells the variant. */
  readonly kind: "packed";
  /** Size of the blob, bytes, as the holder claims. */
  readonly totalLength: bigint;
  /** Size of the packed form, bytes. */
  readonly packedLength: number;
}

/** The manifest is here; its difference from the requester's follows. */
export interface DeltaHeader {
  /** Tells the variant. */
  readonly kind: "delta";
  /** Size of the manifest, bytes, as the holder claims. */
  readonly totalLength: bigint;
  /** Size of the difference, bytes. */
  readonly deltaLength: number;
}

/** What a holder answers. */
export type TransferHeader =
  | FoundHeader
  | NotFoundHeader
  | RefusedHeader
  | HaveReplyHeader
  | PackedHeader
  | DeltaHeader;

/** The 33 bytes of a request for `hash`: the message of which a fetch sends thousands. */
export function encodeRequest(hash: Uint8Array): Uint8Array {
  const out = new Uint8Array(REQUEST_LENGTH);
  out.set(checkHash(hash), 1);
  return out;
}

/**
 * The bytes of a control message. Throws `InvalidArgumentError` when a hash or a number is out of range,
 * `LimitExceededError` when there are too many hashes or fingerprints.
 */
export function encodeTransferControl(message: TransferControl): Uint8Array {
  switch (message.kind) {
    case "request":
      return encodeRequest(message.hash);
    case "request-range":
      return new PostcardWriter(53).varint(1).fixed(checkHash(message.hash))
        .varint(checkNatural("offset", message.offset)).varint(checkNatural("length", message.length))
        .finish();
    case "have": {
      const { hashes } = message;
      if (hashes.length > MAX_HAVE_HASHES) throw tooMany("Encode", "hashes", hashes.length, MAX_HAVE_HASHES);
      const writer = new PostcardWriter(3 + HASH_LENGTH * hashes.length).varint(2).varint(hashes.length);
      for (const hash of hashes) writer.fixed(checkHash(hash));
      return writer.finish();
    }
    case "request-packed":
      return new PostcardWriter(REQUEST_LENGTH).varint(3).fixed(checkHash(message.hash)).finish();
    case "request-delta": {
      const { hashes, shift, fingerprints } = message;
      checkDelta("Encode", hashes.length, shift, fingerprints);
      const writer = new PostcardWriter(8 + HASH_LENGTH * hashes.length + fingerprints.length)
        .varint(4).varint(hashes.length);
      for (const hash of hashes) writer.fixed(checkHash(hash));
      return writer.u8(shift).bytes(fingerprints).finish();
    }
  }
}

/**
 * Reads a control message; bytes after it are ignored. Hashes are views of `bytes`.
 *
 * Throws `DecodeError` when malformed, `LimitExceededError` when there are too many hashes or fingerprints.
 */
export function decodeTransferControl(bytes: Uint8Array): TransferControl {
  const reader = new PostcardReader(bytes, "transfer request");
  const variant = reader.u32();
  switch (variant) {
    case 0:
      return { kind: "request", hash: reader.fixed(HASH_LENGTH) };
    case 1:
      return {
        kind: "request-range",
        hash: reader.fixed(HASH_LENGTH),
        offset: reader.u64(),
        length: reader.u64(),
      };
    case 2: {
      const count = reader.u64();
      if (count > MAX_HAVE_HASHES) throw tooMany("Decode", "hashes", count, MAX_HAVE_HASHES);
      const hashes: Uint8Array[] = [];
      for (let i = 0; i < count; i++) hashes.push(reader.fixed(HASH_LENGTH));
      return { kind: "have", hashes };
    }
    case 3:
      return { kind: "request-packed", hash: reader.fixed(HASH_LENGTH) };
    case 4: {
      const count = reader.u64();
      if (count > MAX_DELTA_CHUNKS) throw tooMany("Decode", "hashes", count, MAX_DELTA_CHUNKS);
      const hashes: Uint8Array[] = [];
      for (let i = 0; i < count; i++) hashes.push(reader.fixed(HASH_LENGTH));
      const [shift, fingerprints] = [reader.u8(), reader.bytes()];
      checkDelta("Decode", count, shift, fingerprints);
      return { kind: "request-delta", hashes, shift, fingerprints };
    }
    default:
      throw new DecodeError(`Decode transfer request: variant ${variant} is unknown`);
  }
}

/**
 * The bytes of a header. A refusal's text is cut to {@linkcode MAX_REFUSAL_MESSAGE} bytes. Throws
 * `InvalidArgumentError` when the length is not a u64 or the code is unknown, `LimitExceededError` when a bitmap is
 * longer than {@linkcode MAX_HAVE_HASHES} bits.
 */
export function encodeTransferHeader(header: TransferHeader): Uint8Array {
  const writer = new PostcardWriter(16);
  switch (header.kind) {
    case "found":
      return writer.varint(0).varint(checkLength(header.totalLength)).finish();
    case "not-found":
      return writer.varint(1).finish();
    case "refused": {
      const code = REFUSAL_CODES.indexOf(header.code);
      if (code < 0) {
        throw new InvalidArgumentError(`Encode transfer header: code "${header.code}" is unknown`);
      }
      return writer.varint(2).varint(code).string(clipRefusal(header.message)).finish();
    }
    case "have-reply":
      checkBitmap("Encode", header.bitmap);
      return writer.varint(3).bytes(header.bitmap).finish();
    case "packed":
      return writer.varint(4).varint(checkLength(header.totalLength))
        .varint(checkLength(BigInt(header.packedLength))).finish();
    case "delta":
      return writer.varint(5).varint(checkLength(header.totalLength))
        .varint(checkLength(BigInt(header.deltaLength))).finish();
  }
}

/** Greatest length of what {@linkcode writeFoundHeader} writes, bytes. */
export const MAX_FOUND_LENGTH = 12;

/**
 * Writes a `found` header with its length before it at the beginning of `out`: the message of which a holder of small
 * blobs sends thousands. Returns its length. @param size of the blob, bytes, below 2^53.
 */
export function writeFoundHeader(out: Uint8Array, size: number): number {
  let at = 2;
  out[1] = 0;
  for (; size >= 0x80; size = Math.floor(size / 0x80)) out[at++] = (size % 0x80) | 0x80;
  out[at++] = size;
  // So short that its length, as a varint, is one byte.
  out[0] = at - 1;
  return at;
}

/**
 * Reads a header; bytes after it are ignored. A bitmap is a view of `bytes`.
 *
 * Throws `DecodeError` when malformed, `LimitExceededError` when a text or bitmap is too long.
 */
export function decodeTransferHeader(bytes: Uint8Array): TransferHeader {
  const reader = new PostcardReader(bytes, "transfer header");
  const variant = reader.u32();
  switch (variant) {
    case 0:
      return { kind: "found", totalLength: reader.bigU64() };
    case 1:
      return { kind: "not-found" };
    case 2: {
      const code = reader.u32();
      const message = readRefusal(reader, "transfer message");
      if (code >= REFUSAL_CODES.length) {
        throw new DecodeError(`Decode transfer header: code ${code} is unknown`);
      }
      return { kind: "refused", code: REFUSAL_CODES[code], message };
    }
    case 3: {
      const bitmap = reader.bytes();
      checkBitmap("Decode", bitmap);
      return { kind: "have-reply", bitmap };
    }
    case 4:
      return { kind: "packed", totalLength: reader.bigU64(), packedLength: reader.u64() };
    case 5:
      return { kind: "delta", totalLength: reader.bigU64(), deltaLength: reader.u64() };
    default:
      throw new DecodeError(`Decode transfer header: variant ${variant} is unknown`);
  }
}

function checkHash(hash: Uint8Array): Uint8Array {
  if (hash.length === HASH_LENGTH) return hash;
  throw new InvalidArgumentError(
    `Encode transfer request: hash is ${hash.length} bytes, want ${HASH_LENGTH}`,
  );
}

/** What no request for a difference may have. */
function checkDelta(
  action: "Encode" | "Decode",
  hashes: number,
  shift: number,
  fingerprints: Uint8Array,
): void {
  const count = fingerprints.length / FINGERPRINT_LENGTH;
  if (hashes > MAX_DELTA_CHUNKS) throw tooMany(action, "hashes", hashes, MAX_DELTA_CHUNKS);
  if (count > MAX_FINGERPRINTS) throw tooMany(action, "fingerprints", count, MAX_FINGERPRINTS);
  if (hashes > 0 && Number.isInteger(count) && shift >= 1 && shift <= MAX_GROUP_SHIFT) return;
  const message =
    `${action} transfer request: a difference with ${hashes} hashes, groups of 2^${shift} and ` +
    `${fingerprints.length} bytes of fingerprints cannot be`;
  throw action === "Encode" ? new InvalidArgumentError(message) : new DecodeError(message);
}

function checkNatural(what: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError(
    `Encode transfer request: ${what} ${value} is not a whole number below 2^53`,
  );
}

function checkLength(length: bigint): bigint {
  if (length >= 0n && length <= MAX_U64) return length;
  throw new InvalidArgumentError(`Encode transfer header: length ${length} is not a u64`);
}

function checkBitmap(action: string, bitmap: Uint8Array): void {
  const maximum = MAX_HAVE_HASHES / 8;
  if (bitmap.length > maximum) throw tooMany(action, "bitmap bytes", bitmap.length, maximum);
}

function tooMany(action: string, what: string, actual: number, maximum: number): LimitExceededError {
  const message = `${action} transfer message: ${actual} ${what} exceed the limit of ${maximum}`;
  return new LimitExceededError(message, what, actual, maximum);
}
