/**
 * What the figures should be at least, and whether they are.
 *
 * @module
 */

import { type CaseResult, medianOf, type Row, type Run } from "./results.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** A goal: where its figure comes from, and the most, or with `atLeast` the least, that it may be. */
interface Goal {
  readonly text: string;
  readonly limit: number;
  readonly atLeast?: boolean;
  readonly unit: string;
  of(figures: Figures): number | undefined;
}

/** Finds figures. Everything is `undefined` that was not measured. */
class Figures {
  constructor(readonly results: readonly CaseResult[]) {}

  case(id: string): CaseResult | undefined {
    return this.results.find((result) => result.id === id);
  }

  row(id: string, contender: string): Row | undefined {
    return this.case(id)?.rows.find((row) => row.id === contender);
  }

  median(id: string, contender: string, of: (run: Run) => number | undefined): number | undefined {
    const row = this.row(id, contender);
    return row === undefined ? undefined : medianOf(row, of);
  }

  /** Total seconds. */
  total(id: string, contender: string): number | undefined {
    return over(this.median(id, contender, ({ totalMs }) => totalMs), 1000);
  }

  /** Total of one contender ÷ total of another. */
  ratio(id: string, contender: string, peer: string): number | undefined {
    return over(this.total(id, contender), this.total(id, peer));
  }

  /** The largest peak of either side, MiB, on Deno with and without FFI and on Node. */
  peak(id: string): number | undefined {
    const peaks = this.case(id)?.rows.filter(({ kind }) => kind === "hawser").flatMap((row) => [
      medianOf(row, ({ servingPeak }) => servingPeak) ?? 0,
      medianOf(row, ({ fetchingPeak }) => fetchingPeak) ?? 0,
    ]);
    return peaks === undefined || peaks.length === 0 ? undefined : Math.max(...peaks) / MIB;
  }
}

function over(value: number | undefined, by: number | undefined): number | undefined {
  return value === undefined || by === undefined ? undefined : value / by;
}

const cpuPerGib = (figures: Figures): number | undefined => {
  const cpu = figures.median(
    "file-1g",
    "deno",
    ({ servingCpu = 0, fetchingCpu }) => servingCpu + fetchingCpu,
  );
  return over(cpu, (figures.case("file-1g")?.bytes ?? GIB) / GIB);
};

const work = ({ workMs }: Run): number | undefined => workMs;
/** As net-mesh, which the goal is from, measures it. */
const invariance = (figures: Figures, contender: string): number | undefined =>
  over(figures.median("live-few", contender, work), figures.median("live-many", contender, work));
const storeRate = (figures: Figures): number | undefined =>
  over((figures.case("store-file")?.bytes ?? 0) / 1000, figures.median("store-file", "deno", work));

const GOALS: readonly Goal[] = [
  goal("1 GiB, Deno", 4, "s", (f) => f.total("file-1g", "deno")),
  goal("1 GiB, Deno ÷ magic-wormhole", 1.2, "", (f) => f.ratio("file-1g", "deno", "wormhole")),
  goal("1 GiB, Deno with --allow-ffi", 2.8, "s", (f) => f.total("file-1g", "deno+ffi")),
  goal(
    "1 GiB, Deno with --allow-ffi ÷ rsync over ssh, chacha20",
    1,
    "",
    (f) => f.ratio("file-1g", "deno+ffi", "ssh-chacha20"),
  ),
  goal("1 GiB, Node 20", 3.3, "s", (f) => f.total("file-1g", "node20")),
  goal("1 GiB in datagrams of 1452 bytes, Deno", 9, "s", (f) => f.total("datagram-1452", "deno")),
  goal(
    "1 GiB in datagrams of 1452 bytes, Deno with --allow-ffi",
    4.5,
    "s",
    (f) => f.total("datagram-1452", "deno+ffi"),
  ),
  goal("13,000 files, cold, Deno", 1.2, "s", (f) => f.total("tree", "deno")),
  goal("13,000 files, unchanged, Deno", 0.35, "s", (f) => f.total("unchanged", "deno")),
  goal("13,000 files, 1 % changed, Deno", 0.55, "s", (f) => f.total("changed", "deno")),
  goal(
    "13,000 files, 1 % changed, on the wire",
    1,
    "MiB",
    (f) => over(f.median("changed", "deno", ({ wireBytes }) => wireBytes), MIB),
  ),
  goal(
    "12,430 files, fetched, Deno",
    1,
    "s",
    (f) => over(f.median("seed", "deno", ({ fetchMs }) => fetchMs), 1000),
  ),
  goal("One file of 100 bytes, Deno", 0.2, "s", (f) => f.total("start", "deno")),
  {
    ...goal("Same bytes in many files ÷ in few, nodes up, Deno", 0.8, "", (f) => invariance(f, "deno")),
    atLeast: true,
  },
  {
    ...goal("Same bytes in many files ÷ in few, nodes up, Node 20", 0.8, "", (f) => invariance(f, "node20")),
    atLeast: true,
  },
  { ...goal("storeDir of 1 GiB, Deno", 450, "MB/s", storeRate), atLeast: true },
  goal("storeDir of 13,000 files, Deno", 0.8, "s", (f) => over(f.median("store-tree", "deno", work), 1000)),
  goal("CPU seconds per GiB, both sides, Deno", 8, "s", cpuPerGib),
  goal("Peak memory of a side, 1 GiB, all runtimes", 150, "MiB", (f) => f.peak("file-1g")),
  goal("Peak memory of a side, 4 GiB, all runtimes", 150, "MiB", (f) => f.peak("file-4g")),
];

function goal(text: string, limit: number, unit: string, of: Goal["of"]): Goal {
  return { text, limit, unit, of };
}

/** A table of all goals. */
export function goalsTable(results: readonly CaseResult[]): string[][] {
  const figures = new Figures(results);
  const rows = GOALS.map(({ text, limit, atLeast = false, unit, of }) => {
    const value = of(figures);
    const shown = value === undefined ? "-" : value.toFixed(value < 20 ? 2 : 0);
    const met = value === undefined
      ? "not measured"
      : (atLeast ? value >= limit : value <= limit)
      ? "met"
      : "not met";
    return [text, `${atLeast ? "≥" : "≤"} ${limit} ${unit}`.trim(), shown, met];
  });
  return [["Goal", "wanted", "measured", ""], ...rows];
}
