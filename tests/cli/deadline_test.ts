import assert from "node:assert/strict";
import { withDeadline } from "../../src/cli/deadline.ts";
import { DeadlineError } from "../../src/cli/usage_error.ts";

/** Ends with the signal's reason only. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

Deno.test("withDeadline ends work that takes too long, with an error of its own", async () => {
  const { signal } = new AbortController();
  await assert.rejects(withDeadline("Fetch", 0.01, signal, untilAborted), (error: Error) => {
    assert.ok(error instanceof DeadlineError);
    assert.match(error.message, /^Fetch: not done after 0.01 s/);
    return true;
  });
  // Also when the work turns the signal into an error of its own.
  const wrapped = (signal: AbortSignal) =>
    untilAborted(signal).catch((cause) => Promise.reject(new Error("x", { cause })));
  await assert.rejects(withDeadline("Fetch", 0.01, signal, wrapped), DeadlineError);
});

Deno.test("withDeadline passes on results, errors and the outer signal", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  assert.equal(await withDeadline("Fetch", 1000, signal, () => Promise.resolve(1)), 1);
  assert.equal(
    await withDeadline("Fetch", undefined, signal, (same) => Promise.resolve(same === signal)),
    true,
  );
  await assert.rejects(withDeadline("Fetch", 1000, signal, () => Promise.reject(new Error("own"))), /own/);
  const reason = new Error("outer");
  const work = withDeadline("Fetch", 1000, signal, untilAborted);
  controller.abort(reason);
  await assert.rejects(work, (error) => error === reason);
});
