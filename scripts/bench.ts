/**
 * `deno task bench`: figures of the command, two real processes on loopback. Source and target lie on /dev/shm where
 * there is one, so that the network and the code are measured, not the disk.
 *
 * Options: `--runs N` (default 3), `--dir PATH` (where to work), `--full` (also a 4 GiB file), `--only NAME`.
 *
 * @module
 */

import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { formatBytes } from "../src/cli/format.ts";
import { COMMAND, ScriptProcess, type Usage } from "./hawser_process.ts";
import { makeSeedTree, SEED_PACKAGES } from "./seed_tree.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
/** Pieces in which big files are made, bytes. */
const PIECE = 4 * MIB;

/** One run of a case. */
interface Run {
  /** Time that the work took, as the process itself tells, ms. */
  readonly ms: number;
  /** The same with the start of the process. */
  readonly wallMs: number;
  readonly files: number;
  readonly bytes: number;
  /** Of the process that fetches or stores. */
  readonly usage: Usage;
  /** CPU seconds of the process that shares. */
  readonly shareCpu?: number;
}

/** What is measured: `prepare` once, then `run` several times. */
interface Case {
  readonly name: string;
  /** Makes what is needed below `folder`. */
  prepare(folder: string): void;
  /** Measures once. */
  run(folder: string): Promise<Run>;
}

/** A file of `size` bytes, no two pieces of it alike, that no compression shrinks much. */
function makeFile(path: string, size: number): void {
  const piece = new Uint8Array(PIECE);
  for (let at = 0; at < PIECE; at += 65536) crypto.getRandomValues(piece.subarray(at, at + 65536));
  const counter = new DataView(piece.buffer);
  const file = openSync(path, "w");
  for (let at = 0; at < size; at += PIECE) {
    counter.setFloat64(0, at);
    writeSync(file, piece, 0, Math.min(PIECE, size - at));
  }
  closeSync(file);
}

/** Shares `folder/source` in one process and fetches it in another. */
async function shareAndFetch(folder: string): Promise<Run> {
  const dest = join(folder, "dest");
  const args = ["share", join(folder, "source"), "--listen", "127.0.0.1:0", "--json", "--quiet"];
  const share = new ScriptProcess(COMMAND, ["--allow-all"], args, true);
  try {
    const { ticket } = await share.nextJson();
    const cpuBefore = share.usage.cpuSeconds ?? 0;
    const begin = performance.now();
    const fetch = new ScriptProcess(COMMAND, ["--allow-all"], [
      "fetch",
      String(ticket),
      dest,
      "--json",
      "--quiet",
    ], true);
    const { files, bytes, ms } = await fetch.nextJson() as unknown as Run;
    await fetch.end();
    const wallMs = performance.now() - begin;
    const shareCpu = share.usage.cpuSeconds === undefined ? undefined : share.usage.cpuSeconds - cpuBefore;
    return { ms, wallMs, files, bytes, usage: fetch.usage, shareCpu };
  } finally {
    await share.stop();
    rmSync(dest, { recursive: true, force: true });
  }
}

/** Stores `folder/source` in a new `FileBlobStore`. */
async function storeIntoFiles(folder: string): Promise<Run> {
  const store = join(folder, "store");
  const begin = performance.now();
  const process = new ScriptProcess("scripts/bench_store_dir.ts", ["--allow-all"], [
    join(folder, "source"),
    store,
  ], true);
  try {
    const { files, bytes, ms } = await process.nextJson() as unknown as Run;
    await process.end();
    return { ms, wallMs: performance.now() - begin, files, bytes, usage: process.usage };
  } finally {
    await process.stop();
    rmSync(store, { recursive: true, force: true });
  }
}

const makeTree = (folder: string): void => void makeSeedTree(join(folder, "source"), SEED_PACKAGES);

function makeBigFile(size: number): (folder: string) => void {
  return (folder) => {
    mkdirSync(join(folder, "source"));
    makeFile(join(folder, "source", "file.bin"), size);
  };
}

const CASES: readonly Case[] = [
  { name: "fetch 1 GiB file", prepare: makeBigFile(GIB), run: shareAndFetch },
  { name: "fetch 12,430 files", prepare: makeTree, run: shareAndFetch },
  { name: "storeDir 12,430 files", prepare: makeTree, run: storeIntoFiles },
];
const FULL_CASES: readonly Case[] = [
  { name: "fetch 4 GiB file", prepare: makeBigFile(4 * GIB), run: shareAndFetch },
];

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** A figure of all runs that have it: its median, formatted, or a dash. */
function figure(
  runs: readonly Run[],
  of: (run: Run) => number | undefined,
  format: (value: number) => string,
): string {
  const values = runs.map(of).filter((value) => value !== undefined);
  return values.length === 0 ? "-" : format(median(values));
}

const seconds = (ms: number): string => (ms / 1000).toFixed(2);

function row(name: string, runs: readonly Run[]): string[] {
  const times = runs.map(({ ms }) => ms);
  const { files, bytes } = runs[0];
  return [
    name,
    seconds(median(times)),
    `${seconds(Math.min(...times))}-${seconds(Math.max(...times))}`,
    figure(runs, ({ wallMs }) => wallMs, seconds),
    (bytes / 1000 / median(times)).toFixed(1),
    Math.round(files * 1000 / median(times)).toString(),
    figure(runs, ({ usage }) => usage.cpuSeconds, (value) => value.toFixed(2)),
    figure(runs, ({ shareCpu }) => shareCpu, (value) => value.toFixed(2)),
    figure(runs, ({ usage }) => usage.peakMemory, formatBytes),
  ];
}

const HEAD = [
  "case",
  "s",
  "min-max",
  "s with start",
  "MB/s",
  "files/s",
  "CPU s",
  "CPU s sharing",
  "peak memory",
];

function printTable(rows: readonly string[][]): void {
  const widths = HEAD.map((_, i) => Math.max(...rows.map((cells) => cells[i].length)));
  for (const cells of rows) {
    console.log(
      cells.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join("  "),
    );
  }
}

const { values: options } = parseArgs({
  args: Deno.args,
  options: {
    runs: { type: "string", default: "3" },
    dir: { type: "string", default: existsSync("/dev/shm") ? "/dev/shm" : tmpdir() },
    full: { type: "boolean", default: false },
    only: { type: "string", default: "" },
  },
});

const rows = [HEAD];
for (const { name, prepare, run } of [...CASES, ...(options.full ? FULL_CASES : [])]) {
  if (!name.includes(options.only)) continue;
  const folder = mkdtempSync(join(options.dir, "hawser-bench-"));
  try {
    prepare(folder);
    const runs: Run[] = [];
    for (let i = 0; i < Number(options.runs); i++) {
      runs.push(await run(folder));
      console.error(`${name}: run ${i + 1} of ${options.runs}, ${seconds(runs[i].ms)} s`);
    }
    rows.push(row(name, runs));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
console.log(
  `deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores, ${options.dir}, median of ${options.runs}`,
);
printTable(rows);
