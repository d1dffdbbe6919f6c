import assert from "node:assert/strict";
import fc from "fast-check";
import { type Timed, TimerQueue } from "../../src/transport/timer_queue.ts";

class Item implements Timed {
  deadline = Infinity;
  queuedAt = Infinity;
  queueIndex = -1;
}

Deno.test("timer queue: agrees with a sorted list", () => {
  const time = fc.oneof(fc.nat(50), fc.constant(Infinity));
  const steps = fc.array(fc.tuple(fc.constantFrom("set", "remove", "pop"), fc.nat(11), time), {
    maxLength: 200,
  });
  fc.assert(fc.property(steps, (list) => {
    const items = Array.from({ length: 12 }, () => new Item());
    const held = new Set<Item>();
    const queue = new TimerQueue<Item>();
    for (const [what, index, at] of list) {
      const item = items[index];
      if (what === "set") {
        item.deadline = at;
        queue.update(item);
        if (at === Infinity) held.delete(item);
        else held.add(item);
      } else if (what === "remove") {
        queue.remove(item);
        held.delete(item);
      } else {
        const now = Math.min(at, 50);
        const item = queue.pop(now);
        const earliest = Math.min(Infinity, ...[...held].map(({ deadline }) => deadline));
        assert.equal(item?.deadline, earliest <= now ? earliest : undefined);
        if (item !== undefined) assert.ok(held.delete(item));
      }
      assert.equal(queue.size, held.size);
      assert.equal(queue.next, Math.min(Infinity, ...[...held].map(({ deadline }) => deadline)));
    }
  }));
});

Deno.test("timer queue: a deadline that moved later without an update is not judged early", () => {
  const queue = new TimerQueue<Item>();
  const item = new Item();
  item.deadline = 10;
  queue.update(item);
  item.deadline = 20;
  assert.equal(queue.pop(15), undefined);
  assert.equal(queue.next, 20);
  assert.equal(queue.pop(20), item);
  assert.equal(queue.next, Infinity);
});

Deno.test("timer queue: an object that is over is not held until its time", () => {
  const queue = new TimerQueue<Item>();
  for (let i = 0; i < 1000; i++) {
    const item = new Item();
    item.deadline = 10_000 + i;
    queue.update(item);
    item.deadline = Infinity;
    queue.update(item);
  }
  assert.equal(queue.size, 0);
  assert.equal(queue.next, Infinity);
});
