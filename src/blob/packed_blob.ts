/**
 * Blobs in the packed form in which a transfer may send them (`formats.md` 3.3), made for directory manifests.
 *
 * @module
 */

import { DecodeError } from "../errors.ts";
import { deflate, inflate } from "../runtime/deflate.ts";
import { PostcardReader, PostcardWriter } from "../wire/postcard.ts";
import { joinUris, splitUris } from "../wire/split_uris.ts";
import { blobKey } from "./blob_key.ts";

const HASH_LENGTH = 32;
/** Smaller blobs are not worth it. */
const MIN_PACKED = 1024;
/** How far a reference is looked for: whatever holds none there is no manifest. */
const PROBE_LENGTH = 64 * 1024;

/**
 * The packed form of a blob; `undefined` when it is no manifest or would hardly be smaller. Whoever asks can make a
 * holder do this for what the holder has: other blobs cost it a short look only.
 */
export function packBlob(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < MIN_PACKED || splitUris(bytes.subarray(0, PROBE_LENGTH)).hashes.length === 0) {
    return undefined;
  }
  const { hashes, rest } = splitUris(bytes);
  const packed = deflate(rest);
  if (hashes.length + packed.length > bytes.length / 2) return undefined;
  return new PostcardWriter(8 + hashes.length + packed.length)
    .varint(hashes.length / HASH_LENGTH).fixed(hashes).fixed(packed).finish();
}

/**
 * The blob of `length` bytes behind a packed form. Takes no more memory than some times `length`, whatever `packed`
 * holds. Throws `DecodeError` when it is malformed or of another length. Whether it is the right blob is not known.
 */
export function unpackBlob(packed: Uint8Array, length: number): Uint8Array {
  const reader = new PostcardReader(packed, "packed blob");
  const count = reader.u64();
  const hashes = reader.fixed(count * HASH_LENGTH);
  let rest: Uint8Array;
  try {
    // Each place takes less there than in the blob.
    rest = inflate(reader.fixed(reader.remaining), length);
  } catch (cause) {
    throw new DecodeError("Decode packed blob: no deflated bytes of the announced length", { cause });
  }
  return joinUris({ hashes, rest }, length);
}

/** Packed forms that were made, the one not asked for longest given up first. */
export class PackedBlobs {
  readonly #packed = new Map<string, Uint8Array | undefined>();
  #bytes = 0;

  /** @param maxBytes of all packed forms. @param maxCount of blobs, those without a packed form included. */
  constructor(readonly maxBytes: number, readonly maxCount: number) {}

  /** The packed form of the blob `hash`, made of what `read` gives when it is not here; `undefined` when it has none. */
  get(hash: Uint8Array, read: () => Uint8Array): Uint8Array | undefined {
    const key = blobKey(hash);
    const isKnown = this.#packed.has(key);
    const packed = isKnown ? this.#packed.get(key) : packBlob(read());
    this.#packed.delete(key);
    this.#packed.set(key, packed);
    if (!isKnown) this.#bytes += packed?.length ?? 0;
    for (const [oldest, bytes] of this.#packed) {
      if (this.#bytes <= this.maxBytes && this.#packed.size <= this.maxCount) break;
      this.#packed.delete(oldest);
      this.#bytes -= bytes?.length ?? 0;
    }
    return packed;
  }
}
