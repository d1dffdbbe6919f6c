/** Differences between manifests: grouping, what comes along, and what no difference may do. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { applyDelta, deltaTo, groupManifest, groupsToOffer } from "../../src/blob/manifest_groups.ts";
import { packBytes } from "../../src/blob/packed_blob.ts";
import { loadBlake3 } from "../../src/crypto/blake3.ts";
import { DecodeError } from "../../src/errors.ts";
import { deflate } from "../../src/runtime/deflate.ts";
import { blobUri, encodeBlobRef, smallRef } from "../../src/wire/blob_ref.ts";
import { concatBytes } from "../../src/wire/bytes.ts";
import { decodeDirManifest, type DirEntry, encodeDirManifest } from "../../src/wire/dir_manifest.ts";
import {
  type DeltaStep,
  eachEntry,
  encodeFingerprints,
  encodeManifestDelta,
  fingerprintAt,
  MAX_FINGERPRINTS,
} from "../../src/wire/manifest_delta.ts";
import { entries } from "../support/wire_models.ts";

const blake3 = await loadBlake3();

function file(path: string, version: number): DirEntry {
  const hash = blake3.hash(new TextEncoder().encode(`${path} ${version}`));
  return { kind: "file", path, mode: 0o100644, blob: encodeBlobRef(smallRef(blobUri(hash), hash, version)) };
}

function tree(files: number, version: (index: number) => number = () => 0): DirEntry[] {
  return Array.from({ length: files }, (_, i) => file(`dir ${i >> 5}/file ${i}`, version(i)));
}

/** The difference of one manifest from another, as it goes over the wire. */
function difference(from: Uint8Array, to: Uint8Array, shift: number): Uint8Array {
  const fingerprints = encodeFingerprints(groupManifest(from, shift).prints);
  return deltaTo(to, groupManifest(to, shift), fingerprints, Infinity)!;
}

function rebuilt(from: Uint8Array, to: Uint8Array, shift: number): Uint8Array {
  return applyDelta(from, groupManifest(from, shift), difference(from, to, shift), to.length);
}

/** A tree before and after edits of any kind. */
const edits = fc.tuple(
  fc.array(entries, { maxLength: 60 }),
  fc.array(fc.tuple(fc.constantFrom("add", "remove", "change", "keep"), fc.nat(), entries)),
).map(([before, steps]) => {
  const after = [...before];
  for (const [what, where, entry] of steps) {
    const at = where % (after.length + 1);
    if (what === "keep") continue;
    after.splice(at, what === "add" ? 0 : 1, ...(what === "remove" ? [] : [entry]));
  }
  return { before: encodeDirManifest(before), after: encodeDirManifest(after) };
});

Deno.test("manifest delta: whatever was edited, the rebuilt manifest is the new one", () => {
  fc.assert(
    fc.property(edits, fc.integer({ min: 1, max: 4 }), ({ before, after }, shift) => {
      assert.deepEqual(rebuilt(before, after, shift), after);
    }),
    { numRuns: 500 },
  );
});

Deno.test("manifest delta: bytes behind the last entry come along", () => {
  const [before, after] = [encodeDirManifest(tree(50)), encodeDirManifest(tree(50, (i) => i & 1))];
  const longer = concatBytes([after, new Uint8Array([1, 2, 3])]);
  assert.deepEqual(rebuilt(before, longer, 2), longer);
  assert.deepEqual(rebuilt(longer, before, 2), before);
});

Deno.test("manifest delta: one file in a hundred costs a fraction of the manifest", () => {
  const before = encodeDirManifest(tree(5000));
  const after = encodeDirManifest(tree(5000, (i) => i % 100 === 0 ? 1 : 0));
  const groups = groupsToOffer(before)!;
  const fingerprints = encodeFingerprints(groups.prints);
  const delta = deltaTo(after, groupManifest(after, groups.shift), fingerprints, after.length / 10)!;
  assert.ok(fingerprints.length + delta.length < packBytes([after]).length / 6);
  assert.deepEqual(applyDelta(before, groups, delta, after.length), after);
  // And none at all the header only.
  assert.ok(difference(before, before, groups.shift).length < 40);
});

Deno.test("manifest delta: too much that comes along is no difference", () => {
  const [before, after] = [encodeDirManifest(tree(100)), encodeDirManifest(tree(100, () => 1))];
  const groups = groupManifest(after, 2);
  const fingerprints = encodeFingerprints(groupManifest(before, 2).prints);
  assert.equal(deltaTo(after, groups, fingerprints, after.length - 1), undefined);
  assert.notEqual(deltaTo(after, groups, fingerprints, after.length), undefined);
  const half = encodeFingerprints(groups.prints.slice(0, groups.prints.length / 2));
  assert.equal(deltaTo(after, groups, half, after.length / 3), undefined);
});

Deno.test("manifest groups: a change of one entry changes its group only", () => {
  const shift = 2;
  const before = groupManifest(encodeDirManifest(tree(2000)), shift);
  const after = groupManifest(encodeDirManifest(tree(2000, (i) => i === 777 ? 1 : 0)), shift);
  const known = new Set(before.prints);
  assert.equal(after.prints.filter((print) => !known.has(print)).length, 1);
  const mean = 2000 / before.prints.length;
  assert.ok(mean > 5 && mean < 9, `${mean} entries in a group`);
});

Deno.test("manifest groups: as many entries in each as the number of fingerprints allows", () => {
  const dirs = (count: number) =>
    encodeDirManifest(
      Array.from({ length: count }, (_, i): DirEntry => ({ kind: "dir", path: `${i}`, mode: 0 })),
    );
  assert.equal(groupsToOffer(dirs(100))!.shift, 2);
  const many = groupsToOffer(dirs(10 * MAX_FINGERPRINTS))!;
  assert.ok(many.shift > 2 && many.prints.length <= MAX_FINGERPRINTS);
  assert.equal(groupsToOffer(dirs(0)), undefined);
});

Deno.test("manifest entries: found where decoding finds them, truncation refused", () => {
  fc.assert(fc.property(fc.array(entries, { maxLength: 20 }), (list) => {
    const bytes = encodeDirManifest(list);
    const paths: string[] = [];
    let behind = 2;
    eachEntry(bytes, (start, pathStart, pathEnd, end) => {
      assert.equal(start, behind);
      paths.push(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(pathStart, pathEnd)));
      behind = end;
    });
    assert.deepEqual(paths, decodeDirManifest(bytes).entries.map(({ path }) => path));
    assert.equal(behind, bytes.length);
    for (let end = 0; end < bytes.length; end++) {
      assert.throws(() => eachEntry(bytes.subarray(0, end), () => {}), DecodeError);
    }
  }));
  const malformed = [[2, 0], [1, 1, 0, 3], [1, 0x80, 0x80, 0x80, 0x80, 0x80, 1], [
    1,
    1,
    0xff,
    0xff,
    0xff,
    0xff,
    0x7f,
  ]];
  for (const bytes of malformed) assert.throws(() => eachEntry(new Uint8Array(bytes), () => {}), DecodeError);
});

Deno.test("manifest delta: fingerprints keep their 48 bits", () => {
  fc.assert(fc.property(fc.array(fc.nat(2 ** 48 - 1)), (prints) => {
    const encoded = encodeFingerprints(prints);
    assert.deepEqual(prints.map((_, i) => fingerprintAt(encoded, i)), prints);
  }));
});

Deno.test("manifest delta: a hostile one is refused before it costs anything", () => {
  const base = encodeDirManifest(tree(100));
  const groups = groupManifest(base, 2);
  const count = groups.prints.length;
  const length = 10_000;
  const literal = packBytes([new Uint8Array(10)]);
  const delta = (steps: DeltaStep[], packed = literal) => encodeManifestDelta(steps, packed);
  const all = groups.starts[count] - groups.starts[0];
  const bomb = concatBytes([new Uint8Array([0]), deflate(new Uint8Array(100_000_000))]);
  const wrong: Uint8Array[] = [
    new Uint8Array(),
    delta([]),
    delta([{ literal: 10, first: count, count: 1 }]),
    delta([{ literal: 10, first: 0, count: count + 1 }]),
    delta([{ literal: 2 ** 53 - 1, first: 2 ** 53 - 1, count: 2 ** 53 - 1 }]),
    delta(Array.from({ length: 1000 }, () => ({ literal: 0, first: 0, count }))),
    delta([{ literal: length, first: 0, count: 0 }]),
    delta([{ literal: length, first: 0, count: 0 }], bomb),
    delta([{ literal: length, first: 0, count: 0 }], new Uint8Array(50).fill(0xa5)),
    delta([{ literal: 9, first: 0, count: 0 }, { literal: length - 9, first: 0, count: 0 }]),
  ];
  for (const bytes of wrong) assert.throws(() => applyDelta(base, groups, bytes, length), DecodeError);
  const steps = [{ literal: 10, first: 0, count }];
  assert.equal(applyDelta(base, groups, delta(steps), all + 10).length, all + 10);
  for (const other of [all + 9, all + 11]) {
    assert.throws(() => applyDelta(base, groups, delta(steps), other), DecodeError);
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
    try {
      assert.equal(applyDelta(base, groups, bytes, 30).length, 30);
    } catch (error) {
      assert.ok(error instanceof DecodeError);
    }
  }));
});

Deno.test("manifest groups: those of the format's description", () => {
  // Computed by another program from formats.md 3.4.
  const entries = Array.from({ length: 12 }, (_, i): DirEntry => (
    { kind: "dir", path: `dir ${i}`, mode: 0o40755 }
  ));
  assert.deepEqual(groupManifest(encodeDirManifest(entries), 1), {
    shift: 1,
    starts: [2, 22, 52, 72, 102, 124],
    prints: [0x32e01d28ae0, 0xd83da9367f57, 0xe40bfb6f41a2, 0xf0aeecc3a211, 0x251595da820b],
  });
});
