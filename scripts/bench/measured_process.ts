/**
 * A process whose CPU time and peak memory the system tells, with those of the processes that it starts.
 *
 * @module
 */

import { readFileSync } from "node:fs";

/** How often the system is asked, ms. Both figures only grow, so the last answer is the result, short by this at most. */
const SAMPLE_MS = 20;
/** Linux counts CPU time in these, per second. */
const CLOCK_TICKS = 100;

/** What a process and those it started used. */
export interface Usage {
  /** CPU time of all threads, seconds. */
  cpuSeconds: number;
  /** Peaks of resident memory, summed over the processes, bytes. */
  peakMemory: number;
}

/** How a process is started. */
export interface ProcessOptions {
  /** Working directory. @default that of this process */
  readonly cwd?: string;
  /** Variables besides those of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

const living = new Set<MeasuredProcess>();

/** Kills every process that is still there, with those it started. */
export function killAll(): void {
  for (const process of living) process.kill();
}

/** Cleans up and ends when a signal asks for it. */
export function endOnSignals(cleanUp: () => void): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      cleanUp();
      Deno.exit(130);
    });
  }
}

/** A running process. Lines of its standard output and standard error come together. */
export class MeasuredProcess {
  /** The name of the program, for messages. */
  readonly name: string;
  readonly #child: Deno.ChildProcess;
  readonly #peaks = new Map<number, number>();
  readonly #sampler: ReturnType<typeof setInterval>;
  readonly #status: Promise<Deno.CommandStatus>;
  readonly #read: Promise<void>;
  #cpuSeconds = 0;
  #output = "";
  #onOutput: (() => void) | undefined;
  #ended = false;

  constructor(command: string, args: readonly string[], { cwd, env }: ProcessOptions = {}) {
    this.name = command;
    this.#child = new Deno.Command(command, {
      args: [...args],
      cwd,
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    living.add(this);
    this.#sampler = setInterval(() => this.#sample(), SAMPLE_MS);
    this.#read = Promise.all([this.#collect(this.#child.stdout), this.#collect(this.#child.stderr)]).then(
      () => undefined,
    );
    this.#status = this.#child.status.then((status) => {
      clearInterval(this.#sampler);
      living.delete(this);
      this.#ended = true;
      this.#onOutput?.();
      return status;
    });
  }

  /** Everything it wrote so far. */
  get output(): string {
    return this.#output;
  }

  /** What it used until now, or until it ended. */
  usage(): Usage {
    if (!this.#ended) this.#sample();
    return { cpuSeconds: this.#cpuSeconds, peakMemory: sum(this.#peaks.values()) };
  }

  /** Waits for output that matches; throws when the process ends before. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#output);
      if (match !== null) return match;
      if (this.#ended) throw new Error(`${this.name} ended early:\n${this.#output.trim()}`);
      await new Promise<void>((resolve) => this.#onOutput = resolve);
    }
  }

  /** Waits until it has ended; throws when it did with another code than 0. */
  async done(): Promise<void> {
    const { code } = await this.#status;
    await this.#read;
    if (code !== 0) throw new Error(`${this.name} ended with code ${code}:\n${this.#output.trim()}`);
  }

  /** Kills it and what it started, and waits until it is gone. */
  async stop(): Promise<void> {
    this.kill();
    await this.#status;
  }

  /** Kills it and what it started. */
  kill(): void {
    if (this.#ended) return;
    for (const pid of family(this.#child.pid).reverse()) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch {
        // Gone in the meantime.
      }
    }
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (
      const piece of stream.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
    ) {
      this.#output += piece;
      this.#onOutput?.();
    }
  }

  #sample(): void {
    let cpuSeconds = 0;
    for (const pid of family(this.#child.pid)) {
      try {
        const status = readFileSync(`/proc/${pid}/status`, "utf8");
        const peak = /^VmHWM:\s+(\d+) kB/m.exec(status);
        if (peak !== null) this.#peaks.set(pid, Number(peak[1]) * 1024);
        // utime, stime, and those of children that have ended. The name in parentheses may contain spaces.
        const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ");
        cpuSeconds += sum(fields.slice(11, 15).map(Number)) / CLOCK_TICKS;
      } catch {
        // No /proc here, or the process has just ended.
      }
    }
    this.#cpuSeconds = Math.max(this.#cpuSeconds, cpuSeconds);
  }
}

/** A process and all that came from it. */
function family(pid: number): number[] {
  const pids = [pid];
  for (let i = 0; i < pids.length; i++) {
    try {
      const children = readFileSync(`/proc/${pids[i]}/task/${pids[i]}/children`, "utf8").trim();
      if (children !== "") pids.push(...children.split(" ").map(Number));
    } catch {
      // As above.
    }
  }
  return pids;
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
