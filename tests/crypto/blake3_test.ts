import assert from "node:assert/strict";
import fc from "fast-check";
import { type Blake3, loadBlake3, nobleBlake3 } from "../../src/crypto/blake3.ts";
import { fromHex, toHex } from "../../src/wire/bytes.ts";
import vectors from "../vectors/blake3.json" with { type: "json" };

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i % 251);
}

const DRIVERS: [string, () => Promise<Blake3>][] = [
  ["wasm", loadBlake3],
  ["noble", () => Promise.resolve(nobleBlake3())],
];

for (const [name, load] of DRIVERS) {
  Deno.test(`blake3 ${name}: official vectors, at once and in pieces`, async () => {
    const blake3 = await load();
    assert.equal(blake3.name, name);
    const hasher = await blake3.createHasher();
    for (const { input_len, hash } of vectors.cases) {
      const input = pattern(input_len);
      const expected = hash.slice(0, 64);
      assert.equal(toHex(blake3.hash(input)), expected);
      hasher.reset();
      for (let at = 0; at < input.length; at += 1000) hasher.update(input.subarray(at, at + 1000));
      assert.equal(toHex(hasher.digest()), expected);
    }
  });

  Deno.test(`blake3 ${name}: results are arrays of their own, input may change after update`, async () => {
    const blake3 = await load();
    const first = blake3.hash(pattern(3));
    const kept = first.slice();
    const hasher = await blake3.createHasher();
    const input = pattern(5000);
    hasher.update(input);
    input.fill(9);
    const digest = hasher.digest();
    assert.deepEqual(digest, blake3.hash(pattern(5000)));
    const digestKept = digest.slice();
    blake3.hash(pattern(4));
    hasher.reset().update(pattern(4)).digest();
    assert.deepEqual(first, kept);
    assert.deepEqual(digest, digestKept);
    assert.equal(first.length, 32);
    assert.equal(digest.length, 32);
    assert.equal(first.buffer.byteLength, 32);
  });

  Deno.test(`blake3 ${name}: hashers and one-shot hashes do not disturb each other`, async () => {
    const blake3 = await load();
    const [a, b] = [await blake3.createHasher(), await blake3.createHasher()];
    a.update(pattern(100));
    b.update(pattern(7));
    blake3.hash(pattern(50));
    a.update(pattern(2000));
    const joined = new Uint8Array([...pattern(100), ...pattern(2000)]);
    assert.deepEqual(a.digest(), blake3.hash(joined));
    assert.deepEqual(b.digest(), blake3.hash(pattern(7)));
    assert.deepEqual(a.reset().digest(), blake3.hash(new Uint8Array(0)));
  });

  Deno.test(`blake3 ${name}: a view into a larger buffer hashes as the view`, async () => {
    const blake3 = await load();
    const view = pattern(100).subarray(10, 60);
    assert.deepEqual(blake3.hash(view), blake3.hash(view.slice()));
  });
}

Deno.test("blake3: both drivers agree on any pieces of any input", async () => {
  const [wasm, noble] = [await loadBlake3(), nobleBlake3()];
  const hasher = await wasm.createHasher();
  const pieces = fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 8 });
  fc.assert(fc.property(pieces, (parts) => {
    hasher.reset();
    for (const part of parts) hasher.update(part);
    const whole = new Uint8Array(parts.flatMap((part) => Array.from(part)));
    const expected = noble.hash(whole);
    assert.deepEqual(hasher.digest(), expected);
    assert.deepEqual(wasm.hash(whole), expected);
  }));
});

Deno.test("blake3: both drivers agree around the ends of blocks, chunks, groups and segments", async () => {
  const [wasm, noble] = [await loadBlake3(), nobleBlake3()];
  const hasher = await wasm.createHasher();
  const input = pattern(5 * 65536);
  const ends = [64, 1024, 2048, 3072, 4096, 5120, 7168, 65536, 66560, 131072, 196608, 200704, 262144];
  for (
    const length of ends.flatMap((end) => [end - 65, end - 1, end, end + 1, end + 63]).filter((n) => n >= 0)
  ) {
    const bytes = input.subarray(0, length);
    const expected = noble.hash(bytes);
    assert.deepEqual(wasm.hash(bytes), expected, `${length} bytes`);
    hasher.reset();
    for (let at = 0; at < length; at += 30_001) {
      hasher.update(bytes.subarray(at, Math.min(length, at + 30_001)));
    }
    assert.deepEqual(hasher.digest(), expected, `${length} bytes in pieces`);
  }
});

Deno.test("blake3: pieces of an input, hashed apart and joined, make its hash", async () => {
  const [{ pieces }, noble] = [await loadBlake3(), nobleBlake3()];
  assert.ok(pieces);
  const input = pattern(7 * 131_072 + 5);
  for (const size of [1024, 4096, 65536, 131_072]) {
    for (const length of [size + 1, 2 * size, 3 * size - 1, 5 * size + 1030, 7 * size + 5]) {
      const parts: Uint8Array[] = [];
      // Backwards: no piece needs another.
      for (let at = Math.floor((length - 1) / size) * size; at >= 0; at -= size) {
        const bytes = input.subarray(at, Math.min(length, at + size));
        const { hash, part } = pieces.hash(bytes, at);
        assert.deepEqual(hash, noble.hash(bytes));
        parts.unshift(part);
      }
      const whole = noble.hash(input.subarray(0, length));
      assert.deepEqual(pieces.join(parts), whole, `${length} bytes in pieces of ${size}`);
    }
  }
});

Deno.test("blake3: loaded once", () => {
  assert.equal(loadBlake3(), loadBlake3());
});

Deno.test("blake3: addresses of the format's description", async () => {
  const blake3 = await loadBlake3();
  const expected: [Uint8Array, string][] = [
    [new Uint8Array(0), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"],
    [
      new TextEncoder().encode("hello world"),
      "d74981efa70a0c880b8d8c1985d075dbcbf679b99a5f9914e5aaf96b831a9e24",
    ],
    [new Uint8Array(4_194_304), "04e52cd2da6a0e1f338b0078369130d96585c1de65057da5dd1283b12fb853e1"],
    [new Uint8Array(4_194_305), "fd62eab2af9cd2c561814fa8c53d0b26b5a898dbbe571ec57e6ec6684276e06a"],
  ];
  for (const [input, hash] of expected) assert.deepEqual(blake3.hash(input), fromHex(hash));
});
