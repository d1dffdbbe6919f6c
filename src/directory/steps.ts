/**
 * Long work in slices, so that whoever drives it can let the event loop turn in between.
 *
 * @module
 */

import type { WorkPacer } from "./pacer.ts";

/** Entries visited between two looks at the clock. */
const SLICE = 512;

/** Work on many entries, in slices. */
export type Steps<T> = Generator<void, T, void>;

/** Passes items on, and lets the driver in between slices of them. */
export function* sliced<T>(items: Iterable<T>, visit: (item: T) => void): Steps<void> {
  let count = 0;
  for (const item of items) {
    visit(item);
    if (++count % SLICE === 0) yield;
  }
}

/** Calls `visit` for the numbers below `count`, a slice after the other: a loop in it costs less than a call for each. */
export function* inSlices(count: number, visit: (from: number, to: number) => void): Steps<void> {
  for (let from = 0; from < count; from += SLICE) {
    if (from > 0) yield;
    visit(from, Math.min(count, from + SLICE));
  }
}

/** Does all the work at once. */
export function runSteps<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** Does the work with turns of the event loop in between: a million entries take seconds. */
export async function runStepsPaced<T>(steps: Steps<T>, pacer: WorkPacer): Promise<T> {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    if (pacer.due) await pacer.pause();
  }
}
