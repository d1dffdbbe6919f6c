/**
 * Every parser of the wire: a value or a declared error, no more work than the input is long, and what it reads it
 * also writes and reads again.
 *
 * @module
 */

import assert from "node:assert/strict";
import { bech32m } from "@scure/base";
import fc from "fast-check";
import { applyDelta, deltaTo, groupManifest } from "../../src/blob/manifest_groups.ts";
import { packBlob, unpackBlob } from "../../src/blob/packed_blob.ts";
import { packOutline, unpackOutline } from "../../src/directory/packed_outline.ts";
import { DecodeError, LimitExceededError, UnsupportedVersionError } from "../../src/errors.ts";
import { frameMessage, MessageReader } from "../../src/mesh/messages.ts";
import { PRIORITIES } from "../../src/transport/config.ts";
import { decodeStreamHeader, encodeStreamHeader } from "../../src/transport/stream_header.ts";
import { formatAddress, parseAddress } from "../../src/wire/address.ts";
import { blobUri, decodeBlobRef, encodeBlobRef, smallRef } from "../../src/wire/blob_ref.ts";
import { concatBytes, encodeUtf8 } from "../../src/wire/bytes.ts";
import { decodeDirManifest, type DirEntry, encodeDirManifest } from "../../src/wire/dir_manifest.ts";
import { decodeDirOutline, encodeDirOutline } from "../../src/wire/dir_outline.ts";
import { eachEntry, encodeFingerprints } from "../../src/wire/manifest_delta.ts";
import { decodeNodeId, encodeNodeId } from "../../src/wire/node_id.ts";
import {
  decodeOfferAnswer,
  decodeOfferQuestion,
  encodeOfferAnswer,
  encodeOfferQuestion,
} from "../../src/wire/offer_message.ts";
import { decodeTreeChanges, encodeTreeChanges } from "../../src/wire/tree_changes.ts";
import {
  DATA_HEADER,
  datagramDefect,
  initiationPacket,
  mac1Field,
  mac1Input,
  PacketType,
  readPacketNumber,
  readU32,
  responsePacket,
  writeDataHeader,
} from "../../src/wire/packet.ts";
import { decodeTicket, encodeTicket, TICKET_PREFIX } from "../../src/wire/ticket.ts";
import {
  decodeTransferControl,
  decodeTransferHeader,
  encodeTransferControl,
  encodeTransferHeader,
} from "../../src/wire/transfer_message.ts";
import {
  decodeTransportParameters,
  encodeTransportParameters,
  type TransportParameters,
} from "../../src/wire/transport_parameters.ts";
import { type Frame, framesOf } from "../sim/frames.ts";
import { Prng } from "../sim/prng.ts";
import { packets, writeFrame } from "../support/frame_model.ts";
import {
  blobRefs,
  controls,
  entries,
  headers,
  offerAnswers,
  offerQuestions,
  outlineEntries,
  parameters,
  tickets,
} from "../support/wire_models.ts";
import { mutate } from "./mutate.ts";
import type { Feed, FuzzTarget } from "./target.ts";
import { countSteps } from "./work.ts";

type ErrorClass = new (...args: never[]) => Error;

/** Steps of a reader that one byte of input may cause, and those that a parser needs for nothing. */
const STEPS_PER_BYTE = 4;
const STEPS_AT_LEAST = 64;
/** Valid values that inputs are made from. */
const SAMPLES = 200;

interface Parser<T> {
  readonly name: string;
  readonly share: number;
  /** Encoded values to start from. */
  readonly samples: fc.Arbitrary<Uint8Array>;
  /** What it may throw, and nothing else. */
  readonly errors: readonly ErrorClass[];
  decode(input: Uint8Array): T;
  /** Checks what was read; usually that it can be written and read again. */
  check(value: T, input: Uint8Array): void;
}

function parser<T>({ name, share, samples, errors, decode, check }: Parser<T>): FuzzTarget {
  let corpus: Uint8Array[] | undefined;
  const run = (seed: number, feed: Feed): void => {
    corpus ??= fc.sample(samples, { numRuns: SAMPLES, seed: 1 });
    const input = feed.next(() => mutate(new Prng(seed), corpus!))!;
    let read: { readonly value: T } | undefined;
    const steps = countSteps(() => {
      try {
        read = { value: decode(input) };
      } catch (error) {
        if (!errors.some((type) => error instanceof type)) throw error;
      }
    });
    assert.ok(
      steps <= STEPS_PER_BYTE * input.length + STEPS_AT_LEAST,
      `${steps} steps, ${input.length} bytes`,
    );
    if (read !== undefined) check(read.value, input);
  };
  return { name, share, inputsPerCase: 1, run };
}

/** A format with an encoder: what decodes encodes, and decodes to the same again. */
function format<T>(
  name: string,
  share: number,
  values: fc.Arbitrary<NonNullable<T>>,
  encode: (value: NonNullable<T>) => Uint8Array,
  decode: (bytes: Uint8Array) => T,
  ...errors: ErrorClass[]
): FuzzTarget {
  return parser<T>({
    name,
    share,
    samples: values.map(encode),
    errors: [DecodeError, ...errors],
    decode,
    check: (value) => {
      // Some formats have bytes that are something else, which is no error.
      if (value !== undefined && value !== null) assert.deepEqual(decode(encode(value)), value);
    },
  });
}

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const byte32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

const streamHeaders = fc.record({
  protocol: fc.oneof(fc.constantFrom(0, 0x0e00, 0x1100), fc.maxSafeNat()),
  priority: fc.nat(PRIORITIES - 1),
  weight: fc.integer({ min: 1, max: 256 }),
}, { noNullPrototype: true });

const addresses = fc.oneof(
  fc.tuple(fc.constantFrom("127.0.0.1", "[::1]", "[fe80::1%eth0]", "a.example", "x"), fc.nat(65_535)),
  fc.tuple(fc.domain(), fc.nat(65_535)),
).map(([host, port]) => `${host}:${port}`);

/** Datagrams that are sound as far as can be seen without keys. */
const datagrams = fc.oneof(
  fc.uint8Array({ minLength: 96, maxLength: 400 }).map((noise) => initiationPacket(1, noise)),
  fc.uint8Array({ minLength: 48, maxLength: 400 }).map((noise) => responsePacket(1, 2, noise)),
  fc.tuple(fc.nat(), fc.maxSafeNat(), fc.uint8Array({ minLength: 16, maxLength: 400 })).map(
    ([to, n, rest]) => {
      const header = new Uint8Array(DATA_HEADER);
      writeDataHeader(header, to, n);
      return concatBytes([header, rest]);
    },
  ),
);

function checkDatagram(defect: string | undefined, input: Uint8Array): void {
  if (defect !== undefined) return;
  if (input[0] !== PacketType.DATA) {
    assert.equal(mac1Field(input).length, 16);
    assert.equal(mac1Input(input).length, input.length - 32);
    return;
  }
  const packetNumber = readPacketNumber(input);
  if (packetNumber === undefined) return;
  const header = new Uint8Array(DATA_HEADER);
  writeDataHeader(header, readU32(input, 4), packetNumber);
  header[1] = input[1];
  assert.deepEqual(header, input.slice(0, DATA_HEADER));
}

/** Every number in a value is one that the library can count with. */
function checkNumbers(value: object): void {
  for (const number of Object.values(value).flat()) {
    if (typeof number === "number") {
      assert.ok(Number.isSafeInteger(number) && number >= 0, `number ${number}`);
    }
  }
}

function checkFrames(frames: Frame[], input: Uint8Array): void {
  assert.ok(frames.length <= input.length);
  for (const frame of frames) {
    checkNumbers(frame);
    if (frame.type !== "ack") continue;
    for (let i = 2; i < frame.ranges.length; i += 2) assert.ok(frame.ranges[i + 1] < frame.ranges[i - 2] - 1);
  }
  const out = new Uint8Array(1_000 + 32 * input.length);
  let at = 0;
  for (const frame of frames) at = writeFrame(out, at, frame);
  if (frames.length > 0) assert.deepEqual(framesOf(out.subarray(0, at)), frames);
}

/** The ranges of RFC 9000 §18.2. */
function checkParameters(value: TransportParameters): void {
  checkNumbers(value);
  assert.ok(value.maxUdpPayloadSize >= 1_200 && value.ackDelayExponent <= 20 && value.maxAckDelay <= 2 ** 14);
  assert.ok(value.initialMaxStreamsBidi <= 2 ** 50 && encodeUtf8(value.agent).length <= 128);
  assert.deepEqual(decodeTransportParameters(encodeTransportParameters(value, 256)), value);
}

/** The header is the same however its bytes come, and is not told before they are all there. */
function checkStreamHeader(decoded: ReturnType<typeof decodeStreamHeader>, input: Uint8Array): void {
  if (decoded === undefined) return;
  assert.ok(decoded.length <= input.length);
  for (let n = 0; n < decoded.length; n++) assert.equal(decodeStreamHeader(input.subarray(0, n)), undefined);
  assert.deepEqual(decodeStreamHeader(input.subarray(0, decoded.length)), decoded);
  assert.deepEqual(decodeStreamHeader(encodeStreamHeader(decoded.header))!.header, decoded.header);
}

const MAX_MESSAGE = 200;

/** Messages short and long, and some that are too long. */
const messages = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc.integer({ min: MAX_MESSAGE - 50, max: MAX_MESSAGE + 5 }).map((length) => new Uint8Array(length)),
);

/** Messages of a stream that arrives in pieces of `size` bytes, up to a breach of the rules. */
function readMessages(input: Uint8Array, size: number): Uint8Array[] {
  let at = 0;
  const reader = new MessageReader(() => {
    const piece = input.subarray(at, at += size);
    return piece.length === 0 ? undefined : piece;
  }, MAX_MESSAGE);
  const messages: Uint8Array[] = [];
  try {
    for (let next = reader.message(); next !== undefined; next = reader.message()) {
      messages.push(next.slice());
    }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
  }
  return messages;
}

/** A ticket whose checksum is right, whatever is in it. */
function ticketOf(bytes: Uint8Array): string {
  return bech32m.encode(TICKET_PREFIX, bech32m.toWords(bytes), false);
}

function ticketBytes(text: string): Uint8Array {
  return bech32m.fromWords(bech32m.decode(text as `${string}1${string}`, false).words);
}

/** Packed manifests, each behind the two bytes of its length. */
const packedManifests = fc.array(fc.tuple(fc.string(), byte32, fc.nat(1 << 20)), {
  minLength: 10,
  maxLength: 40,
}).map((files) => {
  const entries = files.map(([path, hash, size]): DirEntry => ({
    ...{ kind: "file", path, mode: 0o100644 },
    blob: encodeBlobRef(smallRef(blobUri(hash), hash, size)),
  }));
  const manifest = encodeDirManifest(entries);
  return concatBytes([new Uint8Array([manifest.length & 0xff, manifest.length >> 8]), packBlob(manifest)!]);
});

/** Packed outlines, each behind the two bytes of its length. */
const packedOutlines = fc.array(outlineEntries, { maxLength: 20 }).map((list) => {
  const { length, packed } = packOutline(list);
  return concatBytes([new Uint8Array([length & 0xff, length >> 8]), packed]);
});

/** A manifest that another one is told as the difference from. */
const baseManifest = encodeDirManifest(
  Array.from({ length: 40 }, (_, i): DirEntry => ({ kind: "dir", path: `dir ${i}`, mode: i })),
);
const baseGroups = groupManifest(baseManifest, 1);

/** Differences from it, each behind the two bytes of the length that it makes. */
const manifestDeltas = fc.array(fc.tuple(fc.nat(39), entries), { minLength: 1, maxLength: 10 }).map(
  (edits) => {
    const list = [...decodeDirManifest(baseManifest).entries];
    for (const [at, entry] of edits) list[at] = entry;
    const manifest = encodeDirManifest(list);
    const groups = groupManifest(manifest, 1);
    const delta = deltaTo(manifest, groups, encodeFingerprints(baseGroups.prints), Infinity)!;
    return concatBytes([new Uint8Array([manifest.length & 0xff, manifest.length >> 8]), delta]);
  },
);

function lengthOf(input: Uint8Array): number {
  return (input[0] ?? 0) | ((input[1] ?? 0) << 8);
}

/** Every parser. */
export const PARSERS: readonly FuzzTarget[] = [
  parser({
    name: "packets",
    share: 4,
    samples: datagrams,
    errors: [],
    decode: datagramDefect,
    check: checkDatagram,
  }),
  parser({
    name: "frames",
    share: 8,
    samples: packets.map(({ bytes }) => bytes),
    errors: [DecodeError],
    decode: framesOf,
    check: checkFrames,
  }),
  parser({
    name: "transport_parameters",
    share: 5,
    samples: parameters.map((value) => encodeTransportParameters(value)),
    errors: [DecodeError],
    decode: decodeTransportParameters,
    check: checkParameters,
  }),
  parser({
    name: "stream_header",
    share: 4,
    samples: streamHeaders.map(encodeStreamHeader),
    errors: [DecodeError],
    decode: decodeStreamHeader,
    check: checkStreamHeader,
  }),
  parser({
    name: "messages",
    share: 3,
    samples: fc.array(messages.map(frameMessage), { maxLength: 5 }).map(
      concatBytes,
    ),
    errors: [],
    decode: (input) => readMessages(input, 1 + input.length),
    check: (messages, input) => {
      for (const { length } of messages) assert.ok(length <= MAX_MESSAGE);
      for (const size of [input.length < 100 ? 1 : 16, 64]) {
        assert.deepEqual(readMessages(input, size), messages);
      }
    },
  }),
  format("transfer_control", 4, controls, encodeTransferControl, decodeTransferControl, LimitExceededError),
  format("transfer_header", 4, headers, encodeTransferHeader, decodeTransferHeader, LimitExceededError),
  parser({
    name: "packed_blob",
    share: 3,
    samples: packedManifests,
    errors: [DecodeError],
    decode: (input) => unpackBlob(input.subarray(2), lengthOf(input)),
    check: (value, input) => {
      assert.equal(value.length, lengthOf(input));
      const packed = packBlob(value);
      if (packed !== undefined) assert.deepEqual(unpackBlob(packed, value.length), value);
    },
  }),
  format("offer_question", 1, offerQuestions, encodeOfferQuestion, decodeOfferQuestion),
  format("offer_answer", 4, offerAnswers, encodeOfferAnswer, decodeOfferAnswer, LimitExceededError),
  format(
    "tree_changes",
    4,
    fc.record({
      removed: fc.array(fc.string({ unit: "grapheme", maxLength: 20 }), { maxLength: 4 }),
      entries: fc.array(entries, { maxLength: 8 }),
    }),
    encodeTreeChanges,
    decodeTreeChanges,
    LimitExceededError,
    UnsupportedVersionError,
  ),
  format(
    "outline",
    5,
    fc.array(outlineEntries, { maxLength: 8 }),
    encodeDirOutline,
    (bytes) => decodeDirOutline(bytes, { maxEntries: 1_000 }),
    LimitExceededError,
    UnsupportedVersionError,
  ),
  parser({
    name: "packed_outline",
    share: 3,
    samples: packedOutlines,
    errors: [DecodeError, LimitExceededError, UnsupportedVersionError],
    decode: (input) =>
      unpackOutline({ length: lengthOf(input), packed: input.subarray(2) }, { maxEntries: 1_000 }),
    check: (value) => assert.deepEqual(unpackOutline(packOutline(value), {}), value),
  }),
  parser({
    name: "manifest_delta",
    share: 3,
    samples: manifestDeltas,
    errors: [DecodeError],
    decode: (input) => applyDelta(baseManifest, baseGroups, input.subarray(2), lengthOf(input)),
    check: (value, input) => assert.equal(value.length, lengthOf(input)),
  }),
  parser({
    name: "manifest_entries",
    share: 3,
    samples: fc.array(entries, { maxLength: 8 }).map(encodeDirManifest),
    errors: [DecodeError],
    decode: (input) => {
      let behind = 0;
      eachEntry(input, (start, pathStart, pathEnd, end) => {
        assert.ok(behind <= start && start < pathStart && pathStart <= pathEnd && pathEnd < end);
        behind = end;
      });
      return behind;
    },
    check: (value, input) => assert.ok(value <= input.length),
  }),
  format(
    "blob_ref",
    5,
    blobRefs,
    encodeBlobRef,
    decodeBlobRef,
    LimitExceededError,
    UnsupportedVersionError,
  ),
  format(
    "manifest",
    5,
    fc.array(entries, { maxLength: 8 }),
    encodeDirManifest,
    (bytes) => decodeDirManifest(bytes, { maxEntries: 1_000 }).entries,
    LimitExceededError,
    UnsupportedVersionError,
  ),
  format(
    "ticket",
    4,
    tickets,
    (ticket) => ticketBytes(encodeTicket(ticket)),
    (bytes) => decodeTicket(ticketOf(bytes)),
    UnsupportedVersionError,
  ),
  format(
    "ticket_text",
    3,
    tickets,
    (ticket) => encodeUtf8(encodeTicket(ticket)),
    (bytes) => decodeTicket(textOf(bytes)),
    UnsupportedVersionError,
  ),
  format(
    "address",
    3,
    addresses.map((text) => parseAddress(text, 0)),
    (address) => encodeUtf8(formatAddress(address)),
    (bytes) => parseAddress(textOf(bytes), 0),
  ),
  format<Uint8Array>(
    "node_id",
    3,
    byte32,
    (id) => encodeUtf8(encodeNodeId(id)),
    (bytes) => decodeNodeId(textOf(bytes)),
  ),
];
