import assert from "node:assert/strict";
import fc from "fast-check";
import { DecodeError, InvalidArgumentError, LimitExceededError } from "../../src/errors.ts";
import { fromHex, toHex } from "../../src/wire/bytes.ts";
import {
  encodeFingerprints,
  FINGERPRINT_LENGTH,
  MAX_DELTA_CHUNKS,
  MAX_FINGERPRINTS,
  MAX_GROUP_SHIFT,
} from "../../src/wire/manifest_delta.ts";
import { PostcardWriter } from "../../src/wire/postcard.ts";
import {
  decodeTransferControl,
  decodeTransferHeader,
  encodeRequest,
  encodeTransferControl,
  encodeTransferHeader,
  MAX_CONTROL_LENGTH,
  MAX_FOUND_LENGTH,
  MAX_HAVE_HASHES,
  MAX_HEADER_LENGTH,
  MAX_REFUSAL_MESSAGE,
  type RefusalCode,
  type TransferControl,
  type TransferHeader,
  writeFoundHeader,
} from "../../src/wire/transfer_message.ts";
import { controls, headers } from "../support/wire_models.ts";
import golden from "../vectors/transfer-frames.json" with { type: "json" };

function hex(text: string): Uint8Array {
  return fromHex(text)!;
}

type ErrorType = abstract new (...args: never[]) => Error;

const HASH = new Uint8Array(32).fill(5);

Deno.test("transfer request: golden vectors", () => {
  for (const { fields, postcard_hex, name } of golden.transfer_control) {
    const message: TransferControl = { kind: "request", hash: hex(fields.hash) };
    assert.equal(toHex(encodeTransferControl(message)), postcard_hex, name);
    assert.equal(toHex(encodeRequest(message.hash)), postcard_hex, name);
    assert.deepEqual(decodeTransferControl(hex(postcard_hex)), message, name);
  }
});

Deno.test("transfer header: golden vectors", () => {
  for (const { fields, postcard_hex, name } of golden.transfer_header) {
    // JSON rounds the greatest u64 up; only that one is not exact.
    const total = name === "found_u64_max" ? 2n ** 64n - 1n : BigInt(fields.total_len ?? 0);
    const header: TransferHeader = fields.kind === "found"
      ? { kind: "found", totalLength: total }
      : { kind: "not-found" };
    assert.equal(toHex(encodeTransferHeader(header)), postcard_hex, name);
    assert.deepEqual(decodeTransferHeader(hex(postcard_hex)), header, name);
  }
});

Deno.test("transfer messages: round trip", () => {
  fc.assert(fc.property(controls, (message) => {
    assert.deepEqual(decodeTransferControl(encodeTransferControl(message)), message);
  }));
  fc.assert(fc.property(headers, (header) => {
    assert.deepEqual(decodeTransferHeader(encodeTransferHeader(header)), header);
  }));
});

Deno.test("transfer header: found, written in place, is the message with its length", () => {
  const check = (size: number) => {
    const out = new Uint8Array(MAX_FOUND_LENGTH);
    const length = writeFoundHeader(out, size);
    const message = encodeTransferHeader({ kind: "found", totalLength: BigInt(size) });
    assert.deepEqual(out.subarray(0, length), Uint8Array.of(message.length, ...message));
  };
  for (const size of [0, 127, 128, 16_383, 16_384, Number.MAX_SAFE_INTEGER]) check(size);
  fc.assert(fc.property(fc.maxSafeNat(), check));
});

Deno.test("transfer messages: own variants have their numbers", () => {
  const range: TransferControl = { kind: "request-range", hash: HASH, offset: 300, length: 1 };
  assert.equal(toHex(encodeTransferControl(range)), `01${toHex(HASH)}ac0201`);
  assert.equal(toHex(encodeTransferControl({ kind: "have", hashes: [HASH] })), `0201${toHex(HASH)}`);
  const refused = (["FORBIDDEN", "BUSY", "TOO_LARGE", "BAD_REQUEST"] as const).map((code) =>
    toHex(encodeTransferHeader({ kind: "refused", code, message: "x" }))
  );
  assert.deepEqual(refused, ["02000178", "02010178", "02020178", "02030178"]);
  assert.equal(toHex(encodeTransferHeader({ kind: "have-reply", bitmap: hex("0180") })), "03020180");
  assert.equal(toHex(encodeTransferControl({ kind: "request-packed", hash: HASH })), `03${toHex(HASH)}`);
  const packed: TransferHeader = { kind: "packed", totalLength: 300n, packedLength: 129 };
  assert.equal(toHex(encodeTransferHeader(packed)), "04ac028101");
  const delta: TransferControl = {
    ...{ kind: "request-delta", hashes: [HASH, HASH], shift: 3 },
    fingerprints: encodeFingerprints([1, 2 ** 48 - 2]),
  };
  assert.equal(
    toHex(encodeTransferControl(delta)),
    `0402${toHex(HASH).repeat(2)}030c010000000000feffffffffff`,
  );
  const answer: TransferHeader = { kind: "delta", totalLength: 300n, deltaLength: 129 };
  assert.equal(toHex(encodeTransferHeader(answer)), "05ac028101");
});

Deno.test("transfer messages: truncation at any byte is refused, bytes after the message are not", () => {
  const range: TransferControl = { kind: "request-range", hash: HASH, offset: 300, length: 300 };
  for (const message of [range, { kind: "have", hashes: [HASH, HASH] }] satisfies TransferControl[]) {
    const bytes = encodeTransferControl(message);
    for (let end = 0; end < bytes.length; end++) {
      assert.throws(() => decodeTransferControl(bytes.subarray(0, end)), DecodeError);
    }
    assert.deepEqual(decodeTransferControl(new Uint8Array([...bytes, 7])), message);
  }
  const header: TransferHeader = { kind: "refused", code: "BUSY", message: "later" };
  const bytes = encodeTransferHeader(header);
  for (let end = 0; end < bytes.length; end++) {
    assert.throws(() => decodeTransferHeader(bytes.subarray(0, end)), DecodeError);
  }
  assert.deepEqual(decodeTransferHeader(new Uint8Array([...bytes, 7])), header);
});

Deno.test("transfer messages: unknown variants and codes are refused", () => {
  for (const text of ["03", "04", "05", "7f", "ffffffff0f"]) {
    assert.throws(() => decodeTransferControl(hex(text)), DecodeError);
  }
  for (const text of ["04", "0401", "05", "0501", "06", "7f", "020400", "02ff0100"]) {
    assert.throws(() => decodeTransferHeader(hex(text)), DecodeError);
  }
});

Deno.test("transfer messages: limits, and no message is longer than its constant", () => {
  const full: TransferControl = { kind: "have", hashes: Array.from({ length: MAX_HAVE_HASHES }, () => HASH) };
  const bytes = encodeTransferControl(full);
  assert.ok(bytes.length < MAX_CONTROL_LENGTH);
  assert.deepEqual(decodeTransferControl(bytes), full);
  const over: TransferControl = { kind: "have", hashes: [...full.hashes, HASH] };
  assert.throws(() => encodeTransferControl(over), LimitExceededError);
  const declared = new PostcardWriter().varint(2).varint(MAX_HAVE_HASHES + 1).finish();
  assert.throws(() => decodeTransferControl(declared), LimitExceededError);
  assert.throws(() => decodeTransferControl(hex("02ffffffffffffff0f")), LimitExceededError);

  const long = encodeTransferHeader({ kind: "refused", code: "BUSY", message: "é".repeat(5000) });
  assert.equal(long.length, MAX_HEADER_LENGTH);
  const refused = decodeTransferHeader(long);
  assert.ok(refused.kind === "refused" && refused.message === "é".repeat(MAX_REFUSAL_MESSAGE / 2));
  const longer = new PostcardWriter().varint(2).varint(1).string("x".repeat(MAX_REFUSAL_MESSAGE + 1))
    .finish();
  assert.throws(() => decodeTransferHeader(longer), LimitExceededError);
  const bitmap = new Uint8Array(MAX_HAVE_HASHES / 8 + 1);
  assert.throws(() => encodeTransferHeader({ kind: "have-reply", bitmap }), LimitExceededError);
  assert.throws(
    () => decodeTransferHeader(new PostcardWriter().varint(3).bytes(bitmap).finish()),
    LimitExceededError,
  );
});

Deno.test("transfer delta request: the longest message, and what is out of bounds", () => {
  const hashes = Array.from({ length: MAX_DELTA_CHUNKS }, () => HASH);
  const fingerprints = new Uint8Array(FINGERPRINT_LENGTH * MAX_FINGERPRINTS);
  const full: TransferControl = { kind: "request-delta", hashes, shift: MAX_GROUP_SHIFT, fingerprints };
  const bytes = encodeTransferControl(full);
  assert.equal(bytes.length, MAX_CONTROL_LENGTH);
  assert.deepEqual(decodeTransferControl(bytes), full);
  const write = (count: number, shift: number, length: number) => {
    const writer = new PostcardWriter().varint(4).varint(count);
    for (let i = 0; i < count; i++) writer.fixed(HASH);
    return writer.u8(shift).bytes(new Uint8Array(length)).finish();
  };
  const wrong = (count: number, shift: number, length: number, decoding: ErrorType, encoding: ErrorType) => {
    assert.throws(() => decodeTransferControl(write(count, shift, length)), decoding);
    const message: TransferControl = {
      ...{ kind: "request-delta", hashes: Array.from({ length: count }, () => HASH), shift },
      fingerprints: new Uint8Array(length),
    };
    assert.throws(() => encodeTransferControl(message), encoding);
  };
  wrong(MAX_DELTA_CHUNKS + 1, 1, 6, LimitExceededError, LimitExceededError);
  wrong(1, 1, fingerprints.length + 6, LimitExceededError, LimitExceededError);
  wrong(0, 1, 6, DecodeError, InvalidArgumentError);
  wrong(1, 0, 6, DecodeError, InvalidArgumentError);
  wrong(1, MAX_GROUP_SHIFT + 1, 6, DecodeError, InvalidArgumentError);
  wrong(1, 1, 7, DecodeError, InvalidArgumentError);
  for (let end = 0; end < 98; end++) {
    assert.throws(() => decodeTransferControl(write(2, 1, 30).subarray(0, end)), DecodeError);
  }
});

Deno.test("transfer messages: values that no message can have are not written", () => {
  const short = new Uint8Array(31);
  assert.throws(() => encodeRequest(short), InvalidArgumentError);
  assert.throws(() => encodeTransferControl({ kind: "have", hashes: [short] }), InvalidArgumentError);
  for (const offset of [-1, 0.5, 2 ** 53, NaN]) {
    const message: TransferControl = { kind: "request-range", hash: HASH, offset, length: 1 };
    assert.throws(() => encodeTransferControl(message), InvalidArgumentError);
  }
  for (const totalLength of [-1n, 2n ** 64n]) {
    assert.throws(() => encodeTransferHeader({ kind: "found", totalLength }), InvalidArgumentError);
  }
  assert.throws(
    () => encodeTransferHeader({ kind: "refused", code: "NO" as RefusalCode, message: "" }),
    InvalidArgumentError,
  );
});

Deno.test("transfer range request: an offset above 2^53 is refused, not rounded", () => {
  const message = new PostcardWriter().varint(1).fixed(HASH).varint(2n ** 53n).varint(1).finish();
  assert.throws(() => decodeTransferControl(message), DecodeError);
});
