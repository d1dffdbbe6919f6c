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

/** A full ring, and the places in it. */
function fullRing(): { recent: RecentBytes; places: number[] } {
  const recent = new RecentBytes(SIZE);
  return { recent, places: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(() => recent.add(new Uint8Array(10))!) };
}

Deno.test("recent bytes: nobody is waited for who has asked for nothing yet, or left room", {
  permissions: {},
}, () => {
  const { recent, places } = fullRing();
  assert.equal(recent.unread, 0);
  assert.equal(recent.waitForRoom(1_000), undefined);
  recent.get(places[0], 10);
  assert.equal(recent.unread, 90);
  assert.ok(recent.waitForRoom(1) instanceof Promise);
  recent.get(places[1], 10);
  assert.equal(recent.unread, 80);
  assert.equal(recent.waitForRoom(1_000), undefined);
});

Deno.test(
  "recent bytes: the wait for those who ask ends when there is room",
  { permissions: {} },
  async () => {
    const { recent, places } = fullRing();
    recent.get(places[0], 10);
    let hasRoom: boolean | undefined;
    const wait = recent.waitForRoom(60_000)!.then((value) => hasRoom = value);
    for (const place of places.slice(1, 3)) recent.get(place, 10);
    await Promise.resolve();
    assert.equal(hasRoom, undefined);
    for (const place of places.slice(3, 5)) recent.get(place, 10);
    assert.equal(await wait, true);
  },
);

Deno.test("recent bytes: nobody is waited for long", { permissions: {} }, async () => {
  // Who asks for nothing more, and who asks on and on for what is there already.
  for (const isAsking of [false, true]) {
    const { recent, places } = fullRing();
    recent.get(places[0], 10);
    const asking = isAsking ? setInterval(() => recent.get(places[0], 10), 1) : undefined;
    assert.equal(await recent.waitForRoom(60_000), false);
    clearInterval(asking);
  }
  const { recent, places } = fullRing();
  recent.get(places[0], 10);
  assert.equal(await recent.waitForRoom(1), false);
  const stop = new AbortController();
  const wait = recent.waitForRoom(60_000, stop.signal);
  stop.abort();
  assert.equal(await wait, false);
});
