/**
 * Messages of the directory offer (`content.md` 5): what a requester asks, and how a holder tells of a directory that it
 * may still be reading. Framing (varint length before each message) is the stream's business.
 *
 * @module
 */

import { DecodeError, InvalidArgumentError, LimitExceededError } from "../errors.ts";
import { PostcardReader, PostcardWriter } from "./postcard.ts";
import { clipRefusal, readRefusal, REFUSAL_CODES, type RefusalCode } from "./refusal.ts";

/** Greatest number of hashes in one message. */
export const MAX_OFFER_HASHES = 4096;
/** Greatest length of an encoded question, bytes: room for what later versions add. A longer one need not be read. */
export const MAX_OFFER_QUESTION_LENGTH = 64;
/**
 * Greatest length of an encoded answer, bytes: that of the most hashes. References (`blob_ref.ts`) of manifests of any
 * size that is fetched are shorter.
 */
export const MAX_OFFER_ANSWER_LENGTH: number = 4 + 32 * MAX_OFFER_HASHES;

const HASH_LENGTH = 32;
/** Says that a base follows. */
const HAS_BASE = 1;

/** Why there is no directory: the holder could not read it, or it refuses for one of the reasons of blob transfers. */
export type OfferFailureCode = RefusalCode | "FAILED";

/** In the order of their numbers on the wire. */
const FAILURE_CODES: readonly OfferFailureCode[] = [...REFUSAL_CODES, "FAILED"];

/** Asks what the holder offers: the only question. */
export interface OfferQuestion {
  /** Whether the outline and the hashes are wanted while the holder still reads, or only the reference at the end. */
  readonly live: boolean;
  /**
   * The directory that the requester has: BLAKE3, 32 bytes, of its encoded reference. A holder that remembers the same
   * one tells how its own differs from that; any other, and one of an earlier release, does as if there were none.
   */
  readonly base?: Uint8Array;
}

/** The names of everything in the directory: the packed outline follows. */
export interface OfferOutline {
  /** Tells the variant. */
  readonly kind: "outline";
  /** Size of the outline, bytes, as the holder claims. */
  readonly length: number;
  /** Size of its packed form, bytes. */
  readonly packedLength: number;
}

/** Hashes that have become known, in the order of the outline. */
export interface OfferHashes {
  /** Tells the variant. */
  readonly kind: "hashes";
  /** BLAKE3 hashes, 32 bytes each, one to {@linkcode MAX_OFFER_HASHES} of them. */
  readonly hashes: Uint8Array;
}

/** How the directory differs from the one that the requester has: the packed changes (`tree_changes.ts`) follow. */
export interface OfferChanges {
  /** Tells the variant. */
  readonly kind: "changes";
  /** Size of the changes, bytes, as the holder claims. */
  readonly length: number;
  /** Size of their packed form, bytes. */
  readonly packedLength: number;
}

/** The directory has been read: the last message of a good answer. */
export interface OfferDone {
  /** Tells the variant. */
  readonly kind: "done";
  /** Encoded reference of the manifest. */
  readonly ref: Uint8Array;
}

/** There is no directory: the last message of any other answer. */
export interface OfferFailed {
  /** Tells the variant. */
  readonly kind: "failed";
  /** Why. */
  readonly code: OfferFailureCode;
  /** Detail for people, at most 1024 bytes. */
  readonly message: string;
}

/** What a holder answers. */
export type OfferAnswer = OfferOutline | OfferHashes | OfferChanges | OfferDone | OfferFailed;

/** The bytes of the question. Throws `InvalidArgumentError` when the base is no hash. */
export function encodeOfferQuestion({ live, base }: OfferQuestion): Uint8Array {
  const writer = new PostcardWriter(3 + HASH_LENGTH).varint(0).u8(live ? 1 : 0);
  if (base === undefined) return writer.finish();
  if (base.length !== HASH_LENGTH) {
    throw new InvalidArgumentError(
      `Encode offer question: its base has ${base.length} bytes, want ${HASH_LENGTH}`,
    );
  }
  return writer.u8(HAS_BASE).fixed(base).finish();
}

/** Reads a question; bytes after it are ignored. The base is a view of `bytes`. Throws `DecodeError` when malformed. */
export function decodeOfferQuestion(bytes: Uint8Array): OfferQuestion {
  const reader = new PostcardReader(bytes, "offer question");
  const variant = reader.u32();
  if (variant !== 0) throw new DecodeError(`Decode offer question: variant ${variant} is unknown`);
  const live = reader.u8();
  if (live > 1) throw new DecodeError(`Decode offer question: ${live} is neither true nor false`);
  // Whatever else is there was added later.
  if (reader.remaining === 0 || reader.u8() !== HAS_BASE) return { live: live === 1 };
  return { live: live === 1, base: reader.fixed(HASH_LENGTH) };
}

/**
 * The bytes of an answer. A failure's text is cut to 1024 bytes. Throws `InvalidArgumentError` when a number, the
 * hashes or the code are not what they may be, `LimitExceededError` when there are too many hashes.
 */
export function encodeOfferAnswer(answer: OfferAnswer): Uint8Array {
  switch (answer.kind) {
    case "outline":
      return encodeLengths(0, answer);
    case "hashes": {
      const { hashes } = answer;
      const defect = hashesDefect(hashes.length);
      if (defect !== undefined) throw new InvalidArgumentError(`Encode offer answer: ${defect}`);
      checkCount("Encode", hashes.length);
      return new PostcardWriter(4 + hashes.length).varint(1).bytes(hashes).finish();
    }
    case "done":
      return new PostcardWriter(8 + answer.ref.length).varint(2).bytes(answer.ref).finish();
    case "failed": {
      const code = FAILURE_CODES.indexOf(answer.code);
      if (code < 0) throw new InvalidArgumentError(`Encode offer answer: code "${answer.code}" is unknown`);
      return new PostcardWriter(64).varint(3).varint(code).string(clipRefusal(answer.message)).finish();
    }
    case "changes":
      return encodeLengths(4, answer);
  }
}

function encodeLengths(variant: number, { length, packedLength }: OfferOutline | OfferChanges): Uint8Array {
  return new PostcardWriter(24).varint(variant).varint(checkNatural("length", length))
    .varint(checkNatural("packed length", packedLength)).finish();
}

/**
 * Reads an answer; bytes after it are ignored. Hashes and reference are views of `bytes`.
 *
 * Throws `DecodeError` when malformed, `LimitExceededError` when there are too many hashes or a text is too long.
 */
export function decodeOfferAnswer(bytes: Uint8Array): OfferAnswer {
  const reader = new PostcardReader(bytes, "offer answer");
  const variant = reader.u32();
  switch (variant) {
    case 0:
      return { kind: "outline", length: reader.u64(), packedLength: reader.u64() };
    case 1: {
      const hashes = reader.bytes();
      const defect = hashesDefect(hashes.length);
      if (defect !== undefined) throw new DecodeError(`Decode offer answer: ${defect}`);
      checkCount("Decode", hashes.length);
      return { kind: "hashes", hashes };
    }
    case 2:
      return { kind: "done", ref: reader.bytes() };
    case 3: {
      const code = reader.u32();
      const message = readRefusal(reader, "offer answer");
      if (code >= FAILURE_CODES.length) {
        throw new DecodeError(`Decode offer answer: code ${code} is unknown`);
      }
      return { kind: "failed", code: FAILURE_CODES[code], message };
    }
    case 4:
      return { kind: "changes", length: reader.u64(), packedLength: reader.u64() };
    default:
      throw new DecodeError(`Decode offer answer: variant ${variant} is unknown`);
  }
}

function hashesDefect(length: number): string | undefined {
  if (length > 0 && length % HASH_LENGTH === 0) return undefined;
  return `${length} bytes of hashes, want a multiple of ${HASH_LENGTH}`;
}

function checkCount(action: string, length: number): void {
  const count = length / HASH_LENGTH;
  if (count <= MAX_OFFER_HASHES) return;
  const message = `${action} offer answer: ${count} hashes exceed the limit of ${MAX_OFFER_HASHES}`;
  throw new LimitExceededError(message, "hashes", count, MAX_OFFER_HASHES);
}

function checkNatural(what: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError(`Encode offer answer: ${what} ${value} is not a whole number below 2^53`);
}
