import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Blake3,
  type Blake3Pieces,
  loadBlake3,
  nobleBlake3,
  portableBlake3,
} from "../../src/crypto/blake3.ts";
import { AcceleratedBlake3, loadNativeBlake3, type NativeBlake3 } from "../../src/crypto/blake3_native.ts";
import { fromHex, toHex } from "../../src/wire/bytes.ts";
import vectors from "../vectors/blake3.json" with { type: "json" };

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i % 251);
}

/** The native driver from the first byte on. */
function nativeBlake3(): Blake3 {
  const blake3 = new AcceleratedBlake3(portableBlake3(), loadNativeBlake3, 1);
  blake3.hash(new Uint8Array(65536));
  return blake3;
}

const DRIVERS: [string, () => Blake3][] = [
  ["native", nativeBlake3],
  ["wasm", portableBlake3],
  ["noble", nobleBlake3],
];

/** Whether the optional package is not installed, or not for this machine. */
const isWithoutNative = loadNativeBlake3(portableBlake3()) === undefined;

for (const [name, load] of DRIVERS) {
  const ignore = name === "native" && isWithoutNative;
  Deno.test(`blake3 ${name}: official vectors, at once and in pieces`, { ignore }, async () => {
    const blake3 = load();
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

  Deno.test(
    `blake3 ${name}: results are arrays of their own, input may change after update`,
    { ignore },
    async () => {
      const blake3 = load();
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
    },
  );

  Deno.test(`blake3 ${name}: hashers and one-shot hashes do not disturb each other`, { ignore }, async () => {
    const blake3 = load();
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

  Deno.test(`blake3 ${name}: a view into a larger buffer hashes as the view`, { ignore }, () => {
    const blake3 = load();
    const view = pattern(100).subarray(10, 60);
    assert.deepEqual(blake3.hash(view), blake3.hash(view.slice()));
  });
}

Deno.test("blake3: all drivers agree on any pieces of any input", async () => {
  const [wasm, native, noble] = [portableBlake3(), nativeBlake3(), nobleBlake3()];
  const hashers = [await wasm.createHasher(), await native.createHasher()];
  const pieces = fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 8 });
  fc.assert(fc.property(pieces, (parts) => {
    const whole = new Uint8Array(parts.flatMap((part) => Array.from(part)));
    const expected = noble.hash(whole);
    for (const hasher of hashers) {
      hasher.reset();
      for (const part of parts) hasher.update(part);
      assert.deepEqual(hasher.digest(), expected);
    }
    assert.deepEqual(wasm.hash(whole), expected);
  }));
});

Deno.test("blake3: all drivers agree around the ends of blocks, chunks, groups and segments", async () => {
  const [wasm, native, noble] = [portableBlake3(), nativeBlake3(), nobleBlake3()];
  const hashers = [await wasm.createHasher(), await native.createHasher()];
  const input = pattern(5 * 65536);
  const ends = [64, 1024, 2048, 3072, 4096, 5120, 7168, 65536, 66560, 131072, 196608, 200704, 262144];
  for (
    const length of ends.flatMap((end) => [end - 65, end - 1, end, end + 1, end + 63]).filter((n) => n >= 0)
  ) {
    const bytes = input.subarray(0, length);
    const expected = noble.hash(bytes);
    for (const driver of [wasm, native]) assert.deepEqual(driver.hash(bytes), expected, `${length} bytes`);
    for (const size of [9001, 30_001]) {
      for (const hasher of hashers) {
        hasher.reset();
        for (let at = 0; at < length; at += size) {
          hasher.update(bytes.subarray(at, Math.min(length, at + size)));
        }
        assert.deepEqual(hasher.digest(), expected, `${length} bytes in pieces of ${size}`);
      }
    }
  }
});

Deno.test("blake3: pieces of an input, hashed apart and joined, make its hash", () => {
  const noble = nobleBlake3();
  const input = pattern(7 * 131_072 + 5);
  for (const size of [1024, 4096, 65536, 131_072]) {
    for (const length of [size + 1, 2 * size, 3 * size - 1, 5 * size + 1030, 7 * size + 5]) {
      const whole = noble.hash(input.subarray(0, length));
      for (const driver of [portableBlake3(), nativeBlake3()]) {
        const pieces: Blake3Pieces = driver.pieces!;
        const parts: Uint8Array[] = [];
        // Backwards: no piece needs another.
        for (let at = Math.floor((length - 1) / size) * size; at >= 0; at -= size) {
          const bytes = input.subarray(at, Math.min(length, at + size));
          const { hash, part } = pieces.hash(bytes, at);
          assert.deepEqual(hash, noble.hash(bytes));
          assert.deepEqual(part, pieces.part(bytes, at));
          parts.unshift(part);
        }
        assert.deepEqual(pieces.join(parts), whole, `${length} bytes in pieces of ${size}`);
      }
    }
  }
});

Deno.test("blake3: native code is loaded once long inputs were hashed, and never for short ones", {
  ignore: isWithoutNative,
}, async () => {
  let loads = 0;
  const base = portableBlake3();
  const blake3 = new AcceleratedBlake3(base, (base) => {
    loads++;
    return loadNativeBlake3(base);
  }, 100_000);
  const begun = await blake3.createHasher();
  begun.update(pattern(5));
  for (let i = 0; i < 100; i++) blake3.hash(pattern(5000));
  assert.deepEqual([loads, blake3.name], [0, base.name]);
  const long = pattern(50_000);
  const expected = base.hash(long);
  // What begins before the change ends as it began.
  for (let i = 0; i < 3; i++) assert.deepEqual(blake3.hash(long), expected);
  assert.deepEqual([loads, blake3.name], [1, "native"]);
  assert.deepEqual(begun.digest(), base.hash(pattern(5)));
  assert.deepEqual(begun.reset().update(long).digest(), expected);
});

Deno.test(
  "blake3: a driver that expects much is native before the first byte",
  { ignore: isWithoutNative },
  () => {
    const blake3 = new AcceleratedBlake3(portableBlake3(), loadNativeBlake3, 100_000);
    blake3.expect(20_000);
    assert.equal(blake3.name, "wasm");
    blake3.expect(100_000);
    assert.equal(blake3.name, "native");
  },
);

Deno.test("blake3: without native code, or with code that hashes otherwise, the portable driver does it all", () => {
  const wrong = {
    blake3: () => new Uint8Array(32),
    Blake3Hasher: class {
      update() {}
      reset() {}
      digestBuffer = () => new Uint8Array(32);
    },
  } satisfies NativeBlake3;
  for (const addon of [undefined, {}, 7, wrong]) {
    const blake3 = new AcceleratedBlake3(
      portableBlake3(),
      (base) => loadNativeBlake3(base, () => addon),
      1,
    );
    assert.deepEqual(blake3.hash(pattern(70_000)), nobleBlake3().hash(pattern(70_000)));
    assert.equal(blake3.name, portableBlake3().name);
  }
});

Deno.test({
  name: "blake3: native code is not loaded, nor asked for, without permission",
  permissions: "none",
  ignore: !("Deno" in globalThis),
  fn: () => assert.equal(loadNativeBlake3(portableBlake3()), undefined),
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
