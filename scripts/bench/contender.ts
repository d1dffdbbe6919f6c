/**
 * What is compared: programs that move a directory from one process to another.
 *
 * @module
 */

import type { Usage } from "./measured_process.ts";

/** A directory to move. */
export interface Transfer {
  /** The directory. */
  readonly source: string;
  /** Its only file, for programs that send a file better than a directory. */
  readonly file?: string;
  /** Where it goes: a directory that is not there yet, or an older copy. */
  readonly dest: string;
  /** Largest datagram, for programs that can be told. */
  readonly maxDatagram?: number;
  /** Whether everything is read before the fetch begins, for programs that otherwise read meanwhile. */
  readonly pinned?: boolean;
}

/** One measured transfer. */
export interface Outcome {
  /** From the start of the process that serves until it is ready, ms. */
  readonly readyMs: number;
  /** From the start of the process that fetches until it has ended, ms. */
  readonly fetchMs: number;
  /** What fetching took by the program's own account, without the start of its process, ms. */
  readonly workMs?: number;
  /** Of the side that serves, from its start until the other has ended. */
  readonly serving: Usage;
  /** Of the side that fetches. */
  readonly fetching: Usage;
  /** Bytes that came and went by the program's own account. */
  readonly wireBytes?: number;
}

/** A program in one way of running it. */
export interface Contender {
  /** Such as `deno+ffi`; also names it on the command line. */
  readonly id: string;
  /** For people. */
  readonly title: string;
  /** Hawser itself, or another program. */
  readonly kind: "hawser" | "peer";
  /** Version of runtime or program. */
  readonly version: string;
  /** Whether it changes an older copy instead of sending everything again. */
  readonly updates: boolean;
  /** Moves the directory in processes made for it, which are gone afterwards. */
  transfer(transfer: Transfer): Promise<Outcome>;
  /** Forgets what it remembers of earlier transfers, if it does remember anything. */
  forget?(): void;
}

/** Runs `work` and says how many milliseconds that took. */
export async function timed<T>(work: () => Promise<T>): Promise<[result: T, ms: number]> {
  const begin = performance.now();
  const result = await work();
  return [result, performance.now() - begin];
}
