import assert from "node:assert/strict";
import fc from "fast-check";
import { BlobHasher, chunkBytes, chunkStream, referenceOf } from "../../src/blob/chunking.ts";
import { loadBlake3, nobleBlake3 } from "../../src/crypto/blake3.ts";
import { LimitExceededError, SizeMismatchError } from "../../src/errors.ts";
import { CHUNK_SIZE, decodeBlobRef, encodeBlobRef, MAX_BLOB_SIZE } from "../../src/wire/blob_ref.ts";
import { toHex } from "../../src/wire/bytes.ts";
import { streamOf } from "../support/streams.ts";
import vectors from "../vectors/content.json" with { type: "json" };

const permissions = "none";
const blake3 = await loadBlake3();
const references = vectors.vectors.filter((vector) => vector.kind === "blob_ref");

/** Content of the reference program's vectors. */
function content(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i % 251);
}

Deno.test("chunking: references are the reference program's", { permissions }, async () => {
  const hasher = await BlobHasher.create();
  assert(references.length >= 5);
  for (const vector of references) {
    const bytes = content(vector.len!);
    const ref = await referenceOf(bytes);
    assert.equal(toHex(encodeBlobRef(ref)), vector.ref, vector.name);
    assert.deepEqual(decodeBlobRef(encodeBlobRef(ref)), ref);
    const whole = chunkBytes(bytes, blake3);
    assert.deepEqual(whole.ref, ref);
    for (const size of [undefined, bytes.length]) {
      hasher.begin(size);
      for (let at = 0; at < bytes.length; at += 1_000_003) hasher.update(bytes.subarray(at, at + 1_000_003));
      assert.deepEqual(hasher.finish(), whole, vector.name);
      assert.deepEqual(await chunkStream(streamOf(bytes), { size }), whole);
    }
  }
});

Deno.test("chunking: borders of the chunk size", { permissions }, async () => {
  const bytes = content(2 * CHUNK_SIZE + 1);
  const kinds: [number, number[]][] = [
    [0, [0]],
    [1, [1]],
    [CHUNK_SIZE - 1, [CHUNK_SIZE - 1]],
    [CHUNK_SIZE, [CHUNK_SIZE]],
    [CHUNK_SIZE + 1, [CHUNK_SIZE, 1]],
    [2 * CHUNK_SIZE, [CHUNK_SIZE, CHUNK_SIZE]],
    [2 * CHUNK_SIZE + 1, [CHUNK_SIZE, CHUNK_SIZE, 1]],
  ];
  const hasher = await BlobHasher.create();
  for (const [size, sizes] of kinds) {
    const { ref, chunks } = hasher.begin(size).update(bytes.subarray(0, size)).finish();
    assert.equal(ref.kind, size <= CHUNK_SIZE ? "small" : "manifest");
    assert.equal(ref.size, size);
    assert.deepEqual(chunks.map((chunk) => chunk.size), sizes);
    assert.deepEqual(chunks.map((chunk) => chunk.offset), sizes.map((_, i) => i * CHUNK_SIZE));
    for (const { hash, offset, size } of chunks) {
      assert.deepEqual(hash, blake3.hash(bytes.subarray(offset, offset + size)));
    }
    assert.equal(ref.uri, `mesh://${toHex(blake3.hash(bytes.subarray(0, size)))}`);
  }
});

Deno.test(
  "chunking: the first and last example of the specification, by the other driver",
  { permissions },
  () => {
    const hex = (size: number) => toHex(chunkBytes(new Uint8Array(size), nobleBlake3()).chunks[0].hash);
    assert.equal(hex(1), "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213");
    assert.equal(hex(CHUNK_SIZE), "04e52cd2da6a0e1f338b0078369130d96585c1de65057da5dd1283b12fb853e1");
  },
);

Deno.test("chunking: however the bytes are cut, the result is the same", { permissions }, async () => {
  const hasher = await BlobHasher.create();
  const bytes = content(CHUNK_SIZE + 5000);
  const whole = chunkBytes(bytes, blake3);
  const cuts = fc.array(fc.nat({ max: bytes.length }), { maxLength: 6 });
  fc.assert(
    fc.property(cuts, fc.boolean(), (cuts, isSizeKnown) => {
      hasher.begin(isSizeKnown ? bytes.length : undefined);
      let at = 0;
      for (const cut of [...cuts.sort((a, b) => a - b), bytes.length]) {
        hasher.update(bytes.subarray(at, cut));
        at = cut;
      }
      assert.deepEqual(hasher.finish(), whole);
    }),
    { numRuns: 20 },
  );
});

Deno.test(
  "chunking: other than the declared size is refused, and the hasher goes on",
  { permissions },
  async () => {
    const hasher = await BlobHasher.create();
    hasher.begin(10).update(content(4));
    assert.throws(() => hasher.finish(), (error) => {
      assert(error instanceof SizeMismatchError);
      assert.deepEqual([error.expected, error.actual], [10, 4]);
      return true;
    });
    assert.throws(() => hasher.begin(3).update(content(4)), SizeMismatchError);
    assert.throws(() => hasher.begin(MAX_BLOB_SIZE + 1), LimitExceededError);
    assert.throws(() => hasher.begin(-1), { name: "InvalidArgumentError" });
    assert.throws(() => hasher.begin(1.5), { name: "InvalidArgumentError" });
    assert.deepEqual(hasher.begin(4).update(content(4)).finish(), chunkBytes(content(4), blake3));
  },
);

Deno.test("chunking: above 16 GiB is refused before it is hashed", { permissions }, async () => {
  const huge = Object.defineProperty(new Uint8Array(0), "length", { value: MAX_BLOB_SIZE + 1 });
  assert.throws(() => chunkBytes(huge, blake3), LimitExceededError);
  const hasher = await BlobHasher.create();
  assert.throws(() => hasher.update(huge), LimitExceededError);
});

Deno.test("chunking: an aborted signal ends the stream", { permissions }, async () => {
  const reason = new Error("enough");
  let isCancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(10)),
    cancel: () => void (isCancelled = true),
  });
  const stop = { signal: AbortSignal.abort(reason) };
  await assert.rejects(chunkStream(endless, stop), (error) => error === reason);
  assert(isCancelled);
});
