/**
 * Measures a case: every contender in turn, run by run, so that what slows the machine for a while slows all alike.
 *
 * @module
 */

import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Case, Input } from "./cases.ts";
import type { Contender } from "./contender.ts";
import type { HawserContender } from "./hawser.ts";
import { killAll, type MeasuredProcess } from "./measured_process.ts";
import type { Row, Run } from "./results.ts";

/** No run of anything takes longer, ms. */
const RUN_LIMIT = 240_000;
/** How long small things are counted, seconds. */
const RATE_SECONDS = 2;
/** Fetches by nodes that are up: the first ones, which run code for the first time, do not count. */
const LIVE_UNCOUNTED = 15;
const LIVE_COUNTED = 15;
/** Inputs of more bytes are not moved once for warming up as well. */
const WARM_UP_LIMIT = 2 * 2 ** 30;

/** How {@linkcode measureCase} measures. */
export interface MeasureOptions {
  /** Measured runs of each contender. */
  readonly runs: number;
  /** Where inputs and copies are. */
  readonly folder: string;
  /** Told of every run. */
  readonly onRun: (contender: Contender, run: Run | Error, number: number) => void;
}

/** Measures `contenders`; those that failed are not among the rows. */
export async function measureCase(
  { id, kind, maxDatagram, pinned }: Case,
  input: Input,
  hawser: readonly HawserContender[],
  peers: readonly Contender[],
  { runs, folder, onRun }: MeasureOptions,
): Promise<Row[]> {
  const dest = join(folder, "dest");
  const measures = [
    ...hawser.map((contender) => ({
      contender: contender as Contender,
      measure: () => {
        if (kind === "store") return store(contender, input.source, dest);
        if (kind === "transfer") return transfer(contender, input, dest, { maxDatagram, pinned });
        if (kind === "live") return live(contender, input.source, dest);
        return rate(contender, id);
      },
    })),
    ...peers.map((contender) => ({
      contender,
      measure: () => transfer(contender, input, dest, { maxDatagram, pinned }),
    })),
  ];
  const done = new Map<Contender, Run[]>(measures.map(({ contender }) => [contender, []]));
  // Run 0 is not counted: it finds programs and caches cold.
  for (let number = input.bytes > WARM_UP_LIMIT ? 1 : 0; number <= runs; number++) {
    for (const { contender, measure } of measures) {
      const counted = done.get(contender);
      if (counted === undefined) continue;
      try {
        const run = await limited(measure());
        if (number > 0) counted.push(run);
        onRun(contender, run, number);
      } catch (error) {
        done.delete(contender);
        onRun(contender, error as Error, number);
      } finally {
        rmSync(dest, { recursive: true, force: true });
      }
    }
  }
  return [...done].map(([{ id, title, kind, version }, runs]) => ({ id, title, kind, version, runs }))
    .filter(({ runs }) => runs.length > 0);
}

async function transfer(
  contender: Contender,
  { source, file, change }: Input,
  dest: string,
  how: Pick<Case, "maxDatagram" | "pinned">,
): Promise<Run> {
  contender.forget?.();
  if (change !== undefined) await contender.transfer({ source, dest });
  const undo = change?.();
  const { readyMs, fetchMs, workMs, serving, fetching, wireBytes } = await contender.transfer({
    source,
    file,
    dest,
    ...how,
  }).finally(undo);
  return {
    totalMs: readyMs + fetchMs,
    readyMs,
    fetchMs,
    workMs,
    servingCpu: serving.cpuSeconds,
    fetchingCpu: fetching.cpuSeconds,
    servingPeak: serving.peakMemory,
    fetchingPeak: fetching.peakMemory,
    wireBytes,
  };
}

async function store(contender: HawserContender, source: string, dest: string): Promise<Run> {
  const begin = performance.now();
  const process = contender.script("store_script", source, dest);
  try {
    await process.done();
    const totalMs = performance.now() - begin;
    return { totalMs, workMs: lastJson(process).ms, ...fetchingUsage(process) };
  } finally {
    await process.stop();
  }
}

async function rate(contender: HawserContender, what: string): Promise<Run> {
  const server = contender.script("serve_script");
  const client = (line: string) => contender.script("connect_script", what, line, String(RATE_SECONDS));
  const { answer: { perSecond }, ...usage } = await between(server, client);
  return { perSecond, ...usage };
}

async function live(contender: HawserContender, source: string, dest: string): Promise<Run> {
  const server = contender.script("offer_script", source);
  const rounds = [LIVE_UNCOUNTED, LIVE_COUNTED].map(String);
  const client = (line: string) => contender.script("fetch_script", line, dest, ...rounds);
  const { answer: { ms }, ...usage } = await between(server, client);
  return { workMs: ms, ...usage };
}

/** Lets a client, made with the line of JSON that the server says first, work to its end. */
async function between(server: MeasuredProcess, start: (line: string) => MeasuredProcess) {
  try {
    const [line] = await server.until(/^\{.*\}$/m);
    const client = start(line);
    try {
      await client.done();
      const { cpuSeconds: servingCpu, peakMemory: servingPeak } = server.usage();
      return { answer: lastJson(client), servingCpu, servingPeak, ...fetchingUsage(client) };
    } finally {
      await client.stop();
    }
  } finally {
    await server.stop();
  }
}

function fetchingUsage(process: MeasuredProcess): { fetchingCpu: number; fetchingPeak: number } {
  const { cpuSeconds: fetchingCpu, peakMemory: fetchingPeak } = process.usage();
  return { fetchingCpu, fetchingPeak };
}

function lastJson(process: MeasuredProcess): Record<string, number> {
  return JSON.parse(process.output.trim().split("\n").at(-1)!);
}

/** Kills what runs once a run takes too long, which fails then. */
async function limited(run: Promise<Run>): Promise<Run> {
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    killAll();
  }, RUN_LIMIT);
  try {
    return await run;
  } catch (error) {
    throw late ? new Error(`took longer than ${RUN_LIMIT / 1000} s`, { cause: error }) : error;
  } finally {
    clearTimeout(timer);
  }
}
