import assert from "node:assert/strict";
import fc from "fast-check";
import { sha256 } from "../../src/crypto/sha256.ts";
import { sortByPath } from "../../src/directory/path_rules.ts";
import { RecordTable } from "../../src/directory/record_table.ts";
import {
  decodeTreeMemory,
  encodeTreeMemory,
  type TreeMemory,
} from "../../src/directory/tree_cache_format.ts";
import { TreeHashes } from "../../src/directory/tree_hashes.ts";
import type { WalkRecord } from "../../src/directory/walk.ts";
import { encodeBlobRef } from "../../src/wire/blob_ref.ts";
import { toHex } from "../../src/wire/bytes.ts";
import { mutate } from "../fuzz/mutate.ts";
import { Prng } from "../sim/prng.ts";
import { blobRefs } from "../support/wire_models.ts";

/** Where the checksum lies, and what it is of. */
const CHECKSUM = 8;
const CHECKED = 40;

const times = fc.double({ min: -1e12, max: 4e12, noNaN: true });
const numbers = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const names = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).filter((name) =>
  !name.includes("\0")
);
const records: fc.Arbitrary<WalkRecord> = fc.record({
  path: names,
  kind: fc.constantFrom("file", "dir", "symlink"),
  mode: fc.integer({ min: 0, max: 0xffff_ffff }),
  size: fc.integer({ min: 0, max: 20_000_000 }),
  mtimeMs: times,
  ctimeMs: times,
  ino: numbers,
  dev: numbers,
  target: names,
}, { noNullPrototype: true }).map((record) => record.kind === "symlink" ? record : { ...record, target: "" });
const addresses = blobRefs.filter((ref) => ref.kind !== "tree").map((ref) => ({
  ref: toHex(encodeBlobRef(ref)),
  manifestBytes: ref.size,
}));
const memories: fc.Arbitrary<TreeMemory & { readonly key: string }> = fc.record({
  key: fc.string(),
  table: fc.uniqueArray(records, { selector: ({ path }) => path, maxLength: 12 }).map((list) =>
    RecordTable.of(sortByPath(list))
  ),
  scanned: fc.option(addresses, { nil: undefined }),
  fetched: fc.option(addresses.map((address) => ({ ...address, options: "{}" })), { nil: undefined }),
}, { noNullPrototype: true }).chain((parts) => {
  const { length } = new TreeHashes(parts.table);
  const count = parts.table.length;
  return fc.record({
    trust: fc.uint8Array({ minLength: count, maxLength: count }),
    bytes: fc.uint8Array({ minLength: length, maxLength: length }),
  }).map(({ trust, bytes }) => ({ ...parts, trust, hashes: new TreeHashes(parts.table, bytes) }));
});

function plain({ table, hashes, trust, scanned, fetched }: TreeMemory): unknown {
  return { records: table.records, trust: [...trust], hashes: [...hashes.bytes], scanned, fetched };
}

/** Makes the checksum right. */
function sealed(file: Uint8Array): Uint8Array {
  if (file.length >= CHECKED) file.set(sha256(file.subarray(CHECKED)), CHECKSUM);
  return file;
}

Deno.test("tree memory: what is written is read again", { permissions: "none" }, () => {
  fc.assert(fc.property(memories, (memory) => {
    const file = encodeTreeMemory(memory, memory.key);
    const read = decodeTreeMemory(file, memory.key);
    assert.ok(read !== undefined);
    assert.deepEqual(plain(read), plain(memory));
  }));
});

Deno.test("tree memory: of another tree, it is not read", { permissions: "none" }, () => {
  fc.assert(fc.property(memories, fc.string(), (memory, key) => {
    fc.pre(key !== memory.key);
    assert.equal(decodeTreeMemory(encodeTreeMemory(memory, memory.key), key), undefined);
  }));
});

Deno.test(
  "tree memory: with one bit changed, or cut off anywhere, it is not read",
  { permissions: "none" },
  () => {
    fc.assert(fc.property(memories, fc.nat(), fc.nat(7), (memory, at, bit) => {
      const file = encodeTreeMemory(memory, memory.key);
      assert.equal(decodeTreeMemory(file.slice(0, at % file.length), memory.key), undefined);
      file[at % file.length] ^= 1 << bit;
      assert.equal(decodeTreeMemory(file, memory.key), undefined);
    }));
  },
);

Deno.test(
  "tree memory: any bytes with the right checksum are a tree or nothing",
  { permissions: "none" },
  () => {
    let accepted = 0;
    fc.assert(
      fc.property(memories, fc.integer(), (memory, seed) => {
        const prng = new Prng(seed);
        const file = sealed(mutate(prng, [encodeTreeMemory(memory, memory.key)]).slice());
        const read = decodeTreeMemory(file, memory.key);
        if (read === undefined) return;
        accepted++;
        assert.equal(read.trust.length, read.table.length);
        assert.equal(read.hashes.bytes.length, read.hashes.length);
        for (const [index, { kind }] of read.table.records.entries()) {
          if (kind === "file") read.hashes.of(index);
        }
        encodeTreeMemory(read, memory.key);
      }),
      { numRuns: 500 },
    );
    assert.ok(accepted > 0, "changed numbers are still numbers");
  },
);
