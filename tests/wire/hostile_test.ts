/** Every truncation and many a change of every vector: a value or a library error, nothing else. Chance: `tests/fuzz`. */

import assert from "node:assert/strict";
import { HawserError } from "../../src/errors.ts";
import { decodeBlobRef, encodeBlobRef } from "../../src/wire/blob_ref.ts";
import { fromHex } from "../../src/wire/bytes.ts";
import { decodeDirManifest, encodeDirManifest } from "../../src/wire/dir_manifest.ts";
import {
  decodeTransferControl,
  decodeTransferHeader,
  encodeTransferControl,
  encodeTransferHeader,
} from "../../src/wire/transfer_message.ts";
import golden from "../vectors/transfer-frames.json" with { type: "json" };
import spec from "./spec_vectors.json" with { type: "json" };

interface Format {
  name: string;
  /** Encoded values to start from. */
  samples: string[];
  decode(bytes: Uint8Array): unknown;
  /** Encodes what was decoded. */
  encode(value: unknown): Uint8Array;
}

function format<T>(
  name: string,
  samples: string[],
  decode: (bytes: Uint8Array) => T,
  encode: (value: NonNullable<T>) => Uint8Array,
): Format {
  return { name, samples, decode, encode: (value) => encode(value as NonNullable<T>) };
}

const dirNames = ["dir_empty", "dir_worked_unix", "dir_worked_modes_zero"];
const entriesOf = (wanted: (name: string) => boolean) =>
  Object.entries(spec).filter(([name]) => wanted(name)).map(([, text]) => text);

const FORMATS: Format[] = [
  format("blob reference", entriesOf((name) => !dirNames.includes(name)), decodeBlobRef, encodeBlobRef),
  format(
    "directory manifest",
    entriesOf((name) => dirNames.includes(name)),
    (bytes) => decodeDirManifest(bytes).entries,
    encodeDirManifest,
  ),
  format(
    "transfer request",
    [
      ...golden.transfer_control.map((vector) => vector.postcard_hex),
      `01${"11".repeat(32)}8001ac02`,
      `0202${"22".repeat(64)}`,
    ],
    decodeTransferControl,
    encodeTransferControl,
  ),
  format(
    "transfer header",
    [...golden.transfer_header.map((vector) => vector.postcard_hex), "0201056c61746572", "03020180"],
    decodeTransferHeader,
    encodeTransferHeader,
  ),
];

for (const { name, samples, decode, encode } of FORMATS) {
  /** Decodes; what decodes must also encode, and decode to the same again. */
  const attempt = (bytes: Uint8Array): void => {
    let value: unknown;
    try {
      value = decode(bytes);
    } catch (error) {
      assert.ok(error instanceof HawserError, String(error));
      return;
    }
    if (value !== undefined) assert.deepEqual(decode(encode(value)), value);
  };

  Deno.test(`hostile ${name}: every truncation`, () => {
    for (const sample of samples) {
      const bytes = fromHex(sample)!;
      for (let end = 0; end <= bytes.length; end++) attempt(bytes.slice(0, end));
    }
  });

  Deno.test(`hostile ${name}: every byte changed`, () => {
    for (const sample of samples) {
      const bytes = fromHex(sample)!;
      for (let i = 0; i < bytes.length; i++) {
        for (const value of [0, 1, 2, 3, 0x7f, 0x80, 0xff]) {
          const changed = bytes.slice();
          changed[i] = value;
          attempt(changed);
        }
      }
    }
  });
}
