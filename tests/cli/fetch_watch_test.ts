import assert from "node:assert/strict";
import { CLOSE_FETCHED, CLOSE_NOT_FETCHED, FetchWatch } from "../../src/cli/fetch_watch.ts";

const manifest = new Uint8Array(32).fill(1);
const file = new Uint8Array(32).fill(2);
/** Some other code: the session dropped. */
const DROPPED = 77;

/** A watch that knows the manifest. */
function newWatch(): FetchWatch {
  const watch = new FetchWatch();
  watch.expect([manifest]);
  return watch;
}

const session = (peerName: string) => ({ peerName });

Deno.test("a fetch is complete when the manifest was served and the session closed in order", () => {
  const watch = newWatch();
  const a = session("a");
  watch.served(a, manifest, 100);
  watch.served(a, file, 5);
  assert.equal(watch.closed(a, CLOSE_FETCHED), 105);
});

Deno.test("a fetch is complete when the peer was told what there is", () => {
  const watch = new FetchWatch();
  const [a, b] = [session("a"), session("b")];
  watch.served(a, file, 5);
  watch.told(a);
  watch.served(a, file, 5);
  assert.equal(watch.closed(a, CLOSE_FETCHED), 10);
  watch.told(b);
  assert.equal(watch.closed(b, CLOSE_NOT_FETCHED), undefined);
});

Deno.test("no fetch: without the manifest, closed otherwise, or nothing served", () => {
  const watch = newWatch();
  const [a, b, c] = ["a", "b", "c"].map(session);
  watch.served(a, file, 5);
  assert.equal(watch.closed(a, CLOSE_FETCHED), undefined);
  watch.served(b, manifest, 5);
  assert.equal(watch.closed(b, CLOSE_NOT_FETCHED), undefined);
  assert.equal(watch.closed(c, CLOSE_FETCHED), undefined);
});

Deno.test("a peer whose session dropped goes on with another", () => {
  const watch = newWatch();
  const [first, second, third] = [session("a"), session("a"), session("a")];
  watch.served(first, manifest, 10);
  assert.equal(watch.closed(first, DROPPED), undefined);
  watch.served(second, file, 5);
  assert.equal(watch.closed(second, CLOSE_FETCHED), 15);
  watch.served(third, file, 5);
  assert.equal(watch.closed(third, CLOSE_FETCHED), undefined);
});

Deno.test("peers that vanish are forgotten, the oldest first", () => {
  const watch = newWatch();
  const first = session("first");
  watch.served(first, manifest, 1);
  watch.closed(first, DROPPED);
  for (let i = 0; i < 2000; i++) {
    const other = session(`peer ${i}`);
    watch.served(other, manifest, 1);
    watch.closed(other, DROPPED);
  }
  const back = session("first");
  watch.served(back, file, 1);
  assert.equal(watch.closed(back, CLOSE_FETCHED), undefined);
  const recent = session("peer 1999");
  watch.served(recent, file, 1);
  assert.equal(watch.closed(recent, CLOSE_FETCHED), 2);
});
