import assert from "node:assert/strict";
import fc from "fast-check";
import {
  DecodeError,
  InvalidArgumentError,
  LimitExceededError,
  UnsupportedVersionError,
} from "../../src/errors.ts";
import { fromHex, toHex } from "../../src/wire/bytes.ts";
import { decodeDirOutline, encodeDirOutline, type OutlineEntry } from "../../src/wire/dir_outline.ts";
import { outlineEntries } from "../support/wire_models.ts";

const TREE: readonly OutlineEntry[] = [
  { kind: "dir", path: "a", mode: 0o40755 },
  { kind: "file", path: "a/hello.txt", mode: 0o100644, size: 300 },
  { kind: "symlink", path: "link", target: "a" },
];
const BYTES = "0103" + "0161" + "01" + "ed8301" + "0b612f68656c6c6f2e747874" + "00" + "a48302" + "ac02" +
  "046c696e6b" + "02" + "0161";

Deno.test("directory outline: round trip", () => {
  fc.assert(fc.property(fc.array(outlineEntries), (list) => {
    assert.deepEqual(decodeDirOutline(encodeDirOutline(list)), list);
  }));
});

Deno.test("directory outline: its bytes", () => {
  assert.equal(toHex(encodeDirOutline([])), "0100");
  assert.equal(toHex(encodeDirOutline(TREE)), BYTES);
  assert.deepEqual(decodeDirOutline(fromHex(BYTES)!), TREE);
});

Deno.test("directory outline: truncation at any byte is refused, bytes after the last entry are not", () => {
  const bytes = fromHex(BYTES)!;
  for (let end = 0; end < bytes.length; end++) {
    assert.throws(() => decodeDirOutline(bytes.subarray(0, end)), DecodeError);
  }
  assert.deepEqual(decodeDirOutline(new Uint8Array([...bytes, 7])), TREE);
});

Deno.test("directory outline: unknown versions and kinds, too many entries, numbers out of range", () => {
  for (const version of ["00", "02", "ff"]) {
    assert.throws(() => decodeDirOutline(fromHex(version + "00")!), UnsupportedVersionError);
  }
  assert.throws(() => decodeDirOutline(fromHex("0101016103")!), DecodeError);
  assert.throws(() => decodeDirOutline(encodeDirOutline(TREE), { maxEntries: 2 }), LimitExceededError);
  assert.throws(() => decodeDirOutline(fromHex("01ffffffff0f")!), LimitExceededError);
  for (const number of [-1, 0.5, 2 ** 53]) {
    for (const entry of [{ mode: number, size: 1 }, { mode: 1, size: number }]) {
      assert.throws(
        () => encodeDirOutline([{ kind: "file", path: "a", ...entry }]),
        InvalidArgumentError,
      );
    }
  }
  assert.throws(() => encodeDirOutline([{ kind: "dir", path: "a", mode: 2 ** 32 }]), InvalidArgumentError);
});
