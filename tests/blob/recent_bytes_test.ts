import assert from "node:assert/strict";
import fc from "fast-check";
import { RecentBytes } from "../../src/blob/recent_bytes.ts";

Deno.test("recent bytes: what is given is what was added, and the last half of the ring is always there", () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 80 });
  fc.assert(fc.property(sizes, (sizes) => {
    const recent = new RecentBytes(100);
    const added: { place: number; bytes: Uint8Array }[] = [];
    for (const [i, size] of sizes.entries()) {
      const bytes = new Uint8Array(size).fill(i + 1);
      added.push({ place: recent.add(bytes), bytes });
      let since = 0;
      for (const { place, bytes } of [...added].reverse()) {
        const found = recent.get(place, bytes.length);
        since += bytes.length;
        if (found !== undefined) assert.deepEqual(found, bytes);
        else assert.ok(since > 60, `gone after ${since} bytes`);
      }
    }
  }));
});
