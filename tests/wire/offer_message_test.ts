import assert from "node:assert/strict";
import fc from "fast-check";
import { DecodeError, InvalidArgumentError, LimitExceededError } from "../../src/errors.ts";
import { fromHex, toHex } from "../../src/wire/bytes.ts";
import {
  decodeOfferAnswer,
  decodeOfferQuestion,
  encodeOfferAnswer,
  encodeOfferQuestion,
  MAX_OFFER_ANSWER_LENGTH,
  MAX_OFFER_HASHES,
  MAX_OFFER_QUESTION_LENGTH,
  type OfferAnswer,
  type OfferFailureCode,
} from "../../src/wire/offer_message.ts";
import { PostcardWriter } from "../../src/wire/postcard.ts";
import { MAX_REFUSAL_MESSAGE } from "../../src/wire/refusal.ts";
import { offerAnswers, offerQuestions } from "../support/wire_models.ts";

function hex(text: string): Uint8Array {
  return fromHex(text)!;
}

const HASH = new Uint8Array(32).fill(5);
const EACH: readonly OfferAnswer[] = [
  { kind: "outline", length: 300, packedLength: 129 },
  { kind: "hashes", hashes: HASH },
  { kind: "done", ref: hex("b10b07") },
  { kind: "failed", code: "BUSY", message: "later" },
  { kind: "changes", length: 300, packedLength: 129 },
];

Deno.test("offer messages: round trip", () => {
  fc.assert(fc.property(offerQuestions, (question) => {
    assert.deepEqual(decodeOfferQuestion(encodeOfferQuestion(question)), question);
  }));
  fc.assert(fc.property(offerAnswers, (answer) => {
    assert.deepEqual(decodeOfferAnswer(encodeOfferAnswer(answer)), answer);
  }));
});

Deno.test("offer messages: their bytes", () => {
  assert.equal(toHex(encodeOfferQuestion({ live: false })), "0000");
  assert.equal(toHex(encodeOfferQuestion({ live: true })), "0001");
  assert.equal(toHex(encodeOfferQuestion({ live: false, base: HASH })), `000001${toHex(HASH)}`);
  assert.deepEqual(EACH.map((answer) => toHex(encodeOfferAnswer(answer))), [
    "00ac028101",
    `0120${toHex(HASH)}`,
    "0203b10b07",
    "0301056c61746572",
    "04ac028101",
  ]);
  const codes = (["FORBIDDEN", "BUSY", "TOO_LARGE", "BAD_REQUEST", "FAILED"] as const).map((code) =>
    toHex(encodeOfferAnswer({ kind: "failed", code, message: "x" }))
  );
  assert.deepEqual(codes, ["03000178", "03010178", "03020178", "03030178", "03040178"]);
});

Deno.test("offer messages: truncation at any byte is refused, bytes after the message are not", () => {
  for (const answer of EACH) {
    const bytes = encodeOfferAnswer(answer);
    for (let end = 0; end < bytes.length; end++) {
      assert.throws(() => decodeOfferAnswer(bytes.subarray(0, end)), DecodeError);
    }
    assert.deepEqual(decodeOfferAnswer(new Uint8Array([...bytes, 7])), answer);
  }
  for (const text of ["", "00"]) assert.throws(() => decodeOfferQuestion(hex(text)), DecodeError);
  assert.deepEqual(decodeOfferQuestion(hex("0001ffff")), { live: true });
  assert.deepEqual(decodeOfferQuestion(hex(`0000${"00".repeat(40)}`)), { live: false });
  assert.deepEqual(decodeOfferQuestion(hex(`000001${toHex(HASH)}ffff`)), { live: false, base: HASH });
  for (let length = 0; length < 32; length++) {
    assert.throws(() => decodeOfferQuestion(hex(`000001${"05".repeat(length)}`)), DecodeError);
  }
});

Deno.test("offer messages: what is unknown is refused", () => {
  for (const text of ["01", "0101", "0002", "7f01"]) {
    assert.throws(() => decodeOfferQuestion(hex(text)), DecodeError);
  }
  for (const text of ["05", "0501", "7f", "030500", "03ff0100", "0100", "011f" + "00".repeat(31)]) {
    assert.throws(() => decodeOfferAnswer(hex(text)), DecodeError);
  }
});

Deno.test("offer messages: limits, and no message is longer than its constant", () => {
  const full: OfferAnswer = { kind: "hashes", hashes: new Uint8Array(32 * MAX_OFFER_HASHES).fill(1) };
  const bytes = encodeOfferAnswer(full);
  assert.equal(bytes.length, MAX_OFFER_ANSWER_LENGTH);
  assert.deepEqual(decodeOfferAnswer(bytes), full);
  const over = new Uint8Array(32 * (MAX_OFFER_HASHES + 1));
  assert.throws(() => encodeOfferAnswer({ kind: "hashes", hashes: over }), LimitExceededError);
  const written = new PostcardWriter().varint(1).bytes(over).finish();
  assert.throws(() => decodeOfferAnswer(written), LimitExceededError);
  assert.ok(encodeOfferQuestion({ live: true, base: HASH }).length <= MAX_OFFER_QUESTION_LENGTH);

  const long = encodeOfferAnswer({ kind: "failed", code: "FAILED", message: "é".repeat(5000) });
  const failed = decodeOfferAnswer(long);
  assert.ok(failed.kind === "failed" && failed.message === "é".repeat(MAX_REFUSAL_MESSAGE / 2));
  const longer = new PostcardWriter().varint(3).varint(1).string("x".repeat(MAX_REFUSAL_MESSAGE + 1));
  assert.throws(() => decodeOfferAnswer(longer.finish()), LimitExceededError);
});

Deno.test("offer messages: values that no message can have are not written", () => {
  for (const length of [0, 31, 33]) {
    const base = new Uint8Array(length);
    assert.throws(() => encodeOfferQuestion({ live: false, base }), InvalidArgumentError);
  }
  for (const length of [-1, 0.5, 2 ** 53, NaN]) {
    for (const kind of ["outline", "changes"] as const) {
      const wrong = [{ kind, length, packedLength: 1 }, { kind, length: 1, packedLength: length }];
      for (const answer of wrong) assert.throws(() => encodeOfferAnswer(answer), InvalidArgumentError);
    }
  }
  for (const length of [0, 31, 33]) {
    assert.throws(
      () => encodeOfferAnswer({ kind: "hashes", hashes: new Uint8Array(length) }),
      InvalidArgumentError,
    );
  }
  const code = "NO" as OfferFailureCode;
  assert.throws(() => encodeOfferAnswer({ kind: "failed", code, message: "" }), InvalidArgumentError);
});
