/**
 * Jobs of a fetch, for sources that tests make.
 *
 * @module
 */

import type { ChunkJob, ChunkJobs } from "../../src/blob/source.ts";

/** The jobs of a fetch that knows all of them from the start. Throws where one is still to come. */
export function* readyJobs(jobs: ChunkJobs): Generator<ChunkJob> {
  for (const job of jobs) {
    if (job instanceof Promise) throw new Error("A job is still to come");
    yield job;
  }
}

/** Something that happens once: a promise and what settles it. */
export class Later {
  /** Settled by {@linkcode Later.resolve} or {@linkcode Later.reject}. */
  readonly promise: Promise<void>;
  /** Says that there is more. */
  resolve!: () => void;
  /** Says that there will be none. */
  reject!: (reason: unknown) => void;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}
