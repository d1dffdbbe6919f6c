import assert from "node:assert/strict";
import { withSignal } from "../../src/mesh/abort.ts";

for (const when of ["before", "while"]) {
  Deno.test(`withSignal: aborted ${when} it waits, what comes of the promise is nobody's business`, async () => {
    const stop = new AbortController();
    const reason = new Error("aborted");
    if (when === "before") stop.abort(reason);
    let reject = (_: Error) => {};
    const promise = new Promise<void>((_, no) => reject = no);
    const waiting = withSignal(promise, stop.signal);
    stop.abort(reason);
    await assert.rejects(waiting, reason);
    // Were it somebody's, this would fail the test.
    reject(new Error("late"));
    await new Promise((resolve) => setTimeout(resolve));
  });
}

Deno.test("withSignal: settles as the promise does", async () => {
  const { signal } = new AbortController();
  assert.equal(await withSignal(Promise.resolve(7), signal), 7);
  const thrown = new Error("thrown");
  await assert.rejects(withSignal(Promise.reject(thrown), signal), thrown);
});
