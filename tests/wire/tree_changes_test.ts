import assert from "node:assert/strict";
import fc from "fast-check";
import { DecodeError, LimitExceededError, UnsupportedVersionError } from "../../src/errors.ts";
import { fromHex, toHex } from "../../src/wire/bytes.ts";
import { decodeTreeChanges, encodeTreeChanges } from "../../src/wire/tree_changes.ts";
import { entries } from "../support/wire_models.ts";

const paths = fc.string({ unit: "grapheme", maxLength: 20 });
const EXAMPLE = { removed: ["a", "b/c"], entries: [{ kind: "dir", path: "d", mode: 0o40755 }] as const };

Deno.test("tree changes: round trip", () => {
  const changes = fc.record(
    { removed: fc.array(paths), entries: fc.array(entries, { maxLength: 8 }) },
    { noNullPrototype: true },
  );
  fc.assert(fc.property(changes, (value) => {
    assert.deepEqual(decodeTreeChanges(encodeTreeChanges(value)), value);
  }));
});

Deno.test("tree changes: their bytes", () => {
  assert.equal(toHex(encodeTreeChanges(EXAMPLE)), "0102" + "0161" + "03622f63" + "0101" + "016401ed8301");
  assert.equal(toHex(encodeTreeChanges({ removed: [], entries: [] })), "01000100");
});

Deno.test("tree changes: truncation at any byte is refused, bytes after them are not", () => {
  const bytes = encodeTreeChanges(EXAMPLE);
  for (let end = 0; end < bytes.length; end++) {
    assert.throws(() => decodeTreeChanges(bytes.subarray(0, end)), DecodeError);
  }
  assert.deepEqual(decodeTreeChanges(new Uint8Array([...bytes, 7])), EXAMPLE);
});

Deno.test("tree changes: other versions and impossible numbers are refused", () => {
  for (const text of ["0000", "02000100", "01000200"]) {
    assert.throws(() => decodeTreeChanges(fromHex(text)!), UnsupportedVersionError);
  }
  for (const text of ["01ffffffff0f", "0101ff", "01000105", "010102c328"]) {
    assert.throws(() => decodeTreeChanges(fromHex(text)!), DecodeError);
  }
  assert.throws(() => decodeTreeChanges(fromHex("010001ffffff7f")!), LimitExceededError);
});
