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

Deno.test(
  "pacer: slices are shorter while others wait for what the thread sends",
  { permissions: {} },
  () =>
    withClock((set) => {
      let isWaitedFor = false;
      const pacer = new WorkPacer(undefined, { areWaiting: () => isWaitedFor });
      set(4);
      assert.equal(pacer.due, false);
      isWaitedFor = true;
      assert.equal(pacer.due, true);
      isWaitedFor = false;
      assert.equal(pacer.due, false);
      set(8);
      assert.equal(pacer.due, true);
    }),
);

Deno.test(
  "pacer: work waits for who waits for it no longer than it has worked",
  { permissions: {} },
  async () => {
    await withClock(async (set) => {
      const limits: number[] = [];
      let time = 0;
      let areWaiting = false;
      const pacer = new WorkPacer(undefined, {
        areWaiting: () => areWaiting,
        catchUp: (limit) => {
          limits.push(limit);
          set(time += 3);
          return Promise.resolve(true);
        },
      });
      set(time += 10);
      await pacer.pause();
      assert.deepEqual(limits, []);
      areWaiting = true;
      for (let i = 0; i < 6; i++) {
        set(time += 1);
        await pacer.pause();
      }
      // 10 worked before; from then on 1 more each time, and 3 waited.
      assert.deepEqual(limits, [11, 9, 7, 5, 3, 1]);
      set(time += 1);
      await pacer.pause();
      assert.equal(limits.length, 6);
    });
  },
);

Deno.test("pacer: who was too slow once is not waited for again", { permissions: {} }, async () => {
  await withClock(async (set) => {
    let waits = 0;
    const pacer = new WorkPacer(undefined, {
      areWaiting: () => true,
      catchUp: () => ++waits === 1 ? undefined : Promise.resolve(waits < 3),
    });
    for (let i = 1; i < 9; i++) {
      set(i);
      await pacer.pause();
    }
    assert.equal(waits, 3);
  });
});

Deno.test("pacer: an abort while others catch up counts", { permissions: {} }, async () => {
  const stop = new AbortController();
  await withClock(async (set) => {
    const pacer = new WorkPacer(stop.signal, {
      areWaiting: () => true,
      catchUp: (_limit, signal) =>
        new Promise((resolve) => {
          signal!.addEventListener("abort", () => resolve(false));
          stop.abort(new Error("enough"));
        }),
    });
    set(1);
    await assert.rejects(pacer.pause(), /enough/);
  });
});
