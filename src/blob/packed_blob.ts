/**
 * Blobs in the packed form in which a transfer may send them (`formats.md` 3.3), made for directory manifests.
 *
 * @module
 */

import { DecodeError } from "../errors.ts";
import { deflate, inflate } from "../runtime/deflate.ts";
import { concatBytes } from "../wire/bytes.ts";
import { PostcardReader, PostcardWriter } from "../wire/postcard.ts";
import { joinUris, splitUris } from "../wire/split_uris.ts";
import { blobKey } from "./blob_key.ts";
import { RecentValues } from "./recent_values.ts";

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
  const packed = packBytes([bytes]);
  return packed.length > bytes.length / 2 ? undefined : packed;
}

/** The packed form of any bytes, given in pieces, however long it gets. */
export function packBytes(pieces: readonly Uint8Array[]): Uint8Array {
  const { hashes, rest } = splitUris(concatBytes(pieces));
  const packed = deflate(rest);
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

/** Packed forms that were made. */
export class PackedBlobs {
  readonly #packed: RecentValues<Uint8Array | undefined>;

  /** @param maxBytes of all packed forms. @param maxCount of blobs, those without a packed form included. */
  constructor(maxBytes: number, maxCount: number) {
    this.#packed = new RecentValues(maxBytes, maxCount, (packed) => packed?.length ?? 0);
  }

  /** The packed form of the blob `hash`, made of what `read` gives when it is not here; `undefined` when it has none. */
  get(hash: Uint8Array, read: () => Uint8Array): Uint8Array | undefined {
    const key = blobKey(hash);
    if (this.#packed.has(key)) return this.#packed.get(key);
    const packed = packBlob(read());
    this.#packed.set(key, packed);
    return packed;
  }
}
