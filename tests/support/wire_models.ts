/**
 * Values of every format, as `fast-check` makes them up.
 *
 * @module
 */

import fc from "fast-check";
import {
  type BlobRef,
  CHUNK_SIZE,
  type ChunkRef,
  encodeBlobRef,
  type Encoding,
  manifestRef,
  MAX_BLOB_SIZE,
  type SmallRef,
  smallRef,
  treeRef,
} from "../../src/wire/blob_ref.ts";
import type { DirEntry } from "../../src/wire/dir_manifest.ts";
import type { OutlineEntry } from "../../src/wire/dir_outline.ts";
import type { OfferAnswer, OfferFailureCode, OfferQuestion } from "../../src/wire/offer_message.ts";
import { encodeFingerprints, MAX_DELTA_CHUNKS, MAX_GROUP_SHIFT } from "../../src/wire/manifest_delta.ts";
import type { Ticket } from "../../src/wire/ticket.ts";
import type { RefusalCode, TransferControl, TransferHeader } from "../../src/wire/transfer_message.ts";
import type { TransportParameters } from "../../src/wire/transport_parameters.ts";

const hashes = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** Transport parameters. */
export const parameters: fc.Arbitrary<TransportParameters> = fc.record({
  maxIdleTimeout: fc.maxSafeNat(),
  maxUdpPayloadSize: fc.maxSafeNat().map((n) => Math.max(1200, n)),
  initialMaxData: fc.maxSafeNat(),
  initialMaxStreamDataBidiLocal: fc.maxSafeNat(),
  initialMaxStreamDataBidiRemote: fc.maxSafeNat(),
  initialMaxStreamsBidi: fc.nat(),
  ackDelayExponent: fc.nat(20),
  maxAckDelay: fc.nat(2 ** 14),
  maxDatagramFrameSize: fc.maxSafeNat(),
  receiveBuffer: fc.maxSafeNat(),
  agent: fc.string({ maxLength: 30, unit: "binary" }).map((text) => text.toWellFormed()),
  features: fc.maxSafeNat(),
}, { noNullPrototype: true });

/** Tickets with and without mesh key and reference. */
export const tickets: fc.Arbitrary<Ticket> = fc.tuple(
  hashes,
  fc.array(fc.integer({ min: 1, max: 65535 }).map((port) => `[::1]:${port}`), {
    minLength: 1,
    maxLength: 16,
  }),
  fc.option(hashes, { nil: undefined }),
  fc.option(hashes.map((hash) => encodeBlobRef(smallRef("", hash, 1))), { nil: undefined }),
).map(([nodeId, addresses, psk, ref]): Ticket => ({
  nodeId,
  addresses,
  ...(psk && { psk }),
  ...(ref && { ref }),
}));

/** Requests of the blob transfer. */
export const controls: fc.Arbitrary<TransferControl> = fc.oneof(
  hashes.map((hash): TransferControl => ({ kind: "request", hash })),
  fc.tuple(hashes, fc.maxSafeNat(), fc.maxSafeNat()).map((
    [hash, offset, length],
  ): TransferControl => ({ kind: "request-range", hash, offset, length })),
  fc.array(hashes).map((list): TransferControl => ({ kind: "have", hashes: list })),
  hashes.map((hash): TransferControl => ({ kind: "request-packed", hash })),
  fc.tuple(
    fc.array(hashes, { minLength: 1, maxLength: MAX_DELTA_CHUNKS }),
    fc.integer({ min: 1, max: MAX_GROUP_SHIFT }),
    fc.array(fc.nat(2 ** 48 - 1)),
  ).map(([list, shift, prints]): TransferControl => (
    { kind: "request-delta", hashes: list, shift, fingerprints: encodeFingerprints(prints) }
  )),
);
const codes = fc.constantFrom<RefusalCode>("FORBIDDEN", "BUSY", "TOO_LARGE", "BAD_REQUEST");
/** Headers of its answers. */
export const headers: fc.Arbitrary<TransferHeader> = fc.oneof(
  fc.bigInt(0n, 2n ** 64n - 1n).map((totalLength): TransferHeader => ({ kind: "found", totalLength })),
  fc.constant<TransferHeader>({ kind: "not-found" }),
  fc.tuple(codes, fc.string({ unit: "grapheme" })).map((
    [code, message],
  ): TransferHeader => ({ kind: "refused", code, message })),
  fc.uint8Array({ maxLength: 512 }).map((bitmap): TransferHeader => ({ kind: "have-reply", bitmap })),
  fc.tuple(fc.bigInt(0n, 2n ** 64n - 1n), fc.maxSafeNat()).map((
    [totalLength, packedLength],
  ): TransferHeader => ({ kind: "packed", totalLength, packedLength })),
  fc.tuple(fc.bigInt(0n, 2n ** 64n - 1n), fc.maxSafeNat()).map((
    [totalLength, deltaLength],
  ): TransferHeader => ({ kind: "delta", totalLength, deltaLength })),
);

/** Questions for an offer. */
export const offerQuestions: fc.Arbitrary<OfferQuestion> = fc.record(
  { live: fc.boolean(), base: hashes },
  { requiredKeys: ["live"], noNullPrototype: true },
);
/** Answers to them. */
export const offerAnswers: fc.Arbitrary<OfferAnswer> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("outline", "changes"),
    length: fc.maxSafeNat(),
    packedLength: fc.maxSafeNat(),
  }, { noNullPrototype: true }) as fc.Arbitrary<OfferAnswer>,
  fc.integer({ min: 1, max: 9 }).chain((count) =>
    fc.uint8Array({ minLength: 32 * count, maxLength: 32 * count })
  ).map((hashes): OfferAnswer => ({ kind: "hashes", hashes })),
  fc.uint8Array({ maxLength: 150 }).map((ref): OfferAnswer => ({ kind: "done", ref })),
  fc.tuple(fc.oneof(codes, fc.constant<OfferFailureCode>("FAILED")), fc.string({ unit: "grapheme" })).map(
    ([code, message]): OfferAnswer => ({ kind: "failed", code, message }),
  ),
);

const uris = fc.oneof(fc.string({ unit: "binary", maxLength: 100 }), fc.constant(""));
const encodings: fc.Arbitrary<Encoding> = fc.oneof(
  fc.constant<Encoding>({ kind: "replicated" }),
  fc.tuple(fc.nat(255), fc.nat(255)).map(([k, m]): Encoding => ({ kind: "reed-solomon", k, m })),
);
/** References to one chunk. */
export const smallRefs: fc.Arbitrary<SmallRef> = fc.tuple(uris, hashes, fc.nat(MAX_BLOB_SIZE)).map((a) =>
  smallRef(...a)
);
const manifestRefs = fc.tuple(
  uris,
  encodings,
  fc.array(hashes, { minLength: 1, maxLength: 6 }),
  fc.nat(CHUNK_SIZE - 1),
)
  .map(([uri, encoding, list, last]) =>
    manifestRef(
      uri,
      encoding,
      list.map((hash, i): ChunkRef => ({ hash, size: i < list.length - 1 ? CHUNK_SIZE : last + 1 })),
    )
  );
const treeRefs = fc.tuple(
  uris,
  encodings,
  hashes,
  fc.integer({ min: 128 ** 3, max: 2 ** 53 - 1 }),
  fc.integer({
    min: 1,
    max: 4,
  }),
).map((a) => treeRef(...a));
/** Blob references of all three kinds. */
export const blobRefs: fc.Arbitrary<BlobRef> = fc.oneof<fc.Arbitrary<BlobRef>[]>(
  smallRefs,
  manifestRefs,
  treeRefs,
);

const texts = fc.string({ unit: "grapheme", maxLength: 40 });
const modes = fc.nat(0xffff_ffff);
/** Entries of directory manifests, paths of any text. */
export const entries: fc.Arbitrary<DirEntry> = fc.oneof(
  fc.tuple(texts, modes, fc.uint8Array({ maxLength: 200 })).map((
    [path, mode, blob],
  ): DirEntry => ({ kind: "file", path, mode, blob })),
  fc.tuple(texts, modes).map(([path, mode]): DirEntry => ({ kind: "dir", path, mode })),
  fc.tuple(texts, texts).map(([path, target]): DirEntry => ({ kind: "symlink", path, target })),
);
/** Entries of outlines, paths of any text. */
export const outlineEntries: fc.Arbitrary<OutlineEntry> = fc.oneof(
  fc.tuple(texts, modes, fc.maxSafeNat()).map((
    [path, mode, size],
  ): OutlineEntry => ({ kind: "file", path, mode, size })),
  fc.tuple(texts, modes).map(([path, mode]): OutlineEntry => ({ kind: "dir", path, mode })),
  fc.tuple(texts, texts).map(([path, target]): OutlineEntry => ({ kind: "symlink", path, target })),
);
