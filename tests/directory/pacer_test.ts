import assert from "node:assert/strict";
import { WorkPacer } from "../../src/directory/pacer.ts";

Deno.test(
  "pacer: slices are shorter while others wait for what the thread sends",
  { permissions: {} },
  () => {
    const { now } = performance;
    let time = 0;
    performance.now = () => time;
    try {
      let isWaitedFor = false;
      const pacer = new WorkPacer(undefined, () => isWaitedFor);
      time = 4;
      assert.equal(pacer.due, false);
      isWaitedFor = true;
      assert.equal(pacer.due, true);
      isWaitedFor = false;
      assert.equal(pacer.due, false);
      time = 8;
      assert.equal(pacer.due, true);
    } finally {
      performance.now = now;
    }
  },
);
