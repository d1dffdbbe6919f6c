import assert from "node:assert/strict";
import fc from "fast-check";
import { loadBlake3 } from "../../src/crypto/blake3.ts";
import {
  DecodeError,
  InvalidArgumentError,
  LimitExceededError,
  UnsupportedVersionError,
} from "../../src/errors.ts";
import { blobUri, decodeBlobRef, encodeBlobRef, smallRef } from "../../src/wire/blob_ref.ts";
import { concatBytes, fromHex, toHex } from "../../src/wire/bytes.ts";
import { decodeDirManifest, type DirEntry, encodeDirManifest } from "../../src/wire/dir_manifest.ts";
import { entries } from "../support/wire_models.ts";
import content from "../vectors/content.json" with { type: "json" };
import spec from "./spec_vectors.json" with { type: "json" };

function hex(text: string): Uint8Array {
  return fromHex(text)!;
}

Deno.test("directory manifest: round trip", () => {
  fc.assert(fc.property(fc.array(entries), (list) => {
    assert.deepEqual(decodeDirManifest(encodeDirManifest(list)), { version: 1, entries: list });
  }));
});

for (const vector of content.vectors) {
  if (vector.kind !== "tree" || vector.manifest === undefined) continue;
  Deno.test(`directory manifest: the seed system's manifest of "${vector.name}"`, async () => {
    const bytes = hex(vector.manifest);
    const blake3 = await loadBlake3();
    assert.equal(bytes.length, vector.manifest_len);
    assert.equal(toHex(blake3.hash(bytes)), vector.manifest_blake3);
    const manifest = decodeDirManifest(bytes);
    assert.equal(manifest.entries.length, vector.entries);
    const files = manifest.entries.filter((entry) => entry.kind === "file");
    assert.equal(files.length, vector.files);
    for (const file of files) {
      assert.deepEqual(encodeBlobRef(decodeBlobRef(file.blob)!), file.blob);
    }
    assert.equal(toHex(encodeDirManifest(manifest.entries)), vector.manifest);
    const hash = blake3.hash(bytes);
    assert.equal(toHex(encodeBlobRef(smallRef(blobUri(hash), hash, bytes.length))), vector.ref);
  });
}

Deno.test("directory manifest: every reference in the vectors reads and encodes back", () => {
  for (const vector of content.vectors) {
    assert.equal(toHex(encodeBlobRef(decodeBlobRef(hex(vector.ref!))!)), vector.ref);
  }
});

Deno.test("directory manifest: the worked trees of the description", async () => {
  const blake3 = await loadBlake3();
  const refOf = (bytes: Uint8Array) => {
    const hash = blake3.hash(bytes);
    return encodeBlobRef(smallRef(blobUri(hash), hash, bytes.length));
  };
  const tree = (dir: number, file: number): DirEntry[] => [
    { kind: "dir", path: "a", mode: dir },
    { kind: "file", path: "a/hello.txt", mode: file, blob: refOf(new TextEncoder().encode("hello\n")) },
    { kind: "file", path: "empty", mode: file, blob: refOf(new Uint8Array(0)) },
    { kind: "symlink", path: "link", target: "a/hello.txt" },
  ];
  const expected: [DirEntry[], string, string][] = [
    [[], spec.dir_empty, spec.dir_empty_ref],
    [tree(0o40755, 0o100644), spec.dir_worked_unix, spec.dir_worked_unix_ref],
    [tree(0, 0), spec.dir_worked_modes_zero, spec.dir_worked_modes_zero_ref],
  ];
  for (const [list, bytes, ref] of expected) {
    assert.equal(toHex(encodeDirManifest(list)), bytes);
    assert.deepEqual(decodeDirManifest(hex(bytes)).entries, list);
    assert.equal(toHex(refOf(hex(bytes))), ref);
  }
});

Deno.test("directory manifest: an unknown version is told apart from damage", () => {
  for (const version of [0, 2, 255]) {
    assert.throws(() => decodeDirManifest(new Uint8Array([version])), {
      name: "UnsupportedVersionError",
      version,
    });
  }
  assert.throws(() => decodeDirManifest(new Uint8Array(0)), DecodeError);
  assert.ok(!(new UnsupportedVersionError("x", 1) instanceof DecodeError));
});

Deno.test("directory manifest: truncation at any byte is refused", () => {
  const bytes = hex(spec.dir_worked_unix);
  for (let end = 0; end < bytes.length; end++) {
    assert.throws(() => decodeDirManifest(bytes.subarray(0, end)), DecodeError);
  }
});

Deno.test("directory manifest: bytes after the last entry are ignored", () => {
  const bytes = concatBytes([hex(spec.dir_worked_unix), new Uint8Array([1, 2, 3])]);
  assert.equal(toHex(encodeDirManifest(decodeDirManifest(bytes).entries)), spec.dir_worked_unix);
});

Deno.test("directory manifest: unknown kind, wide mode and text that is not UTF-8 are refused", () => {
  const entries = {
    "unknown kind": "01610300",
    "mode above 32 bits": "016101ffffffff10",
    "mode longer than 5 bytes": "016101ffffffff8000",
    "path not UTF-8": "01ff0100",
    "target not UTF-8": "01610201ff",
    "reference longer than the input": "016100000548",
  };
  for (const [name, entry] of Object.entries(entries)) {
    assert.throws(() => decodeDirManifest(hex(`0101${entry}`)), DecodeError, name);
  }
});

Deno.test("directory manifest: the entry limit holds before anything is read", () => {
  const three = encodeDirManifest(["a", "b", "c"].map((path) => ({ kind: "dir", path, mode: 0 })));
  assert.equal(decodeDirManifest(three, { maxEntries: 3 }).entries.length, 3);
  assert.throws(() => decodeDirManifest(three, { maxEntries: 2 }), {
    name: "LimitExceededError",
    limit: "maxEntries",
    actual: 3,
    maximum: 2,
  });
  assert.throws(() => decodeDirManifest(hex("01ffffffffffff0f")), LimitExceededError);
  // A declared count inside the limit but beyond the input ends with the input.
  assert.throws(() => decodeDirManifest(hex("01bf843d")), DecodeError);
});

Deno.test("directory manifest: a mode that is no u32 is not written", () => {
  for (const mode of [-1, 2 ** 32, 0.5, NaN]) {
    assert.throws(() => encodeDirManifest([{ kind: "dir", path: "a", mode }]), InvalidArgumentError);
  }
});
