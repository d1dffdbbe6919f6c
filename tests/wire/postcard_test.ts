import assert from "node:assert/strict";
import fc from "fast-check";
import { DecodeError } from "../../src/errors.ts";
import { fromHex, toHex } from "../../src/wire/bytes.ts";
import { PostcardReader, PostcardWriter } from "../../src/wire/postcard.ts";

/** The table of the format's description, `spec` section 3. */
const TABLE: [number | bigint, string][] = [
  [0, "00"],
  [1, "01"],
  [127, "7f"],
  [128, "8001"],
  [255, "ff01"],
  [300, "ac02"],
  [8000, "c03e"],
  [16_383, "ff7f"],
  [16_384, "808001"],
  [65_535, "ffff03"],
  [0o100644, "a48302"],
  [0o100755, "ed8302"],
  [0o40755, "ed8301"],
  [4_194_303, "ffffff01"],
  [4_194_304, "80808002"],
  [4_194_305, "81808002"],
  [16_777_216, "80808008"],
  [2 ** 32 - 1, "ffffffff0f"],
  [16 * 2 ** 30, "8080808040"],
  [2n ** 64n - 1n, "ffffffffffffffffff01"],
];

function reader(hex: string): PostcardReader {
  return new PostcardReader(fromHex(hex)!, "test");
}

Deno.test("postcard varints: the table", () => {
  for (const [value, hex] of TABLE) {
    assert.equal(toHex(new PostcardWriter().varint(value).finish()), hex);
    assert.equal(toHex(new PostcardWriter().varint(BigInt(value)).finish()), hex);
    assert.equal(reader(hex).bigU64(), BigInt(value));
    if (value <= Number.MAX_SAFE_INTEGER) assert.equal(reader(hex).u64(), Number(value));
    if (value <= 0xffff_ffff) assert.equal(reader(hex).u32(), Number(value));
  }
});

Deno.test("postcard varints: round trip of every u64", () => {
  fc.assert(fc.property(fc.bigInt(0n, 2n ** 64n - 1n), fc.nat(64), (wide, shift) => {
    const value = wide >> BigInt(shift % 64);
    const bytes = new PostcardWriter(0).varint(value).finish();
    assert.equal(new PostcardReader(bytes, "test").bigU64(), value);
    if (value <= Number.MAX_SAFE_INTEGER) {
      assert.deepEqual(new PostcardWriter().varint(Number(value)).finish(), bytes);
      assert.equal(new PostcardReader(bytes, "test").u64(), Number(value));
    } else {
      assert.throws(() => new PostcardReader(bytes, "test").u64(), DecodeError);
    }
    if (value > 0xffff_ffffn) assert.throws(() => new PostcardReader(bytes, "test").u32(), DecodeError);
  }));
});

Deno.test("postcard varints: padding is accepted up to the type's length, more is not", () => {
  assert.equal(reader("8080808000").u32(), 0);
  assert.equal(reader("81808000").u32(), 1);
  assert.throws(() => reader("808080808000").u32(), DecodeError);
  assert.throws(() => reader("ffffffff10").u32(), DecodeError);
  assert.throws(() => reader("ffffffff8f00").u32(), DecodeError);
  assert.equal(reader("80808080808080808000").u64(), 0);
  assert.equal(reader("85808080808080808000").u64(), 5);
  assert.equal(reader("85808080808080808000").bigU64(), 5n);
  assert.equal(reader("ffffffffffffff8000").bigU64(), 2n ** 49n - 1n);
  assert.throws(() => reader("8080808080808080808000").u64(), DecodeError);
  assert.throws(() => reader("ffffffffffffffffff02").bigU64(), DecodeError);
  assert.throws(() => reader("ffffffffffffffffff81").bigU64(), DecodeError);
});

Deno.test("postcard varints: truncated at any byte", () => {
  for (const [, hex] of TABLE) {
    for (let end = 0; end < hex.length; end += 2) {
      assert.throws(() => reader(hex.slice(0, end)).bigU64(), DecodeError);
    }
  }
});

Deno.test("postcard: bytes, strings and fixed arrays round trip in any order", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), fc.uint8Array(), fc.nat(255), (text, bytes, byte) => {
    const written = new PostcardWriter(1).string(text).u8(byte).bytes(bytes).fixed(bytes).finish();
    const r = new PostcardReader(written, "test");
    assert.equal(r.string(), text);
    assert.equal(r.u8(), byte);
    assert.deepEqual(r.bytes(), bytes);
    assert.deepEqual(r.fixed(bytes.length), bytes);
    assert.equal(r.remaining, 0);
    assert.throws(() => r.u8(), DecodeError);
  }));
});

Deno.test("postcard: a length beyond the input allocates nothing and is refused", () => {
  assert.throws(() => reader("ffffffffffffff0f").bytes(), DecodeError);
  assert.throws(() => reader("ffffffffffffffffff01").bytes(), DecodeError);
  assert.throws(() => reader("0401").string(), DecodeError);
  assert.throws(() => reader("").fixed(1), DecodeError);
});

Deno.test("postcard: a string that is not UTF-8 is refused", () => {
  assert.throws(() => reader("01ff").string(), DecodeError);
  assert.throws(() => reader("03eda080").string(), DecodeError);
});
