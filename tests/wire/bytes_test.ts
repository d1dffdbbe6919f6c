import assert from "node:assert/strict";
import fc from "fast-check";
import {
  compareBytes,
  concatBytes,
  decodeUtf8,
  encodeUtf8,
  equalBytes,
  fromHex,
  toHex,
} from "../../src/wire/bytes.ts";

Deno.test("hex equals the formatted bytes and reads back, either case", () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => {
    const hex = toHex(bytes);
    assert.equal(hex, Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(""));
    assert.deepEqual(fromHex(hex), bytes);
    assert.deepEqual(fromHex(hex.toUpperCase()), bytes);
  }));
});

Deno.test("text that is not hex is no hex", () => {
  for (const text of ["0", "0g", " 00", "0x00", "00\n", "é0"]) assert.equal(fromHex(text), undefined, text);
});

Deno.test("UTF-8: keeps a byte order mark, refuses what is not UTF-8, replaces lone surrogates", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    assert.equal(decodeUtf8(encodeUtf8(text)), text);
    for (const longer of [text, text.repeat(30)]) {
      assert.deepEqual(encodeUtf8(longer), new TextEncoder().encode(longer));
    }
  }));
  assert.equal(decodeUtf8(new Uint8Array([0xef, 0xbb, 0xbf, 0x61])), "\ufeffa");
  assert.deepEqual(encodeUtf8("\ud800"), new Uint8Array([0xef, 0xbf, 0xbd]));
  for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82]]) {
    assert.throws(() => decodeUtf8(new Uint8Array(bytes)), TypeError);
  }
});

Deno.test("concatenation, equality and order agree", () => {
  fc.assert(fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
    assert.equal(toHex(concatBytes([a, b])), toHex(a) + toHex(b));
    const order = toHex(a) < toHex(b) ? -1 : toHex(a) > toHex(b) ? 1 : 0;
    assert.equal(Math.sign(compareBytes(a, b)), order);
    assert.equal(equalBytes(a, b), order === 0);
    assert.ok(equalBytes(a, a.slice()));
  }));
});
