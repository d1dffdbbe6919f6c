import assert from "node:assert/strict";
import fc from "fast-check";
import { InvalidArgumentError, UnsupportedError } from "../../src/errors.ts";
import { CHUNK_SIZE, chunkRange, manifestRef, smallRef, treeRef } from "../../src/wire/blob_ref.ts";

const HASH = new Uint8Array(32);
const CHUNKS = [CHUNK_SIZE, CHUNK_SIZE, 1000].map((size, i) => ({ hash: HASH.map(() => i), size }));
const REF = manifestRef("", { kind: "replicated" }, CHUNKS);
const TOTAL = 2 * CHUNK_SIZE + 1000;

function slices(start: number, end: number): [number, number, number][] {
  return chunkRange(REF, start, end).map((slice) => [slice.index, slice.start, slice.end]);
}

Deno.test("chunk range: aligned, unaligned, spanning, partial last, empty", () => {
  assert.deepEqual(slices(CHUNK_SIZE, 2 * CHUNK_SIZE), [[1, 0, CHUNK_SIZE]]);
  assert.deepEqual(slices(10, 20), [[0, 10, 20]]);
  assert.deepEqual(slices(CHUNK_SIZE - 1, CHUNK_SIZE + 1), [[0, CHUNK_SIZE - 1, CHUNK_SIZE], [1, 0, 1]]);
  assert.deepEqual(slices(0, TOTAL), [[0, 0, CHUNK_SIZE], [1, 0, CHUNK_SIZE], [2, 0, 1000]]);
  assert.deepEqual(slices(2 * CHUNK_SIZE + 999, TOTAL), [[2, 999, 1000]]);
  for (const at of [0, 7, CHUNK_SIZE, TOTAL]) assert.deepEqual(slices(at, at), []);
});

Deno.test("chunk range: outside the blob is refused", () => {
  for (const [start, end] of [[0, TOTAL + 1], [2, 1], [-1, 1], [0.5, 1], [0, NaN], [TOTAL + 1, TOTAL + 1]]) {
    assert.throws(() => chunkRange(REF, start, end), InvalidArgumentError);
  }
});

Deno.test("chunk range: manifests only", () => {
  assert.throws(() => chunkRange(smallRef("", HASH, 10), 0, 1), InvalidArgumentError);
  assert.throws(() => chunkRange(treeRef("", { kind: "replicated" }, HASH, 10, 1), 0, 1), UnsupportedError);
});

Deno.test("chunk range: the slices put together are the range", () => {
  fc.assert(fc.property(fc.nat(TOTAL), fc.nat(TOTAL), (a, b) => {
    const [start, end] = a < b ? [a, b] : [b, a];
    let at = start;
    for (const slice of chunkRange(REF, start, end)) {
      assert.equal(slice.index * CHUNK_SIZE + slice.start, at);
      assert.equal(slice.chunk, CHUNKS[slice.index]);
      assert.ok(slice.start < slice.end && slice.end <= slice.chunk.size);
      at += slice.end - slice.start;
    }
    assert.equal(at, end);
  }));
});
