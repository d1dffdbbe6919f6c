/**
 * `deno task bench`: figures of Hawser and of other programs, two processes on this machine, in the same runs.
 *
 * Options: `--case ID,...` (all of them without), `--runtime deno,deno+ffi,node20,...`, `--peers ID,...` (`none` for
 * none), `--runs N`, `--quick` (small inputs, nothing written), `--tree DIR` (in place of the tree of 13,000 files, nothing written),
 * `--dir DIR` (where to work; memory where there is some), `--no-write` (leave `docs/benchmarks.*` alone), `--list`.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Case, CASES } from "./cases.ts";
import type { Contender } from "./contender.ts";
import { writeDocument } from "./document.ts";
import { goalsTable } from "./goals.ts";
import { type HawserContender, Runtimes } from "./hawser.ts";
import { endOnSignals, killAll } from "./measured_process.ts";
import { measureCase } from "./measure.ts";
import { findPeers } from "./peers.ts";
import { makeWorkFolder } from "./work_folder.ts";
import { captionOf, invarianceTable, tableOf, textTable } from "./report.ts";
import { type CaseResult, type Run, writeResult } from "./results.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const RESULTS = join(ROOT, "docs/benchmarks.json");
/** Of an error that much is shown, characters. */
const ERROR_LENGTH = 600;
const IDS = CASES.map(({ id }) => id);

const { values: options } = parseArgs({
  args: Deno.args,
  allowNegative: true,
  options: {
    case: { type: "string", default: IDS.join(",") },
    runtime: { type: "string", default: "deno,deno+ffi,node20" },
    peers: { type: "string" },
    runs: { type: "string", default: "3" },
    quick: { type: "boolean", default: false },
    tree: { type: "string" },
    dir: { type: "string" },
    write: { type: "boolean", default: true },
    list: { type: "boolean", default: false },
  },
});

/** Documents are of the real cases, all of the same size. */
const writes = options.write && !options.quick && options.tree === undefined;

function list(text: string): string[] {
  return text.split(",").filter((id) => id !== "" && id !== "none");
}

function describeRun(run: Run | Error): string {
  if (run instanceof Error) return `FAILED: ${run.message.slice(0, ERROR_LENGTH)}`;
  return run.perSecond === undefined
    ? `${(run.totalMs! / 1000).toFixed(2)} s`
    : `${run.perSecond.toFixed(0)} /s`;
}

const git = (...args: string[]): string => execFileSync("git", args, { cwd: ROOT, encoding: "utf8" }).trim();

/** The commit that is measured; documents do not count as changes. */
function commit(): string {
  const changed = git("status", "--porcelain", "--", "src", "scripts", "deno.json") !== "";
  return git("rev-parse", "--short", "HEAD") + (changed ? "+" : "");
}

class Bench {
  failed = false;
  #peers: readonly Contender[] | undefined;

  constructor(readonly folder: string, readonly hawser: readonly HawserContender[]) {}

  async run(cases: readonly Case[]): Promise<CaseResult[]> {
    let results: CaseResult[] = [];
    for (const wanted of cases) {
      const result = await this.#case(wanted);
      results = writes ? writeResult(RESULTS, result, IDS) : [...results, result];
      // After each case: what is interrupted goes on with --case.
      if (writes) writeDocument(ROOT, results);
      console.log(`\n${result.title}: ${captionOf(result)}\n${textTable(tableOf(result))}\n`);
    }
    return results;
  }

  async #case(wanted: Case): Promise<CaseResult> {
    const folder = join(this.folder, wanted.id);
    mkdirSync(folder);
    try {
      const input = wanted.prepare(folder, { quick: options.quick, tree: options.tree });
      const rows = await measureCase(wanted, input, this.hawser, await this.#peersFor(wanted), {
        runs: Number(options.runs),
        folder,
        onRun: (contender, run, number) => {
          this.failed ||= run instanceof Error;
          const which = number === 0 ? "warm-up" : `run ${number} of ${options.runs}`;
          console.error(`${wanted.id}, ${which}, ${contender.id}: ${describeRun(run)}`);
        },
      });
      const [{ model }] = cpus();
      const kernel = release().split(".").slice(0, 2).join(".");
      const machine = `${model.trim()}, ${navigator.hardwareConcurrency} cores, ${Deno.build.os} ${kernel}`;
      return {
        id: wanted.id,
        title: wanted.title,
        kind: wanted.kind,
        files: input.files,
        bytes: input.bytes,
        date: `${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`,
        commit: commit(),
        machine,
        rows,
      };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  async #peersFor({ peers: wanted }: Case): Promise<readonly Contender[]> {
    if (wanted === "none" || options.peers === "none") return [];
    this.#peers ??= await this.#findPeers();
    return wanted === "all" ? this.#peers : this.#peers.filter(({ updates }) => updates);
  }

  async #findPeers(): Promise<readonly Contender[]> {
    const { found, missing, close } = await findPeers(join(this.folder, "peers"));
    closers.push(close);
    for (const peer of missing) console.error(`Not on this machine: ${peer}`);
    const ids = options.peers === undefined ? found.map(({ id }) => id) : list(options.peers);
    return found.filter(({ id }) => ids.includes(id));
  }
}

const closers: (() => void)[] = [];

async function main(): Promise<number> {
  if (options.list) {
    for (const { id, title } of CASES) console.log(`${id.padEnd(14)} ${title}`);
    return 0;
  }
  const ids = list(options.case);
  const unknown = ids.filter((id) => !IDS.includes(id));
  if (unknown.length > 0) throw new Error(`No case ${unknown.join(", ")}: there are ${IDS.join(", ")}`);
  const { folder, inMemory, remove } = makeWorkFolder(options.dir);
  if (!inMemory) console.error(`Working in ${folder}, on a disk: figures include it`);
  const cleanUp = () => {
    killAll();
    for (const close of closers.splice(0)) close();
    remove();
  };
  endOnSignals(cleanUp);
  try {
    const runtimes = new Runtimes(join(folder, "runtimes"));
    const bench = new Bench(folder, list(options.runtime).map((id) => runtimes.contender(id)));
    const results = await bench.run(CASES.filter(({ id }) => ids.includes(id)));
    const invariance = invarianceTable(results);
    if (invariance !== undefined) {
      console.log(`Same bytes in few files ÷ in many\n${textTable(invariance)}\n`);
    }
    if (!options.quick) console.log(textTable(goalsTable(results)));
    return bench.failed ? 1 : 0;
  } finally {
    cleanUp();
  }
}

try {
  Deno.exit(await main());
} catch (error) {
  console.error(`bench: ${(error as Error).message}`);
  Deno.exit(2);
}
