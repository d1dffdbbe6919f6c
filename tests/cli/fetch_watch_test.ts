import assert from "node:assert/strict";
import { CLOSE_FETCHED, CLOSE_NOT_FETCHED, FetchWatch } from "../../src/cli/fetch_watch.ts";

const manifest = new Uint8Array(32).fill(1);
const file = new Uint8Array(32).fill(2);

Deno.test("a fetch is complete when the manifest was served and the session closed in order", () => {
  const watch = new FetchWatch([manifest]);
  watch.served("a", manifest, 100);
  watch.served("a", file, 5);
  assert.equal(watch.closed("a", CLOSE_FETCHED), 105);
});

Deno.test("no fetch: without the manifest, closed otherwise, or nothing served", () => {
  const watch = new FetchWatch([manifest]);
  watch.served("a", file, 5);
  assert.equal(watch.closed("a", CLOSE_FETCHED), undefined);
  watch.served("a", manifest, 5);
  assert.equal(watch.closed("a", CLOSE_NOT_FETCHED), undefined);
  assert.equal(watch.closed("b", CLOSE_FETCHED), undefined);
});

Deno.test("peers are told apart, and a closed one starts again", () => {
  const watch = new FetchWatch([manifest]);
  watch.served("a", manifest, 1);
  watch.served("b", file, 1);
  assert.equal(watch.closed("b", CLOSE_FETCHED), undefined);
  assert.equal(watch.closed("a", CLOSE_FETCHED), 1);
  assert.equal(watch.closed("a", CLOSE_FETCHED), undefined);
});
