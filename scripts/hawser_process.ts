/**
 * The command in a process of its own, with just the permissions given, for the demo and the figures.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = new URL("..", import.meta.url);
/** How often a process's memory and CPU time are looked at, ms. Both only grow, so the last look is the result. */
const SAMPLE_MS = 20;
/** Linux counts CPU time in these, per second. */
const CLOCK_TICKS = 100;

/** What a process used; `undefined` where the system does not tell. */
export interface Usage {
  /** Peak of resident memory, bytes. */
  peakMemory?: number;
  /** CPU time of all threads, seconds. */
  cpuSeconds?: number;
}

/** A line of `--json`. */
export type JsonLine = Record<string, unknown>;

/** A running script. */
export class ScriptProcess {
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncGenerator<string>;
  readonly #sampler: ReturnType<typeof setInterval> | undefined;
  /** What it used so far. */
  readonly usage: Usage = {};

  /**
   * @param script path below the project's root. @param permissions flags of `deno run`. @param args of the script.
   * @param sample whether to watch memory and CPU time (Linux; needs `--allow-all`, which Deno wants for `/proc`).
   */
  constructor(script: string, permissions: readonly string[], args: readonly string[], sample: boolean) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "--unstable-net", ...permissions, script, ...args],
      cwd: ROOT,
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#lines = linesOf(this.#child.stdout);
    if (sample) this.#sampler = setInterval(() => readUsage(this.#child.pid, this.usage), SAMPLE_MS);
  }

  /** The next line of its output, as JSON; throws when it ended instead. */
  async nextJson(): Promise<JsonLine> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`The process ended early: ${(await this.end()).code}`);
    const line: JsonLine = JSON.parse(value);
    if (line.error !== undefined) throw new Error((line.error as { message: string }).message);
    return line;
  }

  /** Waits until it ends on its own. */
  async end(): Promise<Deno.CommandStatus> {
    for await (const _line of this.#lines) { /* what is left unread would keep it from ending */ }
    const status = await this.#child.status;
    clearInterval(this.#sampler);
    return status;
  }

  /** Ends it with SIGTERM. */
  async stop(): Promise<void> {
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // Ended by itself in the meantime.
    }
    await this.end();
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest !== "") yield rest;
}

function readUsage(pid: number, usage: Usage): void {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const peak = /^VmHWM:\s+(\d+) kB/m.exec(status);
    if (peak !== null) usage.peakMemory = Number(peak[1]) * 1024;
    // The name in parentheses may contain spaces: fields are counted after it.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ");
    usage.cpuSeconds = (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS;
  } catch {
    // No /proc here, or the process has ended.
  }
}

/** Path of the command's entry point. */
export const COMMAND: string = fileURLToPath(new URL("src/cli/mod.ts", ROOT));
