import assert from "node:assert/strict";
import fc from "fast-check";
import { RecordTable } from "../../src/directory/record_table.ts";
import type { WalkRecord } from "../../src/directory/walk.ts";

const numbers = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const records: fc.Arbitrary<WalkRecord> = fc.record({
  path: fc.string({ minLength: 1 }),
  kind: fc.constantFrom("file", "dir", "symlink"),
  mode: fc.integer({ min: 0, max: 0xffff_ffff }),
  ...{ size: numbers, mtimeMs: fc.double({ noNaN: true }), ctimeMs: fc.double({ noNaN: true }) },
  ...{ ino: numbers, dev: numbers },
  target: fc.string(),
}, { noNullPrototype: true }).map((record) => record.kind === "symlink" ? record : { ...record, target: "" });

/** What counts of an entry besides the content. */
function shapeOf({ kind, mode, size, target }: WalkRecord): unknown {
  return kind === "symlink" ? [kind, target] : kind === "dir" ? [kind, mode] : [kind, mode, size];
}

Deno.test("record table: gives what was added, whatever was expected", { permissions: "none" }, () => {
  fc.assert(fc.property(fc.array(records), fc.nat(20), (list, capacity) => {
    const table = RecordTable.empty(capacity);
    for (const record of list) table.add(record.path, record.kind, record.mode, record, record.target);
    assert.deepEqual(table.records, list);
    assert.equal(table.length, list.length);
    assert.deepEqual(table.paths.map((_, entry) => table.isFile(entry)), list.map((r) => r.kind === "file"));
    assert.deepEqual(table.paths.map((_, entry) => table.sizeOf(entry)), list.map(({ size }) => size));
  }));
});

Deno.test(
  "record table: shapes are equal where kinds, modes, sizes and targets are",
  { permissions: "none" },
  () => {
    const few = fc.record({
      kind: fc.constantFrom("file", "dir", "symlink"),
      mode: fc.nat(1),
      size: fc.nat(1),
      target: fc.constantFrom("a", "b"),
    });
    fc.assert(fc.property(records, few, few, (record, a, b) => {
      const pair = [{ ...record, ...a }, { ...record, ...b, mtimeMs: 0, ino: 0 }];
      const [one, other] = pair.map((record) => RecordTable.of([record]));
      const isSame = JSON.stringify(shapeOf(pair[0])) === JSON.stringify(shapeOf(pair[1]));
      assert.equal(one.hasShapeOf(0, other, 0), isSame);
    }));
  },
);
