/**
 * Errors of the command itself, as opposed to those of the work it does.
 *
 * @module
 */

import type { EndSignal } from "../runtime/process.ts";

/** Thrown when the command line asks for something that makes no sense; the command ends with code 2. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** Thrown when a command took longer than its `--timeout`. */
export class DeadlineError extends Error {
  override name = "DeadlineError";
}

/** Reason of the abort when a signal ended the command. */
export class InterruptedError extends Error {
  override name = "InterruptedError";
  /** @param signal which signal came. */
  constructor(readonly signal: EndSignal) {
    super(`Interrupted by ${signal}`);
  }

  /** What a shell reports for a process that the signal ended. */
  get exitCode(): number {
    return this.signal === "SIGINT" ? 130 : 143;
  }
}
