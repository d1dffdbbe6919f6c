import assert from "node:assert/strict";
import { WorkPacer } from "../../src/directory/pacer.ts";

/** Runs `work` on a clock that stands still but for what it sets. */
async function withClock(work: (set: (ms: number) => void) => void | Promise<void>): Promise<void> {
  const { now } = performance;
  let time = 0;
  performance.now = () => time;
  try {
    await work((ms) => time = ms);
  } finally {
    performance.now = now;
  }
}

Deno.test("pacer: slices are shorter while somebody takes what is done", { permissions: {} }, async () => {
  await withClock((set) => {
    let isFollowed = false;
    let unread: number | undefined = undefined;
    const pacer = new WorkPacer(undefined, { isFollowed: () => isFollowed, unread: () => unread });
    set(4);
    assert.equal(pacer.due, false);
    isFollowed = true;
    assert.equal(pacer.due, false);
    unread = 0;
    assert.equal(pacer.due, true);
    isFollowed = false;
    assert.equal(pacer.due, false);
    set(8);
    assert.equal(pacer.due, true);
  });
});

Deno.test(
  "pacer: work that is far ahead waits until enough of it was taken",
  { permissions: {} },
  async () => {
    let unread = 8 * 2 ** 20;
    const looks: number[] = [];
    const pacer = new WorkPacer(undefined, {
      isFollowed: () => true,
      unread: () => {
        looks.push(unread);
        return unread -= 2 ** 16;
      },
    });
    await pacer.pause();
    assert.ok(unread <= 4 * 2 ** 20);
    const count = looks.length;
    assert.ok(count > 20);
    await pacer.pause();
    assert.equal(looks.length, count + 1);
  },
);

Deno.test("pacer: work waits neither for who takes nothing, and never again, nor for nobody", {
  permissions: {},
}, async () => {
  let looks = 0;
  const unread = () => {
    looks++;
    return 8 * 2 ** 20;
  };
  let isFollowed = false;
  const pacer = new WorkPacer(undefined, { isFollowed: () => isFollowed, unread });
  await pacer.pause();
  assert.equal(looks, 1);
  isFollowed = true;
  await pacer.pause();
  assert.ok(looks > 20);
  looks = 0;
  await pacer.pause();
  assert.equal(looks, 0);
});

Deno.test("pacer: an abort ends the wait", { permissions: {} }, async () => {
  const stop = new AbortController();
  let unread = 16 * 2 ** 20;
  const pacer = new WorkPacer(stop.signal, {
    isFollowed: () => true,
    unread: () => {
      if (unread < 12 * 2 ** 20) stop.abort(new Error("enough"));
      return unread -= 2 ** 16;
    },
  });
  await assert.rejects(pacer.pause(), /enough/);
  assert.ok(unread > 8 * 2 ** 20);
});
