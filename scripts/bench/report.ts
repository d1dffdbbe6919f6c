/**
 * Results as tables, for the terminal and for `docs/benchmarks.md`.
 *
 * @module
 */

import { type CaseResult, median, medianOf, type Row, type Run } from "./results.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** A column: its head and what stands in it, a dash where there is nothing. */
interface Column {
  readonly head: string;
  cell(row: Row): string;
}

const seconds = (ms: number): string => (ms / 1000).toFixed(2);

function figure(
  head: string,
  of: (run: Run) => number | undefined,
  format: (value: number) => string,
): Column {
  return {
    head,
    cell(row) {
      const value = medianOf(row, of);
      return value === undefined ? "-" : format(value);
    },
  };
}

function spread(of: (run: Run) => number | undefined, format: (value: number) => string): Column {
  return {
    head: "min-max",
    cell({ runs }) {
      const values = runs.map(of).filter((value) => value !== undefined);
      return values.length === 0 ? "-" : `${format(Math.min(...values))}-${format(Math.max(...values))}`;
    },
  };
}

/** CPU seconds of both sides. */
const cpuOf = ({ servingCpu = 0, fetchingCpu }: Run): number => servingCpu + fetchingCpu;
const mib = (bytes: number): string => (bytes / MIB).toFixed(0);
const WHO: Column = { head: "", cell: ({ title }) => title };

function columnsOf(result: CaseResult): Column[] {
  const { kind, bytes, files } = result;
  const cpu = figure("CPU s send", ({ servingCpu }) => servingCpu, (value) => value.toFixed(2));
  const cpuHere = figure(
    kind === "store" ? "CPU s" : "CPU s receive",
    ({ fetchingCpu }) => fetchingCpu,
    (value) => value.toFixed(2),
  );
  const peak = figure("peak MiB send", ({ servingPeak }) => servingPeak, mib);
  const peakHere = figure(
    kind === "store" ? "peak MiB" : "peak MiB receive",
    ({ fetchingPeak }) => fetchingPeak,
    mib,
  );
  if (kind === "rate") {
    const count = (value: number) => Math.round(value).toString();
    const perSecond = ({ perSecond }: Run) => perSecond;
    return [
      WHO,
      figure("per second", perSecond, count),
      spread(perSecond, count),
      cpu,
      cpuHere,
      peak,
      peakHere,
    ];
  }
  const total = ({ totalMs }: Run) => totalMs;
  const work = ({ workMs }: Run) => workMs;
  const rate = (ms: number) =>
    files > 100 ? `${Math.round(files * 1000 / ms)} files/s` : `${(bytes / 1000 / ms).toFixed(0)} MB/s`;
  if (kind === "live") {
    const millis = (ms: number) => ms.toFixed(1);
    return [
      WHO,
      figure("ms", work, millis),
      spread(work, millis),
      figure("rate", work, rate),
      cpu,
      cpuHere,
      peak,
      peakHere,
    ];
  }
  if (kind === "store") {
    const own = [figure("s", work, seconds), spread(work, seconds), figure("rate", work, rate)];
    return [WHO, ...own, figure("s with start", total, seconds), cpuHere, peakHere];
  }
  const perGib = (run: Run) => bytes >= GIB ? cpuOf(run) / (bytes / GIB) : undefined;
  return [
    WHO,
    figure("total s", total, seconds),
    spread(total, seconds),
    figure("ready", ({ readyMs }) => readyMs, seconds),
    figure("fetch", ({ fetchMs }) => fetchMs, seconds),
    figure("of it work", work, seconds),
    figure("rate", total, rate),
    cpu,
    cpuHere,
    ...(bytes >= GIB ? [figure("CPU s/GiB", perGib, (value) => value.toFixed(1))] : []),
    peak,
    peakHere,
    figure(
      "wire MiB",
      ({ wireBytes }) => wireBytes,
      (bytes) => (bytes / MIB).toFixed(bytes < 10 * MIB ? 2 : 0),
    ),
    ...ratioColumns(result),
  ];
}

/** How many times as long as each peer of the same runs. */
function ratioColumns({ rows }: CaseResult): Column[] {
  return rows.filter(({ kind }) => kind === "peer").map((peer) => {
    const ofPeer = medianOf(peer, ({ totalMs }) => totalMs)!;
    return figure(`/ ${peer.id}`, ({ totalMs }) => totalMs! / ofPeer, (value) => value.toFixed(2));
  });
}

/** The table of a case: its head, then a row for each contender. */
export function tableOf(result: CaseResult): string[][] {
  const columns = columnsOf(result);
  return [columns.map(({ head }) => head), ...result.rows.map((row) => columns.map(({ cell }) => cell(row)))];
}

/** A table with its columns under each other, for the terminal. */
export function textTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((cells) => cells[i].length)));
  return rows.map((cells) =>
    cells.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join("  ")
  ).join("\n");
}

/** The same in Markdown. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = rows[0].map((_, i) => i === 0 ? "---" : "--:");
  return [line(rows[0]), line(rule), ...rows.slice(1).map(line)].join("\n");
}

/** What a case is about, in a few words. */
export function captionOf({ files, bytes, machine, date, commit, rows }: CaseResult): string {
  const what = files === 0
    ? ""
    : files === 1
    ? `${mib(bytes)} MiB. `
    : `${files} files, ${(bytes / MIB).toFixed(1)} MiB. `;
  const runs = median(rows.map(({ runs }) => runs.length));
  const versions = [...new Set(rows.flatMap(({ version }) => version.split(", ")))].join(", ");
  return `${what}Median of ${runs} runs, ${date}, commit ${commit}; ${machine}; ${versions}.`;
}

/** How much slower the same bytes are in many files: time of the few ÷ time of the many, for each contender. */
export function invarianceTable(results: readonly CaseResult[]): string[][] | undefined {
  const ratio = (contender: string, kind: string, of: (run: Run) => number | undefined): string => {
    const [few, many] = ["few", "many"].map((name) => {
      const row = results.find(({ id }) => id === kind + name)?.rows.find(({ id }) => id === contender);
      return row && medianOf(row, of);
    });
    return few === undefined || many === undefined ? "-" : (few / many).toFixed(2);
  };
  const all = results.filter(({ id }) => id === "many" || id === "live-many").flatMap(({ rows }) => rows);
  if (all.length === 0) return undefined;
  const rows = [...new Map(all.map(({ id, title }) => [id, title]))].map(([id, title]) => [
    title,
    ratio(id, "live-", ({ workMs }) => workMs),
    ratio(id, "", ({ totalMs }) => totalMs),
    ratio(id, "", ({ workMs }) => workMs),
  ]);
  return [["", "nodes that are up", "commands, by total time", "commands, by the fetch's own time"], ...rows];
}
