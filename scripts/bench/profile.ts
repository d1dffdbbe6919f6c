/**
 * `deno task bench:profile`: where the processor's time goes on each side of a transfer, by the runtime's own profiler.
 *
 * Options: `--case ID` (one that moves something, default `file-1g`), `--runtime ID` (default `deno`), `--top N` (default 8),
 * `--keep DIR` (also leave the profiles there, for a browser's tools).
 *
 * @module
 */

import { copyFileSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { CASES } from "./cases.ts";
import { Runtimes } from "./hawser.ts";
import { endOnSignals, killAll } from "./measured_process.ts";
import { makeWorkFolder } from "./work_folder.ts";

/** What V8 writes. */
interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

const { values: options } = parseArgs({
  args: Deno.args,
  options: {
    case: { type: "string", default: "file-1g" },
    runtime: { type: "string", default: "deno" },
    top: { type: "string", default: "8" },
    keep: { type: "string" },
  },
});

/** Milliseconds in each function itself, the greatest first; waiting left out. */
function selfTimes({ nodes, samples, timeDeltas }: Profile): [name: string, ms: number][] {
  const names = new Map(nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
    const where = url === "" ? "" : ` ${basename(url)}:${lineNumber + 1}`;
    return [id, `${functionName || "(anonymous)"}${where}`];
  }));
  const times = new Map<string, number>();
  samples.forEach((id, i) => {
    const name = names.get(id)!;
    times.set(name, (times.get(name) ?? 0) + timeDeltas[i] / 1000);
  });
  times.delete("(idle)");
  return [...times].sort(([, a], [, b]) => b - a);
}

function show(side: string, folder: string): void {
  const [name] = readdirSync(folder);
  if (name === undefined) throw new Error(`The ${side} side has left no profile`);
  const file = join(folder, name);
  const times = selfTimes(JSON.parse(readFileSync(file, "utf8")));
  const total = times.reduce((sum, [, ms]) => sum + ms, 0);
  console.log(`\n${side}: ${(total / 1000).toFixed(2)} s at work on the main thread`);
  for (const [what, ms] of times.slice(0, Number(options.top))) {
    console.log(
      `${(100 * ms / total).toFixed(1).padStart(6)} %  ${(ms / 1000).toFixed(2).padStart(5)} s  ${what}`,
    );
  }
  if (options.keep === undefined) return;
  mkdirSync(options.keep, { recursive: true });
  copyFileSync(file, join(options.keep, `${options.case}-${options.runtime}-${side}.cpuprofile`));
}

async function main(): Promise<void> {
  const wanted = CASES.find(({ id, kind }) => id === options.case && kind === "transfer");
  if (wanted === undefined) throw new Error(`No transfer case "${options.case}"`);
  const { folder, remove } = makeWorkFolder();
  const cleanUp = () => {
    killAll();
    remove();
  };
  endOnSignals(cleanUp);
  try {
    const runtimes = new Runtimes(join(folder, "runtimes"), true);
    const [sending, receiving] = ["sending", "receiving"].map((side) =>
      runtimes.contender(options.runtime, ["--cpu-prof", `--cpu-prof-dir=${join(folder, side)}`])
    );
    const { source, change } = wanted.prepare(folder, { quick: false });
    const dest = join(folder, "dest");
    if (change !== undefined) await runtimes.contender(options.runtime).transfer({ source, dest });
    change?.();
    const limit = wanted.maxDatagram === undefined ? [] : ["--max-datagram", String(wanted.maxDatagram)];
    // Profiles are written at an end in order.
    const share = sending.command(
      "share",
      source,
      "--once",
      "--listen",
      "127.0.0.1:0",
      "--json",
      "--quiet",
      ...limit,
    );
    const [, ticket] = await share.until(/"ticket":"([^"]+)"/);
    await receiving.command("fetch", ticket, dest, "--json", "--quiet", ...limit).done();
    await share.done();
    console.log(`${wanted.title}, ${sending.title}`);
    for (const side of ["sending", "receiving"]) show(side, join(folder, side));
  } finally {
    cleanUp();
  }
}

await main();
Deno.exit(0);
