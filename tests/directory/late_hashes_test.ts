import assert from "node:assert/strict";
import fc from "fast-check";
import { chunkBytes } from "../../src/blob/chunking.ts";
import { nobleBlake3 } from "../../src/crypto/blake3.ts";
import { ChunkTable } from "../../src/directory/chunk_table.ts";
import { LateHashes } from "../../src/directory/late_hashes.ts";
import { manifestKey, outlineKey } from "../../src/directory/outline_key.ts";
import { checkManifest, checkOutlinePaced, type ManifestPlan } from "../../src/directory/plan.ts";
import { runSteps } from "../../src/directory/steps.ts";
import { WorkPacer } from "../../src/directory/pacer.ts";
import { LimitExceededError, ManifestError } from "../../src/errors.ts";
import { CHUNK_SIZE, encodeBlobRef } from "../../src/wire/blob_ref.ts";
import { concatBytes, toHex } from "../../src/wire/bytes.ts";
import { type DirEntry, encodeDirManifest } from "../../src/wire/dir_manifest.ts";
import type { OutlineEntry } from "../../src/wire/dir_outline.ts";
import { pattern } from "../support/tree.ts";
import { outlineAndHashes } from "./scripted_offer.ts";

const blake3 = nobleBlake3();
const hashOf = (n: number): Uint8Array => blake3.hash(Uint8Array.of(n));
const LARGE = pattern(CHUNK_SIZE + 5, 1);
const largeRef = encodeBlobRef(chunkBytes(LARGE, blake3).ref);

const planOf = (outline: OutlineEntry[]): Promise<ManifestPlan> =>
  checkOutlinePaced(outline, { platform: "posix" }, new WorkPacer(undefined));

/** A manifest with files of these contents; `null` stands for one of two chunks. */
function manifestOf(contents: readonly (string | null)[]): DirEntry[] {
  const entries: DirEntry[] = [{ kind: "dir", path: "a", mode: 0o40755 }];
  for (const [i, content] of contents.entries()) {
    const blob = content === null
      ? largeRef
      : encodeBlobRef(chunkBytes(new TextEncoder().encode(content), blake3).ref);
    entries.push({ kind: "file", path: `f${String(i).padStart(3, "0")}`, mode: 0o100644, blob });
  }
  entries.push({ kind: "symlink", path: "z", target: "a" });
  return entries;
}

Deno.test("chunk table: hashes that come later make the same chains", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 3000 }), (numbers) => {
      const [now, later] = [new ChunkTable(), new ChunkTable()];
      for (const [i, n] of numbers.entries()) {
        assert.equal(now.add(hashOf(n), n + 1, i, 0), i);
        assert.equal(later.addUnknown(n + 1, i, 0), i);
        assert.equal(later.isKnown(i), false);
      }
      for (const [i, n] of numbers.entries()) {
        assert.equal(later.find(hashOf(n)), numbers.slice(0, i).includes(n) ? numbers.indexOf(n) : undefined);
        assert.equal(later.setHash(i, hashOf(n)), true);
        assert.equal(later.isKnown(i), true);
      }
      assert.equal(later.distinct, now.distinct);
      for (let i = 0; i < numbers.length; i++) {
        assert.equal(later.isHead(i), now.isHead(i));
        assert.equal(later.nextOf(i), now.nextOf(i));
        assert.deepEqual(later.hashOf(i), now.hashOf(i));
        assert.equal(later.sizeOf(i), numbers[i] + 1);
      }
    }),
    { numRuns: 30 },
  );
});

Deno.test("chunk table: a hash of another size is not taken", () => {
  const table = new ChunkTable();
  table.add(hashOf(1), 10, 0, 0);
  assert.equal(table.add(hashOf(1), 11, 1, 0), undefined);
  assert.equal(table.count, 1);
  table.addUnknown(11, 1, 0);
  assert.equal(table.setHash(1, hashOf(1)), false);
  assert.equal(table.isKnown(1), false);
  assert.equal(table.setHash(1, hashOf(2)), true);
  assert.deepEqual([table.isHead(1), table.nextOf(0), table.nextOf(1)], [true, undefined, undefined]);
});

Deno.test("chunk table: hashes that begin or end alike are found as fast as others", () => {
  const COUNT = 20_000;
  for (const offset of [0, 14, 28]) {
    const table = new ChunkTable();
    const hash = new Uint8Array(32);
    const number = new DataView(hash.buffer);
    let compared = 0;
    const hashOfSlot = table.hashOf.bind(table);
    // Each look at another hash is a slot that was taken.
    table.hashOf = (index) => {
      compared++;
      return hashOfSlot(index);
    };
    for (let i = 0; i < COUNT; i++) {
      number.setUint32(offset, i);
      table.add(hash, 1, i, 0);
    }
    assert.equal(table.distinct, COUNT);
    assert(compared < 10 * COUNT, `${compared} looks with numbers at ${offset}`);
  }
});

Deno.test("late hashes: any manifest comes back from its outline and its hashes, however they are cut", async () => {
  const content = fc.constantFrom("", "x", "y", "same", null);
  await fc.assert(
    fc.asyncProperty(fc.array(content, { maxLength: 12 }), fc.nat(6), async (contents, step) => {
      const entries = manifestOf(contents);
      const { outline, hashes } = outlineAndHashes(entries);
      const plan = await planOf(outline);
      const late = new LateHashes(outline, plan);
      for (let at = 0; at < hashes.length; at += step + 1) {
        assert.equal(late.isComplete, false);
        late.accept(concatBytes(hashes.slice(at, at + step + 1)));
        for (let chunk = 0; chunk < plan.chunks.count; chunk++) {
          assert.equal(plan.chunks.isKnown(chunk), chunk < late.known);
        }
      }
      assert.equal(late.isComplete, true);
      assert.equal(late.known, plan.chunks.count);
      assert.deepEqual(runSteps(late.manifest()), encodeDirManifest(entries));
      const wanted = checkManifest(entries, { platform: "posix" });
      assert.deepEqual(plan.files, wanted.files);
      for (let chunk = 0; chunk < plan.chunks.count; chunk++) {
        assert.deepEqual(plan.chunks.hashOf(chunk), wanted.chunks.hashOf(chunk));
      }
      assert.throws(() => late.accept(hashOf(1)), ManifestError);
    }),
    { numRuns: 100 },
  );
});

Deno.test("late hashes: what is missing comes from the manifest", async () => {
  const entries = manifestOf(["x", null, "", "y", "x"]);
  const { outline, hashes } = outlineAndHashes(entries);
  for (let known = 0; known <= hashes.length; known++) {
    const plan = await planOf(outline);
    const late = new LateHashes(outline, plan);
    late.accept(concatBytes(hashes.slice(0, known)));
    runSteps(late.acceptManifest(entries));
    assert.equal(late.isComplete, true);
    const wanted = checkManifest(entries, { platform: "posix" }).chunks;
    for (let chunk = 0; chunk < wanted.count; chunk++) {
      assert.deepEqual(plan.chunks.hashOf(chunk), wanted.hashOf(chunk));
    }
  }
  const late = new LateHashes(outline, await planOf(outline));
  late.accept(hashOf(9));
  assert.throws(() => runSteps(late.acceptManifest(entries)), /those that came before/);
});

Deno.test("outline key: the same from an outline and from a manifest, another when anything else is", () => {
  const entries = manifestOf(["x", null, "", "y"]);
  const { outline } = outlineAndHashes(entries);
  const key = (entries: DirEntry[]) =>
    manifestKey(blake3, entries, checkManifest(entries, { platform: "posix" }).files);
  assert.equal(key(entries), outlineKey(blake3, outline));
  assert.match(key(entries), /^[0-9a-f]{64}$/);
  const others = [
    manifestOf(["x", null, "", "yy"]),
    manifestOf(["x", null, ""]),
    entries.map((entry) => entry.kind === "symlink" ? { ...entry, target: "b" } : entry),
    entries.map((entry) => entry.kind === "dir" ? { ...entry, mode: 0o40700 } : entry),
  ];
  assert.equal(new Set([key(entries), ...others.map(key)]).size, 5);
  // Of another content of the same size it is the same: that is found out chunk by chunk.
  assert.equal(key(manifestOf(["z", null, "", "y"])), key(entries));
  assert.equal(key(entries).length, toHex(hashOf(1)).length);
});

Deno.test("outline plan: a file above the limit of a blob", async () => {
  const outline: OutlineEntry[] = [{ kind: "file", path: "a", mode: 0, size: 2 ** 34 + 1 }];
  await assert.rejects(planOf(outline), LimitExceededError);
});
