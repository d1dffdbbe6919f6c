import assert from "node:assert/strict";
import fc from "fast-check";
import { RecentBytes } from "../../src/blob/recent_bytes.ts";

const SIZE = 100;

Deno.test("recent bytes: what is given is what was added; what nobody asked for is never overwritten", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("add" as const), value: fc.integer({ min: 0, max: 40 }) }),
    fc.record({ kind: fc.constant("ask" as const), value: fc.nat(100) }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
    const recent = new RecentBytes(SIZE);
    const added: { place: number; bytes: Uint8Array }[] = [];
    /** How many of them were asked for, or come before one that was. */
    let asked = 0;
    for (const [i, { kind, value }] of steps.entries()) {
      if (kind === "add") {
        const bytes = new Uint8Array(value).fill(i + 1);
        const place = recent.add(bytes);
        if (place !== undefined) added.push({ place, bytes });
        else assert.ok(added.length > asked, "there is room when all was asked for");
        continue;
      }
      if (added.length === 0) continue;
      const which = value % added.length;
      const { place, bytes } = added[which];
      const found = recent.get(place, bytes.length);
      if (found !== undefined) assert.deepEqual(found, bytes);
      else assert.ok(which < asked, "gone, and was not asked for");
      asked = Math.max(asked, which + 1);
    }
  }));
});

Deno.test("recent bytes: who asks as fast as they come finds all", () => {
  const recent = new RecentBytes(SIZE);
  for (let i = 0; i < 1000; i++) {
    const bytes = new Uint8Array(i % 50).fill(i);
    const place = recent.add(bytes)!;
    assert.deepEqual(recent.get(place, bytes.length), bytes);
  }
});
