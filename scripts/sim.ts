/**
 * Runs worlds of the simulated network: `deno task sim` a few hundred, `deno task soak --seeds 10000 --jobs 2` many,
 * `deno task sim --seed 4711 --trace` one, told datagram by datagram. A world that fails tells how to see it again.
 *
 * @module
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { trace } from "../tests/sim/world/trace.ts";
import { World, type WorldResult } from "../tests/sim/world/world.ts";

/** What a worker answers. */
export interface WorldReport {
  /** The world's seed. */
  readonly seed: number;
  /** What it was like; nothing when it failed. */
  readonly result?: WorldResult;
  /** What was wrong. */
  readonly fault?: string;
  /** Time that it took, milliseconds. */
  readonly took: number;
}

/** A world that takes longer, in real milliseconds, does not end. The slowest need a hundredth. */
const HUNG = 120_000;
/** Real milliseconds between lines about the progress. */
const PROGRESS = 20_000;
/** Failures that are printed in full. */
const SHOWN_FAILURES = 20;

function number(name: "seed" | "seeds" | "from" | "jobs"): number {
  const value = Number(values[name]);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  console.error(`--${name} is "${values[name]}", want a whole number`);
  process.exit(2);
}

/** Runs one world here; whether it failed. */
function runOne(seed: number, traced: boolean): boolean {
  const world = new World(seed);
  if (traced) trace(world, console.log);
  try {
    console.log(`seed ${seed} passed: ${JSON.stringify(world.run())}`);
    return false;
  } catch (error) {
    console.log(`seed ${seed} failed: ${(error as Error).stack}`);
    return true;
  }
}

/** Runs worlds in workers; whether one failed. */
async function runMany(from: number, count: number, jobs: number): Promise<boolean> {
  const start = performance.now();
  const summary = new Summary();
  let next = from;
  let toldAt = start;
  const tell = (report: WorldReport) => {
    summary.add(report);
    if (performance.now() - toldAt < PROGRESS) return;
    toldAt = performance.now();
    console.log(`${summary.passed + summary.failed} of ${count} worlds, ${summary.failed} failed`);
  };
  await Promise.all(Array.from({ length: Math.min(jobs, count) }, async () => {
    let worker = newWorker();
    while (next < from + count) {
      const report = await runInWorker(worker, next++);
      tell(report);
      if (report.took < HUNG) continue;
      worker.terminate();
      worker = newWorker();
    }
    worker.terminate();
  }));
  summary.print(performance.now() - start);
  return summary.failed > 0;
}

function newWorker(): Worker {
  return new Worker(new URL("./sim_worker.ts", import.meta.url), { type: "module" });
}

function runInWorker(worker: Worker, seed: number): Promise<WorldReport> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve({ seed, fault: "does not end", took: HUNG }), HUNG);
    worker.onmessage = ({ data }) => {
      clearTimeout(timer);
      resolve(data);
    };
    worker.postMessage(seed);
  });
}

type Sums = Record<"milliseconds" | "datagrams" | "streams" | "bytes" | "messages", number>;

/** Adds up what worlds were like. */
class Summary {
  passed = 0;
  failed = 0;
  readonly #sums: Sums = { milliseconds: 0, datagrams: 0, streams: 0, bytes: 0, messages: 0 };
  readonly #ends: Record<string, number> = {};
  #took = 0;
  #slowest: WorldReport = { seed: 0, took: 0 };

  add(report: WorldReport): void {
    const { seed, result, fault, took } = report;
    this.#took += took;
    if (took > this.#slowest.took) this.#slowest = report;
    if (result === undefined) {
      this.failed++;
      if (this.failed <= SHOWN_FAILURES) {
        console.log(`seed ${seed} failed: ${fault}\nsee it again: deno task sim --seed ${seed} --trace`);
      }
      return;
    }
    this.passed++;
    for (const [key, sum] of Object.entries(this.#sums) as [keyof Sums, number][]) {
      this.#sums[key] = sum + result[key];
    }
    for (const [end, times] of Object.entries(result.ends)) this.#ends[end] = (this.#ends[end] ?? 0) + times;
  }

  print(elapsed: number): void {
    const { milliseconds, datagrams, streams, bytes, messages } = this.#sums;
    const worlds = this.passed + this.failed;
    const ends = Object.entries(this.#ends).map(([end, times]) => `${times} ${end}`).join(", ");
    console.log(
      `${worlds} worlds in ${(elapsed / 1000).toFixed(1)} s, ${(this.#took / worlds).toFixed(0)} ms each, ` +
        `slowest ${this.#slowest.seed} with ${this.#slowest.took.toFixed(0)} ms\n` +
        `${(milliseconds / 3_600_000).toFixed(1)} hours of virtual time, ${datagrams} datagrams, ` +
        `${streams} streams with ${
          (bytes / 1e6).toFixed(0)
        } MB, ${messages} messages; ends of sessions in the storm: ${ends}\n` +
        `${this.passed} passed, ${this.failed} failed`,
    );
  }
}

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string", default: "300" },
    from: { type: "string", default: "1" },
    jobs: { type: "string", default: "2" },
    trace: { type: "boolean", default: false },
  },
});
const failed = values.seed === undefined
  ? await runMany(number("from"), number("seeds"), number("jobs"))
  : runOne(number("seed"), values.trace);
process.exit(failed ? 1 : 0);
