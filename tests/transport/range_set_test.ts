import assert from "node:assert/strict";
import fc from "fast-check";
import { RangeSet } from "../../src/transport/range_set.ts";

/** The ranges of a set of numbers as flat pairs. */
function rangesOf(numbers: Set<number>, from = 0, to = 64, wanted = true): number[] {
  const out: number[] = [];
  for (let n = from; n < to; n++) {
    if (numbers.has(n) !== wanted) continue;
    if (out.length > 0 && out[out.length - 1] === n) out[out.length - 1] = n + 1;
    else out.push(n, n + 1);
  }
  return out;
}

Deno.test("range set: agrees with a set of numbers", () => {
  const step = fc.tuple(fc.constantFrom("add", "add", "remove", "removeBelow"), fc.nat(63), fc.nat(63));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat(63), fc.nat(63), (steps, gapStart, gapEnd) => {
      const set = new RangeSet();
      const model = new Set<number>();
      for (const [what, a, b] of steps) {
        if (what === "removeBelow") set.removeBelow(a);
        else set[what](a, b);
        if (what === "removeBelow") { for (let n = 0; n < a; n++) model.delete(n); }
        else for (let n = a; n < b; n++) what === "add" ? model.add(n) : model.delete(n);
        const ranges = rangesOf(model);
        assert.equal(set.size, ranges.length / 2);
        assert.equal(set.start, ranges[0]);
        assert.equal(set.end, ranges[1]);
        // Disjoint and non-adjacent: what is missing tells what is there.
        assert.deepEqual(set.gaps(0, 64), rangesOf(model, 0, 64, false));
      }
      assert.deepEqual(set.gaps(gapStart, gapEnd), rangesOf(model, gapStart, gapEnd, false));
      set.clear();
      assert.equal(set.size, 0);
    }),
    { numRuns: 500 },
  );
});
