/**
 * What a blob reference is: its three variants, the constants of the format and the rules that hold for every
 * reference, made or decoded (`formats.md` 2). The bytes are `blob_ref.ts`'s business.
 *
 * @module
 */

import { DecodeError, type HawserError, InvalidArgumentError, LimitExceededError } from "../errors.ts";

/** Size of every chunk of a manifest but the last, bytes: 4 MiB. Content up to this size is one small blob. */
export const CHUNK_SIZE: number = 4 * 1024 * 1024;
/** Greatest size of a blob behind a small or manifest reference, bytes: 16 GiB. */
export const MAX_BLOB_SIZE: number = 16 * 1024 ** 3;
/** Greatest number of chunks that a manifest may list. */
export const MAX_CHUNKS = 8192;
/** Greatest encoded manifest body, bytes: room for a URI, the fixed fields and 50 bytes per chunk. */
export const MAX_MANIFEST_BODY: number = 8192 + 32 + MAX_CHUNKS * 50;
/** Greatest encoded tree body, bytes. */
export const MAX_TREE_BODY = 1024;
/** Greatest size that a tree reference may declare, bytes. */
export const MAX_TREE_SIZE: number = 2 ** 57;
/** Greatest number of children of one tree node. */
export const TREE_FANOUT = 128;
/** Greatest number of levels of a tree. */
export const MAX_TREE_DEPTH = 4;

const HASH_LENGTH = 32;

/** How the chunks of a blob are kept: as copies, or in stripes of `k` data and `m` parity chunks. */
export type Encoding =
  | { readonly kind: "replicated" }
  | { readonly kind: "reed-solomon"; readonly k: number; readonly m: number };

/** One chunk of a blob. */
export interface ChunkRef {
  /** BLAKE3 address, 32 bytes. */
  readonly hash: Uint8Array;
  /** Size in bytes. */
  readonly size: number;
}

/** Reference to a blob that is a single chunk. */
export interface SmallRef {
  /** Tells the variant. */
  readonly kind: "small";
  /** Free text, by convention {@linkcode blobUri} of the content; part of the encoded bytes. */
  readonly uri: string;
  /** BLAKE3 address of the content, 32 bytes. */
  readonly hash: Uint8Array;
  /** Size of the content, bytes. */
  readonly size: number;
}

/** Reference that lists a blob's chunks: all of {@linkcode CHUNK_SIZE} but the last, which may be shorter. */
export interface ManifestRef {
  /** Tells the variant. */
  readonly kind: "manifest";
  /** Free text, by convention {@linkcode blobUri} of the whole content. */
  readonly uri: string;
  /** How the chunks are kept. */
  readonly encoding: Encoding;
  /** The chunks in order, at least one. */
  readonly chunks: readonly ChunkRef[];
  /** Sum of the chunk sizes, bytes. */
  readonly size: number;
}

/** Reference to the root of a tree of chunk lists. This release reads and writes it but follows none. */
export interface TreeRef {
  /** Tells the variant. */
  readonly kind: "tree";
  /** Free text, by convention {@linkcode blobUri} of the root node. */
  readonly uri: string;
  /** How the chunks are kept. */
  readonly encoding: Encoding;
  /** BLAKE3 address of the encoded root node, 32 bytes. */
  readonly hash: Uint8Array;
  /** Size of the content, bytes. */
  readonly size: number;
  /** Levels of nodes: 1 when the root is a leaf. */
  readonly depth: number;
}

/** A reference to a blob. */
export type BlobRef = SmallRef | ManifestRef | TreeRef;

/** Makes the error of a broken rule: what is wrong, without the action. */
export type Fail = (problem: string, options?: ErrorOptions) => HawserError;

/** Error of bytes that are no reference. */
export const malformed: Fail = (problem, options) =>
  new DecodeError(`Decode blob reference: ${problem}`, options);

/** Error of arguments that make no reference. */
export const invalid: Fail = (problem, options) =>
  new InvalidArgumentError(`Make blob reference: ${problem}`, options);

/** Error of a reference above one of the constants. */
export function tooLarge(action: string, what: string, actual: number, maximum: number): LimitExceededError {
  const message = `${action} blob reference: ${what} ${actual} exceeds cap ${maximum}`;
  return new LimitExceededError(message, what, actual, maximum);
}

/** Throws when `ref` breaks a rule of its format. The rules come in the original's order. */
export function checkBlobRef(ref: BlobRef, fail: Fail): void {
  const action = fail === malformed ? "Decode" : "Make";
  if (ref.kind === "small") checkSmall(ref, fail, action);
  else if (ref.kind === "manifest") checkManifest(ref, fail, action);
  else checkTree(ref, fail, action);
}

function checkSmall(ref: SmallRef, fail: Fail, action: string): void {
  if (ref.size > MAX_BLOB_SIZE) throw tooLarge(action, "blob size", ref.size, MAX_BLOB_SIZE);
  checkSize(ref.size, fail);
  checkHash(ref.hash, fail);
}

function checkManifest(ref: ManifestRef, fail: Fail, action: string): void {
  const count = ref.chunks.length;
  if (count === 0) throw fail("manifest must carry at least one chunk");
  if (count > MAX_CHUNKS) throw tooLarge(action, "manifest chunk count", count, MAX_CHUNKS);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const { hash, size } = ref.chunks[i];
    const isLast = i === count - 1;
    if (!isNatural(size) || size < (isLast ? 1 : CHUNK_SIZE) || size > CHUNK_SIZE) {
      throw fail(`manifest chunk ${i} has size ${size}, want ${isLast ? "1 to " : ""}${CHUNK_SIZE}`);
    }
    checkHash(hash, fail);
    sum += size;
  }
  if (sum !== ref.size) throw fail(`manifest total_size mismatch: declared ${ref.size}, iterated ${sum}`);
  if (sum > MAX_BLOB_SIZE) throw tooLarge(action, "manifest total size", sum, MAX_BLOB_SIZE);
  checkEncoding(ref.encoding, fail);
}

function checkTree(ref: TreeRef, fail: Fail, action: string): void {
  if (ref.size === 0) throw fail("tree size must not be zero");
  if (ref.size > MAX_TREE_SIZE) throw tooLarge(action, "tree size", ref.size, MAX_TREE_SIZE);
  if (!isNatural(ref.depth) || ref.depth < 1 || ref.depth > MAX_TREE_DEPTH) {
    throw fail(`tree depth ${ref.depth} is not 1 to ${MAX_TREE_DEPTH}`);
  }
  // The original program checks this on decode only; a reference that could not be read back is refused when made, too.
  const least = TREE_FANOUT ** (ref.depth - 1);
  if (ref.depth > 1 && ref.size < least) {
    throw fail(`tree of depth ${ref.depth} has size ${ref.size}, want ${least} or more`);
  }
  // 2^53 is more than any tree holds: 128^4 chunks of at most 16 MiB are 2^52 bytes.
  checkSize(ref.size, fail);
  checkHash(ref.hash, fail);
  checkEncoding(ref.encoding, fail);
}

function checkEncoding(encoding: Encoding, fail: Fail): void {
  if (encoding.kind !== "reed-solomon") return;
  const { k, m } = encoding;
  if (!isNatural(k) || !isNatural(m) || k > 0xff || m > 0xff) {
    throw fail(`Reed-Solomon ${k}+${m} is not two bytes`);
  }
}

function checkHash(hash: Uint8Array, fail: Fail): void {
  if (hash.length !== HASH_LENGTH) throw fail(`hash is ${hash.length} bytes, want ${HASH_LENGTH}`);
}

function checkSize(size: number, fail: Fail): void {
  if (!isNatural(size)) throw fail(`size ${size} is not a whole number below 2^53`);
}

/** Whether `value` is a whole number from 0 that a double holds exactly. */
export function isNatural(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
