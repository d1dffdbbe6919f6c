import assert from "node:assert/strict";
import fc from "fast-check";
import { checkOutlineSize, packOutline, unpackOutline } from "../../src/directory/packed_outline.ts";
import { DecodeError, LimitExceededError } from "../../src/errors.ts";
import { deflate } from "../../src/runtime/deflate.ts";
import { outlineEntries } from "../support/wire_models.ts";

Deno.test("packed outline: round trip", { permissions: "none" }, () => {
  fc.assert(fc.property(fc.array(outlineEntries), (list) => {
    assert.deepEqual(unpackOutline(packOutline(list), {}), list);
  }));
});

Deno.test(
  "packed outline: another length than announced, or no deflated bytes",
  { permissions: "none" },
  () => {
    const { length, packed } = packOutline([{ kind: "dir", path: "a".repeat(1000), mode: 0 }]);
    for (const other of [0, 1, length - 1, length + 1]) {
      assert.throws(() => unpackOutline({ length: other, packed }, {}), DecodeError);
    }
    for (
      const damaged of [packed.subarray(0, packed.length - 2), new Uint8Array(), new Uint8Array(20).fill(255)]
    ) {
      assert.throws(() => unpackOutline({ length, packed: damaged }, {}), DecodeError);
    }
  },
);

Deno.test(
  "packed outline: what unpacks to more than announced is not unpacked",
  { permissions: "none" },
  () => {
    const bomb = deflate(new Uint8Array(64 * 1024 * 1024));
    assert.ok(bomb.length < 100_000);
    assert.throws(() => unpackOutline({ length: 1000, packed: bomb }, {}), DecodeError);
  },
);

Deno.test("packed outline: limits hold before and after unpacking", { permissions: "none" }, () => {
  const limits = { maxManifestBytes: 1000, maxEntries: 2 };
  checkOutlineSize(1000, 1000, limits);
  assert.throws(() => checkOutlineSize(1001, 10, limits), LimitExceededError);
  assert.throws(() => checkOutlineSize(10, 1001, limits), LimitExceededError);
  assert.throws(() => checkOutlineSize(Number.MAX_SAFE_INTEGER, 1, {}), LimitExceededError);
  const entries = ["a", "b", "c"].map((path) => ({ kind: "dir", path, mode: 0 } as const));
  assert.throws(() => unpackOutline(packOutline(entries), limits), LimitExceededError);
  assert.deepEqual(unpackOutline(packOutline(entries.slice(1)), limits), entries.slice(1));
});
