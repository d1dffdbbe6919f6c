/** The fuzzer itself: finds what is planted, says how to see it again, and cuts it down. */

import assert from "node:assert/strict";
import { toHex } from "../../src/wire/bytes.ts";
import { Prng } from "../sim/prng.ts";
import { mutate } from "./mutate.ts";
import { Feed, fuzz, FuzzFailure, type FuzzTarget } from "./target.ts";
import { inputsOf, TARGETS } from "./targets.ts";

/** Breaks when both bytes of a pair have been seen, in this order, in one case. */
const PLANTED: FuzzTarget = {
  name: "planted",
  share: 1,
  inputsPerCase: 10,
  run(seed, feed) {
    const random = new Prng(seed);
    let armed = false;
    for (let i = 0; i < 10; i++) {
      const input = feed.next(() => random.bytes(20));
      if (input === undefined) return;
      if (armed && input.includes(0x02)) throw new RangeError("planted");
      armed ||= input.includes(0x01);
    }
  },
};

Deno.test("fuzzer: a failure tells seed, target and the smallest input, and happens again from them", () => {
  let failure: FuzzFailure | undefined;
  try {
    fuzz(PLANTED, 1_000, 77);
  } catch (error) {
    if (!(error instanceof FuzzFailure)) throw error;
    failure = error;
  }
  assert.ok(failure !== undefined, "found nothing");
  const { seed, target, inputs, message } = failure;
  assert.deepEqual(inputs.map(toHex), ["01", "02"]);
  assert.equal(target, "planted");
  assert.match(message, /RangeError: planted/);
  assert.ok(message.includes(`deno task fuzz --target planted --seed ${seed} --inputs 1\n`));
  assert.throws(() => fuzz(PLANTED, 1, seed), FuzzFailure);
  assert.throws(() => PLANTED.run(seed, new Feed(inputs)), RangeError);
});

Deno.test("fuzzer: takes as many inputs as it is told", () => {
  let count = 0;
  const counting: FuzzTarget = {
    name: "counting",
    share: 1,
    inputsPerCase: 3,
    run: (_, feed) => {
      for (let i = 0; i < 3; i++) feed.next(() => new Uint8Array()), count++;
    },
  };
  assert.equal(fuzz(counting, 31, 1), 33);
  assert.equal(count, 33);
  const all = TARGETS.reduce((sum, target) => sum + inputsOf(target, 20_000), 0);
  assert.ok(all >= 20_000 && all < 20_000 + TARGETS.length);
});

Deno.test("fuzzer: the same seed makes the same inputs, and most differ from what they were made of", () => {
  const samples = [new Uint8Array(40).fill(1), new Uint8Array(50).fill(2)];
  const made = (seed: number) => toHex(mutate(new Prng(seed), samples));
  const all = Array.from({ length: 500 }, (_, seed) => made(seed));
  assert.deepEqual(all, Array.from({ length: 500 }, (_, seed) => made(seed)));
  assert.ok(new Set(all).size > 450);
  assert.ok(all.filter((hex) => samples.some((sample) => toHex(sample) === hex)).length < 25);
});

Deno.test("fuzzer: every target runs the same from the same seed, and from its own recording", () => {
  for (const target of TARGETS) {
    const feeds = [new Feed(), new Feed()];
    for (const feed of feeds) target.run(5, feed);
    const [first, second] = feeds.map(({ given }) => given.map(toHex));
    assert.deepEqual(first, second, target.name);
    const replay = new Feed(feeds[0].given);
    target.run(5, replay);
    assert.deepEqual(replay.given.map(toHex), first, target.name);
  }
});
