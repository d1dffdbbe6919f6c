import assert from "node:assert/strict";
import fc from "fast-check";
import { DecodeError } from "../../src/errors.ts";
import { fromHex, toHex } from "../../src/wire/bytes.ts";
import { varintLength, VarintReader, writeVarint } from "../../src/wire/varint.ts";

function read(hex: string): number {
  return new VarintReader(fromHex(hex)!).varint();
}

function write(value: number): string {
  const out = new Uint8Array(8);
  return toHex(out.subarray(0, writeVarint(out, 0, value)));
}

Deno.test("varint: examples of RFC 9000 A.1", () => {
  assert.equal(read("9d7f3e7d"), 494_878_333);
  assert.equal(read("7bbd"), 15_293);
  assert.equal(read("25"), 37);
  assert.equal(read("4025"), 37);
  assert.equal(write(494_878_333), "9d7f3e7d");
  assert.equal(write(15_293), "7bbd");
  assert.equal(write(37), "25");
  // The 62-bit example, 151,288,809,941,952,652, is above 2^53.
  assert.throws(() => read("c2197c5eff14e88c"), DecodeError);
});

Deno.test("varint: bounds of the lengths", () => {
  const bounds: [number, string][] = [
    [0, "00"],
    [0x3f, "3f"],
    [0x40, "4040"],
    [0x3fff, "7fff"],
    [0x4000, "80004000"],
    [0x3fff_ffff, "bfffffff"],
    [0x4000_0000, "c000000040000000"],
    [0xffff_ffff, "c0000000ffffffff"],
    [0x1_0000_0000, "c000000100000000"],
    [Number.MAX_SAFE_INTEGER, "c01fffffffffffff"],
  ];
  for (const [value, hex] of bounds) {
    assert.equal(write(value), hex);
    assert.equal(read(hex), value);
    assert.equal(varintLength(value), hex.length / 2);
  }
  assert.throws(() => read("c020000000000000"), DecodeError);
  assert.throws(() => read("ffffffffffffffff"), DecodeError);
});

Deno.test("varint: round trip at any offset, in the shortest form", () => {
  fc.assert(fc.property(fc.maxSafeNat(), fc.nat(20), (value, at) => {
    const out = new Uint8Array(at + 8);
    const end = writeVarint(out, at, value);
    assert.equal(end - at, varintLength(value));
    const reader = new VarintReader(new Uint8Array(0)).reset(out, at, end);
    assert.equal(reader.varint(), value);
    assert.equal(reader.remaining, 0);
  }));
});

Deno.test("varint: truncated input is refused and reading never leaves the window", () => {
  for (const hex of ["", "40", "800000", "c0000000000000"]) assert.throws(() => read(hex), DecodeError);
  const reader = new VarintReader(fromHex("4025ff")!, 1);
  assert.throws(() => reader.varint(), DecodeError);
  const bytes = new VarintReader(fromHex("010203")!);
  assert.throws(() => bytes.bytes(4), DecodeError);
  assert.deepEqual(bytes.bytes(3), new Uint8Array([1, 2, 3]));
  assert.throws(() => bytes.u8(), DecodeError);
});
