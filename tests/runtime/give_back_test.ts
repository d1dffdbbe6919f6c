import assert from "node:assert/strict";
import { giveBack } from "../../src/runtime/give_back.ts";

Deno.test("give back: an array that is all of its memory loses it where the runtime can do that, others stay", () => {
  const canDetach = "transfer" in ArrayBuffer.prototype;
  const whole = new Uint8Array(61_440).fill(7);
  giveBack(whole);
  assert.equal(whole.length, canDetach ? 0 : 61_440);
  // Views of something larger, and what may lie in a pool of the runtime.
  const larger = new Uint8Array(61_441).fill(7);
  giveBack(larger.subarray(1));
  assert.equal(larger[61_440], 7);
  const small = new Uint8Array(100).fill(7);
  giveBack(small);
  assert.equal(small[99], 7);
});
