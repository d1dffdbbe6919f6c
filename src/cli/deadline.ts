/**
 * A limit to how long a command may take.
 *
 * @module
 */

import { DeadlineError } from "./usage_error.ts";

/**
 * Runs `work` with a signal that fires when `signal` does, or with a `DeadlineError` after `seconds`.
 *
 * @param what is done, for the message, such as `Fetch`.
 */
export async function withDeadline<T>(
  what: string,
  seconds: number | undefined,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (seconds === undefined) return await work(signal);
  const controller = new AbortController();
  const timer = setTimeout(() => {
    controller.abort(new DeadlineError(`${what}: not done after ${seconds} s (--timeout)`));
  }, seconds * 1000);
  try {
    return await work(AbortSignal.any([signal, controller.signal]));
  } catch (error) {
    // Whatever the work made of the signal: the deadline is why it ended.
    throw controller.signal.aborted && !signal.aborted ? controller.signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
}
