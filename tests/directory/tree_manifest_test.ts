/** Manifests made of records and hashes are those of the entries. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { HashedResult } from "../../src/directory/hashed_result.ts";
import { RecordTable } from "../../src/directory/record_table.ts";
import { TreeHashes } from "../../src/directory/tree_hashes.ts";
import { encodeTree } from "../../src/directory/tree_manifest.ts";
import type { WalkRecord } from "../../src/directory/walk.ts";
import { CHUNK_SIZE, smallRef } from "../../src/wire/blob_ref.ts";
import { decodeDirManifest, encodeDirManifest } from "../../src/wire/dir_manifest.ts";

const texts = fc.string({ unit: "grapheme", maxLength: 140 });
const sizes = fc.oneof(
  fc.nat(5000),
  fc.constantFrom(0, 1, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE, 2 * CHUNK_SIZE - 1),
);
const records = fc.array(
  fc.tuple(fc.constantFrom("file", "dir", "symlink"), texts, fc.nat(0xffff_ffff), sizes, texts).map(
    ([kind, path, mode, size, target]): WalkRecord => ({
      ...{ kind, path, mode, size: kind === "file" ? size : 0, target: kind === "symlink" ? target : "" },
      ...{ mtimeMs: 0, ctimeMs: 0, ino: 0, dev: 0 },
    }),
  ),
  { maxLength: 30 },
);

/** Hashes of every file, each another. */
function hashesOf(list: readonly WalkRecord[]): TreeHashes {
  const hashes = new TreeHashes(RecordTable.of(list));
  for (let i = 0; i < hashes.bytes.length; i++) hashes.bytes[i] = (i * 37 + (i >> 5) * 11) & 0xff;
  return hashes;
}

Deno.test("tree manifest: the same bytes as of its entries", () => {
  fc.assert(fc.property(records, (list) => {
    const hashes = hashesOf(list);
    const result = new HashedResult(smallRef("", new Uint8Array(32), 0), RecordTable.of(list), hashes, {
      ...{ files: 0, dirs: 0, symlinks: 0, bytes: 0, manifestBytes: 0, skipped: [] },
    });
    assert.deepEqual(result.manifest, encodeDirManifest(result.entries));
    assert.deepEqual(decodeDirManifest(result.manifest).entries, result.entries);
  }));
});

Deno.test("tree manifest: files that nothing is known of are left out", () => {
  fc.assert(fc.property(records, (list) => {
    const hashes = hashesOf(list);
    const isKnown = (i: number) => list[i].kind !== "file" || i % 3 !== 0;
    const some = decodeDirManifest(encodeTree(RecordTable.of(list), hashes, (i) =>
      isKnown(i) ? i : -1)).entries;
    const all = decodeDirManifest(encodeTree(RecordTable.of(list), hashes, (i) => i)).entries;
    assert.deepEqual(some, all.filter((_, i) => isKnown(i)));
  }));
});
