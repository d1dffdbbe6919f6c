/**
 * `deno task bench:sim`: what recovery and congestion control make of simulated links, next to models of TCP on the
 * same links. With `--write` the tables replace those in `docs/transport.md`.
 *
 * Options, each a list: `--rtt 10,50,200` (ms), `--loss 0,0.1,1,3,10` (percent), `--rate 100,1000` (Mbit/s); `--seeds N`
 * (default 5), `--only goodput,sharing,tcp,request`, `--jobs N` (threads, default one per processor), `--write`.
 *
 * @module
 */

import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import {
  meanGoodput,
  overBound,
  requestTimes,
  type Sender,
  shareNextToTcp,
  sharing,
} from "../tests/sim/figures.ts";
import { mathisBound, type PathOptions } from "../tests/sim/flows.ts";

/** Bytes per millisecond in a megabit per second. */
const MBIT = 125;
const PAGE = "docs/transport.md";
const REQUESTS = 40;

/** One thing to measure. */
type Job =
  | { readonly kind: "goodput"; readonly path: PathOptions; readonly sender: Sender; readonly seeds: number }
  | { readonly kind: "sharing"; readonly path: PathOptions; readonly flows: number; readonly seeds: number }
  | {
    readonly kind: "tcp";
    readonly path: PathOptions;
    readonly tcp: "reno" | "cubic";
    readonly seeds: number;
  }
  | { readonly kind: "request"; readonly path: PathOptions; readonly seeds: number };

/** Its figures. */
type Figures = readonly number[];

function measure(job: Job): Figures {
  const seeds = Array.from({ length: job.seeds }, (_, i) => i + 1);
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  switch (job.kind) {
    case "goodput": {
      // Without loss nothing is left to chance.
      return [meanGoodput(job.sender, job.path, job.path.loss === 0 ? 1 : job.seeds)];
    }
    case "sharing": {
      const all = seeds.map((seed) => sharing(job.flows, job.path, seed));
      return [Math.min(...all.map(({ jain }) => jain)), mean(all.map(({ share }) => share))];
    }
    case "tcp":
      return [mean(seeds.map((seed) => shareNextToTcp(job.tcp, job.path, seed)))];
    case "request": {
      const all = seeds.flatMap((seed) => requestTimes(job.path, seed, REQUESTS));
      const idle = all.map(({ idle }) => idle);
      return [mean(idle), Math.max(...idle), Math.max(...all.map(({ loaded }) => loaded))];
    }
  }
}

/** Measures on several threads; what costs most comes first. */
async function measureAll(jobs: readonly Job[], threads: number): Promise<Map<Job, Figures>> {
  const cost = ({ kind, path }: Job) =>
    (path.loss === 0 ? path.bandwidth * path.rtt : path.rtt) * (kind === "goodput" ? 1 : 10);
  const queue = [...jobs].sort((a, b) => cost(b) - cost(a));
  const results = new Map<Job, Figures>();
  const work = async () => {
    const worker = new Worker(new URL(import.meta.url));
    try {
      for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
        const figures = await new Promise<Figures>((resolve, reject) => {
          worker.once("message", resolve);
          worker.once("error", reject);
          worker.postMessage(job);
        });
        worker.removeAllListeners("error");
        results.set(job, figures);
        console.error(
          `${results.size}/${jobs.length} ${JSON.stringify(job)}: ${figures.map((n) => n.toPrecision(4))}`,
        );
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(threads, jobs.length) }, work));
  return results;
}

/** Three digits that count. */
const percent = (value: number): string => {
  const digits = value >= 0.0995 ? 1 : value >= 0.00995 ? 2 : 3;
  return (100 * value).toFixed(digits);
};
const row = (...cells: readonly (string | number)[]): readonly string[] => cells.map(String);
const ratio = (value: number): string => value.toFixed(2);

/** A table whose columns are as wide as `deno fmt` makes them. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, i) => Math.max(name.length, ...rows.map((cells) => cells[i].length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padStart(widths[i])).join(" | ")} |`;
  return [line(head), line(widths.map((width) => `${"-".repeat(width - 1)}:`)), ...rows.map(line)].join("\n");
}

interface Options {
  readonly rtts: readonly number[];
  readonly losses: readonly number[];
  readonly rates: readonly number[];
  readonly seeds: number;
}

/** A table and the jobs that fill it. */
interface Section {
  readonly jobs: readonly Job[];
  render(results: Map<Job, Figures>): string;
}

function goodputSection(rate: number, { rtts, losses, seeds }: Options): Section {
  const cells = rtts.flatMap((rtt) =>
    losses.map((loss) => {
      const path = { rtt, loss: loss / 100, bandwidth: rate * MBIT };
      const job = (sender: Sender): Job => ({ kind: "goodput", path, sender, seeds });
      return { path, loss, hawser: job("hawser"), reno: job("reno"), cubic: job("cubic") };
    })
  );
  return {
    jobs: cells.flatMap(({ hawser, reno, cubic }) => [hawser, reno, cubic]),
    render: (results) => {
      const share = (job: Job) => results.get(job)![0] / job.path.bandwidth;
      const rows = cells.map(({ path, loss, hawser, reno, cubic }) =>
        row(
          `${path.rtt} ms`,
          `${loss} %`,
          percent(mathisBound(path) / path.bandwidth),
          `**${percent(share(hawser))}**`,
          ratio(overBound(results.get(hawser)![0], path)),
          percent(share(reno)),
          percent(share(cubic)),
        )
      );
      const head = [
        "RTT",
        "loss",
        "Mathis bound %",
        "Hawser %",
        "Hawser / bound",
        "Reno model %",
        "CUBIC model %",
      ];
      return `Goodput in percent of a link of ${rate} Mbit/s:\n\n${table(head, rows)}`;
    },
  };
}

function sharingSection({ rtts, losses, seeds }: Options): Section {
  const cells = rtts.flatMap((rtt) =>
    losses.filter((loss) => loss <= 0.1).flatMap((loss) =>
      [2, 8].map((flows) => {
        const path = { rtt, loss: loss / 100, bandwidth: 100 * MBIT };
        // Chance decides little here, and these are long runs.
        return {
          loss,
          flows,
          job: { kind: "sharing", path, flows, seeds: loss === 0 ? 1 : Math.min(seeds, 3) } as const,
        };
      })
    )
  );
  return {
    jobs: cells.map(({ job }) => job),
    render: (results) => {
      const rows = cells.map(({ loss, flows, job }) => {
        const [jain, share] = results.get(job)!;
        return row(`${job.path.rtt} ms`, `${loss} %`, flows, jain.toFixed(3), percent(share));
      });
      return `Flows over one bottleneck of 100 Mbit/s, that begin one after the other:\n\n${
        table(["RTT", "loss", "flows", "Jain's index", "together %"], rows)
      }`;
    },
  };
}

function tcpSection({ rtts, losses, seeds }: Options): Section {
  const cells = rtts.flatMap((rtt) =>
    losses.filter((loss) => loss > 0 && loss <= 1).flatMap((loss) => {
      const path = { rtt, loss: loss / 100, bandwidth: 100 * MBIT };
      const job = (tcp: "reno" | "cubic"): Job => ({ kind: "tcp", path, tcp, seeds });
      return { path, loss, reno: job("reno"), cubic: job("cubic") };
    })
  );
  return {
    jobs: cells.flatMap(({ reno, cubic }) => [reno, cubic]),
    render: (results) => {
      const rows = cells.map(({ path, loss, reno, cubic }) =>
        row(`${path.rtt} ms`, `${loss} %`, percent(results.get(reno)![0]), percent(results.get(cubic)![0]))
      );
      return `Share of the goodput that one flow has next to one TCP flow on the same 100 Mbit/s (50 % is fair):\n\n${
        table(["RTT", "loss", "next to Reno %", "next to CUBIC %"], rows)
      }`;
    },
  };
}

function requestSection({ rtts, rates, seeds }: Options): Section {
  const jobs = rates.flatMap((rate) =>
    rtts.map((rtt): Job => ({
      kind: "request",
      path: { rtt, loss: 0, bandwidth: rate * MBIT },
      seeds: Math.min(seeds, rate > 100 ? 1 : 3),
    }))
  );
  return {
    jobs,
    render: (results) => {
      const rows = jobs.map((job) => {
        const [mean, worst, loaded] = results.get(job)!;
        return row(
          `${job.path.bandwidth / MBIT} Mbit/s`,
          `${job.path.rtt} ms`,
          ratio(mean),
          ratio(worst),
          ratio(loaded),
        );
      });
      const head = ["link", "RTT", "mean, idle RTTs", "worst, idle RTTs", "worst, RTTs as measured"];
      return `A request of priority 0 for 64 KiB on a session that bulk of priority 3 keeps full, until its last byte:\n\n${
        table(head, rows)
      }`;
    },
  };
}

function writeTables(tables: readonly string[]): void {
  const path = fileURLToPath(new URL(`../${PAGE}`, import.meta.url));
  const text = readFileSync(path, "utf8");
  const marked = /(<!-- bench:sim -->\n)[^]*(<!-- end of bench:sim -->)/;
  if (!marked.test(text)) throw new Error(`Write tables: ${PAGE} has no markers for them`);
  writeFileSync(path, text.replace(marked, `$1\n${tables.join("\n\n")}\n\n$2`));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rtt: { type: "string", default: "10,50,200" },
      loss: { type: "string", default: "0,0.1,1,3,10" },
      rate: { type: "string", default: "100,1000" },
      seeds: { type: "string", default: "5" },
      only: { type: "string", default: "goodput,sharing,tcp,request" },
      jobs: { type: "string", default: String(availableParallelism()) },
      write: { type: "boolean", default: false },
    },
  });
  const numbers = (text: string) => text.split(",").map(Number);
  const options: Options = {
    rtts: numbers(values.rtt),
    losses: numbers(values.loss),
    rates: numbers(values.rate),
    seeds: Number(values.seeds),
  };
  const only = values.only.split(",");
  const sections = [
    ...only.includes("goodput") ? options.rates.map((rate) => goodputSection(rate, options)) : [],
    ...only.includes("sharing") ? [sharingSection(options)] : [],
    ...only.includes("tcp") ? [tcpSection(options)] : [],
    ...only.includes("request") ? [requestSection(options)] : [],
  ];
  const begin = performance.now();
  const results = await measureAll(sections.flatMap(({ jobs }) => jobs), Number(values.jobs));
  const tables = sections.map((section) => section.render(results));
  console.error(`${((performance.now() - begin) / 60_000).toFixed(1)} minutes`);
  console.log(tables.join("\n\n"));
  if (values.write) writeTables(tables);
}

if (isMainThread) {
  await main();
  process.exit();
} else {
  parentPort!.on("message", (job: Job) => parentPort!.postMessage(measure(job)));
}
