/**
 * Figures as they are kept between runs, so that cases can be measured one by one.
 *
 * @module
 */

import { existsSync, readFileSync, writeFileSync } from "node:fs";

/** One measured run. What does not apply is left out. */
export interface Run {
  /** Ready plus fetch; or all of a process that stores. Milliseconds, as all that ends so. */
  readonly totalMs?: number;
  readonly readyMs?: number;
  readonly fetchMs?: number;
  /** By the program's own account, without the start of its process. */
  readonly workMs?: number;
  readonly servingCpu?: number;
  readonly fetchingCpu: number;
  /** Bytes. */
  readonly servingPeak?: number;
  readonly fetchingPeak: number;
  readonly wireBytes?: number;
  readonly perSecond?: number;
}

/** The runs of one contender. */
export interface Row {
  readonly id: string;
  readonly title: string;
  readonly kind: "hawser" | "peer";
  readonly version: string;
  readonly runs: readonly Run[];
}

/** The figures of a case. */
export interface CaseResult {
  readonly id: string;
  readonly title: string;
  readonly kind: "transfer" | "live" | "store" | "rate";
  readonly files: number;
  readonly bytes: number;
  /** When it was measured, UTC, to the minute. */
  readonly date: string;
  /** The commit, with `+` when files had been changed since. */
  readonly commit: string;
  /** Processor, cores and system. */
  readonly machine: string;
  readonly rows: readonly Row[];
}

/** Reads the file of results; none where it is missing. */
export function readResults(path: string): CaseResult[] {
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : [];
}

/** Puts `result` in the place of an older one of the same case, in the order of `ids`, and writes the file. */
export function writeResult(path: string, result: CaseResult, ids: readonly string[]): CaseResult[] {
  const results = [...readResults(path).filter(({ id }) => id !== result.id), result]
    .filter(({ id }) => ids.includes(id)).sort((a, b) => ids.indexOf(a.id) - ids.indexOf(b.id));
  // A hundredth of a millisecond says nothing.
  const rounded = (_key: string, value: unknown) =>
    typeof value === "number" ? Math.round(value * 100) / 100 : value;
  writeFileSync(path, `${JSON.stringify(results, rounded, 2)}\n`);
  return results;
}

/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Median of a figure over the runs that have it. */
export function medianOf(row: Row, of: (run: Run) => number | undefined): number | undefined {
  const values = row.runs.map(of).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : median(values);
}
