/**
 * Blob references: a few bytes that say what a blob's chunks are (`formats.md` 2). Four magic bytes, a version
 * (1 small, 2 manifest, 3 tree), a body that runs to the end of whatever carries the reference.
 *
 * @module
 */

import { InvalidArgumentError, UnsupportedError, UnsupportedVersionError } from "../errors.ts";
import {
  type BlobRef,
  checkBlobRef,
  CHUNK_SIZE,
  type ChunkRef,
  type Encoding,
  invalid,
  isNatural,
  malformed,
  type ManifestRef,
  MAX_BLOB_SIZE,
  MAX_MANIFEST_BODY,
  MAX_TREE_BODY,
  type SmallRef,
  tooLarge,
  type TreeRef,
} from "./blob_ref_model.ts";
import { concatBytes, decodeUtf8, encodeUtf8, toHex } from "./bytes.ts";
import { PostcardReader, PostcardWriter } from "./postcard.ts";

export {
  type BlobRef,
  CHUNK_SIZE,
  type ChunkRef,
  type Encoding,
  type ManifestRef,
  MAX_BLOB_SIZE,
  MAX_CHUNKS,
  MAX_MANIFEST_BODY,
  MAX_TREE_BODY,
  MAX_TREE_DEPTH,
  MAX_TREE_SIZE,
  type SmallRef,
  TREE_FANOUT,
  type TreeRef,
} from "./blob_ref_model.ts";

const MAGIC = [0xb0, 0xb1, 0xb2, 0xb3];
const VERSION_SMALL = 1;
const VERSION_MANIFEST = 2;
const VERSION_TREE = 3;
const BODY_VERSION = 1;
const HASH_LENGTH = 32;
/** Magic and version. */
const HEAD_LENGTH = 5;
const SIZE_LENGTH = 8;
/** Hash and fixed-width size of a small reference. */
const SMALL_FIXED_LENGTH = HASH_LENGTH + SIZE_LENGTH;
/** How a small reference begins. */
const SMALL_HEAD = Uint8Array.of(...MAGIC, VERSION_SMALL);
const SCHEME = encodeUtf8("mesh://");
const HEX_DIGITS = encodeUtf8("0123456789abcdef");

/** Part of one chunk. */
export interface ChunkSlice {
  /** The chunk. */
  readonly chunk: ChunkRef;
  /** Position of the chunk in the blob's list. */
  readonly index: number;
  /** First byte, counted from the chunk's start. */
  readonly start: number;
  /** Byte after the last, counted from the chunk's start. */
  readonly end: number;
}

/** Text that by convention names content: `mesh://` and the address in hex. Nothing looks content up by it. */
export function blobUri(hash: Uint8Array): string {
  return `mesh://${toHex(hash)}`;
}

/**
 * A reference to a blob of one chunk. Throws `InvalidArgumentError` when `hash` is not 32 bytes or `size` no
 * natural number, `LimitExceededError` when `size` is above {@linkcode MAX_BLOB_SIZE}.
 */
export function smallRef(uri: string, hash: Uint8Array, size: number): SmallRef {
  const ref: SmallRef = { kind: "small", uri, hash, size };
  checkBlobRef(ref, invalid);
  return ref;
}

/**
 * A reference that lists chunks. Throws `InvalidArgumentError` when a chunk but the last is not of
 * {@linkcode CHUNK_SIZE}, the last is empty or larger, or there is none; `LimitExceededError` when there are more
 * than {@linkcode MAX_CHUNKS} or their sum is above {@linkcode MAX_BLOB_SIZE}.
 */
export function manifestRef(uri: string, encoding: Encoding, chunks: readonly ChunkRef[]): ManifestRef {
  const ref: ManifestRef = {
    kind: "manifest",
    uri,
    encoding,
    chunks,
    size: chunks.reduce((sum, chunk) => sum + chunk.size, 0),
  };
  checkBlobRef(ref, invalid);
  return ref;
}

/**
 * A reference to the root of a tree. Throws `InvalidArgumentError` when the depth is not 1 to
 * {@linkcode MAX_TREE_DEPTH} or does not go with the size, `LimitExceededError` when the size is too great.
 */
export function treeRef(
  uri: string,
  encoding: Encoding,
  hash: Uint8Array,
  size: number,
  depth: number,
): TreeRef {
  const ref: TreeRef = { kind: "tree", uri, encoding, hash, size, depth };
  checkBlobRef(ref, invalid);
  return ref;
}

/**
 * Reads a reference; `undefined` when `bytes` do not start with the magic, which is no error: they are content.
 * Bytes after a manifest's or tree's last field are ignored, as the original program does. Hashes are copies.
 *
 * Throws `DecodeError` when malformed, `UnsupportedVersionError` on an unknown outer or inner version,
 * `LimitExceededError` when a size or count is above its constant.
 */
export function decodeBlobRef(bytes: Uint8Array): BlobRef | undefined {
  for (let i = 0; i < MAGIC.length; i++) if (bytes[i] !== MAGIC[i]) return undefined;
  if (bytes.length < HEAD_LENGTH) throw malformed(`frame too short for version byte: ${bytes.length} bytes`);
  const body = bytes.subarray(HEAD_LENGTH);
  switch (bytes[MAGIC.length]) {
    case VERSION_SMALL:
      return decodeSmall(body);
    case VERSION_MANIFEST:
      return decodeManifest(body);
    case VERSION_TREE:
      return decodeTree(body);
    default:
      throw new UnsupportedVersionError("blob reference", bytes[MAGIC.length]);
  }
}

/**
 * The chunk of an encoded small reference whose URI is ASCII, for those who read thousands: the hash is a view.
 * `undefined` for everything else, which {@linkcode decodeBlobRef} tells apart.
 */
export function smallChunkOf(bytes: Uint8Array): ChunkRef | undefined {
  if (bytes.length < HEAD_LENGTH + SMALL_FIXED_LENGTH || bytes[MAGIC.length] !== VERSION_SMALL) {
    return undefined;
  }
  for (let i = 0; i < MAGIC.length; i++) if (bytes[i] !== MAGIC[i]) return undefined;
  let size = 0;
  for (let i = HEAD_LENGTH + SMALL_FIXED_LENGTH - 1; i >= HEAD_LENGTH + HASH_LENGTH; i--) {
    size = size * 0x100 + bytes[i];
  }
  if (size > MAX_BLOB_SIZE) return undefined;
  for (let i = HEAD_LENGTH + SMALL_FIXED_LENGTH; i < bytes.length; i++) {
    if (bytes[i] >= 0x80) return undefined;
  }
  return { hash: bytes.subarray(HEAD_LENGTH, HEAD_LENGTH + HASH_LENGTH), size };
}

function decodeSmall(body: Uint8Array): SmallRef {
  if (body.length < SMALL_FIXED_LENGTH) {
    throw malformed(
      `small frame too short: ${body.length} bytes after version, need at least ${SMALL_FIXED_LENGTH}`,
    );
  }
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const hash = body.slice(0, HASH_LENGTH);
  const size = Number(view.getBigUint64(HASH_LENGTH, true));
  if (size > MAX_BLOB_SIZE) throw tooLarge("Decode", "blob size", size, MAX_BLOB_SIZE);
  try {
    return { kind: "small", uri: decodeUtf8(body.subarray(SMALL_FIXED_LENGTH)), hash, size };
  } catch (cause) {
    throw malformed("URI not UTF-8", { cause });
  }
}

function decodeManifest(body: Uint8Array): ManifestRef {
  if (body.length > MAX_MANIFEST_BODY) {
    throw tooLarge("Decode", "manifest body", body.length, MAX_MANIFEST_BODY);
  }
  const reader = new PostcardReader(body, "blob reference");
  const bodyVersion = reader.u8();
  const uri = reader.string();
  const encoding = decodeEncoding(reader);
  const chunks: ChunkRef[] = [];
  // The body's own bound keeps a lying count short: every chunk takes 33 bytes or more.
  for (let count = reader.u64(); count > 0; count--) {
    chunks.push({ hash: reader.fixed(HASH_LENGTH).slice(), size: reader.u32() });
  }
  const size = reader.bigU64();
  if (bodyVersion !== BODY_VERSION) throw new UnsupportedVersionError("blob reference manifest", bodyVersion);
  const ref: ManifestRef = { kind: "manifest", uri, encoding, chunks, size: Number(size) };
  checkBlobRef(ref, malformed);
  return ref;
}

function decodeTree(body: Uint8Array): TreeRef {
  if (body.length > MAX_TREE_BODY) throw tooLarge("Decode", "tree body", body.length, MAX_TREE_BODY);
  const reader = new PostcardReader(body, "blob reference");
  const bodyVersion = reader.u8();
  const uri = reader.string();
  const encoding = decodeEncoding(reader);
  const hash = reader.fixed(HASH_LENGTH).slice();
  const size = Number(reader.bigU64());
  const depth = reader.u8();
  if (bodyVersion !== BODY_VERSION) throw new UnsupportedVersionError("blob reference tree", bodyVersion);
  const ref: TreeRef = { kind: "tree", uri, encoding, hash, size, depth };
  checkBlobRef(ref, malformed);
  return ref;
}

function decodeEncoding(reader: PostcardReader): Encoding {
  const index = reader.u32();
  if (index === 0) return { kind: "replicated" };
  if (index === 1) return { kind: "reed-solomon", k: reader.u8(), m: reader.u8() };
  throw malformed(`encoding ${index} is unknown`);
}

/**
 * The bytes of a reference, in their canonical form. Throws as the constructors do when `ref` breaks their rules:
 * what this writes, {@linkcode decodeBlobRef} reads.
 */
export function encodeBlobRef(ref: BlobRef): Uint8Array {
  checkBlobRef(ref, invalid);
  if (ref.kind === "small") return encodeSmall(ref);
  const writer = new PostcardWriter(ref.kind === "tree" ? 160 : 96 + 36 * ref.chunks.length);
  for (const byte of MAGIC) writer.u8(byte);
  writer.u8(ref.kind === "manifest" ? VERSION_MANIFEST : VERSION_TREE).u8(BODY_VERSION).string(ref.uri);
  if (ref.encoding.kind === "replicated") writer.varint(0);
  else writer.varint(1).u8(ref.encoding.k).u8(ref.encoding.m);
  if (ref.kind === "manifest") {
    writer.varint(ref.chunks.length);
    for (const chunk of ref.chunks) writer.fixed(chunk.hash).varint(chunk.size);
    writer.varint(ref.size);
  } else {
    writer.fixed(ref.hash).varint(ref.size).u8(ref.depth);
  }
  const bytes = writer.finish();
  const maximum = ref.kind === "manifest" ? MAX_MANIFEST_BODY : MAX_TREE_BODY;
  if (bytes.length - HEAD_LENGTH > maximum) {
    throw tooLarge("Encode", `${ref.kind} body`, bytes.length - HEAD_LENGTH, maximum);
  }
  return bytes.slice();
}

function encodeSmall(ref: SmallRef): Uint8Array {
  const fixed = new Uint8Array(HEAD_LENGTH + SMALL_FIXED_LENGTH);
  fixed.set(MAGIC);
  fixed[MAGIC.length] = VERSION_SMALL;
  fixed.set(ref.hash, HEAD_LENGTH);
  new DataView(fixed.buffer).setBigUint64(HEAD_LENGTH + HASH_LENGTH, BigInt(ref.size), true);
  return concatBytes([fixed, encodeUtf8(ref.uri)]);
}

/** Length of a small reference with the usual URI, bytes. */
export const USUAL_SMALL_LENGTH: number = HEAD_LENGTH + SMALL_FIXED_LENGTH + SCHEME.length + 2 * HASH_LENGTH;

/**
 * Writes a small reference with the usual URI, {@linkcode USUAL_SMALL_LENGTH} bytes, to `out` at `at`: what
 * {@linkcode encodeBlobRef} makes of it, without making anything else.
 *
 * @param hashes holds the hash, from `hashAt` on. @param size a number of bytes that a small reference may have.
 */
export function writeUsualSmall(
  out: Uint8Array,
  at: number,
  hashes: Uint8Array,
  hashAt: number,
  size: number,
): void {
  // By hand, as the rest: for so few bytes a call costs more than they do.
  for (let i = 0; i < HEAD_LENGTH; i++) out[at + i] = SMALL_HEAD[i];
  at += HEAD_LENGTH;
  const digits = at + SMALL_FIXED_LENGTH + SCHEME.length;
  for (let i = 0; i < HASH_LENGTH; i++) {
    const byte = hashes[hashAt + i];
    out[at + i] = byte;
    out[digits + 2 * i] = HEX_DIGITS[byte >>> 4];
    out[digits + 2 * i + 1] = HEX_DIGITS[byte & 15];
  }
  at += HASH_LENGTH;
  // Sizes have 35 bits at most.
  for (let i = 0; i < 4; i++) out[at + i] = size >>> (8 * i);
  out[at + 4] = size / 2 ** 32;
  for (let i = 5; i < SIZE_LENGTH; i++) out[at + i] = 0;
  at += SIZE_LENGTH;
  for (let i = 0; i < SCHEME.length; i++) out[at + i] = SCHEME[i];
}

/**
 * The chunks of a blob in order; a small blob is one chunk, even when empty. Throws `UnsupportedError` on a tree:
 * this release does not follow trees.
 */
export function chunksOf(ref: BlobRef): readonly ChunkRef[] {
  if (ref.kind === "small") return [{ hash: ref.hash, size: ref.size }];
  if (ref.kind === "manifest") return ref.chunks;
  throw new UnsupportedError(`List chunks: blob "${ref.uri}" is a tree, which this release cannot fetch`);
}

/**
 * The parts of chunks that make up bytes `start` to `end` (exclusive) of a blob, in order; none when the range is
 * empty. For manifests only, as in the original program (`formats.md` 1.4).
 *
 * Throws `InvalidArgumentError` when the range is not inside the blob or `ref` is small, `UnsupportedError` when
 * `ref` is a tree.
 */
export function chunkRange(ref: BlobRef, start: number, end: number): ChunkSlice[] {
  if (ref.kind === "small") {
    throw new InvalidArgumentError(`List chunk range: blob "${ref.uri}" is not a manifest`);
  }
  const chunks = chunksOf(ref);
  if (!isNatural(start) || !isNatural(end) || start > end || end > ref.size) {
    throw new InvalidArgumentError(`List chunk range: ${start}..${end} is not inside 0..${ref.size}`);
  }
  const slices: ChunkSlice[] = [];
  for (let at = start; at < end;) {
    const index = Math.floor(at / CHUNK_SIZE);
    const origin = index * CHUNK_SIZE;
    const sliceEnd = Math.min(end - origin, CHUNK_SIZE);
    slices.push({ chunk: chunks[index], index, start: at - origin, end: sliceEnd });
    at = origin + sliceEnd;
  }
  return slices;
}
