/**
 * Processes of both runtimes, started the same way: Deno runs the sources, Node what was compiled from them. Run by
 * `deno task test:e2e`, which says where the compiled code is.
 *
 * @module
 */

import assert from "node:assert/strict";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { linesOf } from "../../scripts/hawser_process.ts";
import { nodeArguments } from "../../scripts/node_arguments.ts";
import { NET, readWrite } from "../e2e/command.ts";
import { tempRoot } from "../support/temp.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** The command. */
const COMMAND = "src/cli/mod.ts";

/** The variables in which `scripts/test_e2e.ts` names the Node to use, its flags and the folder of its code. */
export const VARIABLES = ["HAWSER_NODE", "HAWSER_NODE_FLAGS", "HAWSER_NODE_BUILD"] as const;

const [nodePath, nodeFlags, nodeRoot] = VARIABLES.map((name) => {
  const value = process.env[name];
  if (value === undefined) {
    throw new Error(`Test across runtimes: ${name} is not set, use "deno task test:e2e"`);
  }
  return value;
});

/** What these tests may do themselves. */
export const permissions: Deno.PermissionOptionsObject = {
  run: true,
  read: [ROOT, nodeRoot, tempRoot],
  write: [tempRoot],
  net: ["127.0.0.1"],
};

/** How a program ended. */
export interface Ended {
  readonly code: number;
  readonly signal: string | null;
  readonly stderr: string;
}

/** What a program says: one JSON object per line. */
export type Line = Record<string, unknown>;

/** A running process that speaks in lines of JSON. */
export class Program implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: AsyncGenerator<string>;
  /** Resolves when it has ended; what it said since is lost. */
  readonly ended: Promise<Ended>;
  #isOver = false;

  /** @param file the program. @param args its arguments. */
  constructor(file: string, args: readonly string[], cwd: string) {
    this.#child = new Deno.Command(file, {
      args: [...args],
      cwd,
      env: { NO_COLOR: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#lines = linesOf(this.#child.stdout);
    this.ended = this.#run();
  }

  /** The next thing that it says. Fails when it ends instead. */
  async hear<T = Line>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done) assert.fail(`ended early: ${JSON.stringify(await this.ended)}`);
    return JSON.parse(value);
  }

  /** Says something to it. */
  async tell(line: Line): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
  }

  /** Fails unless it ends by itself, and well. Returns the last thing that it said. */
  async finish(): Promise<Line> {
    let last = "{}";
    for await (const line of this.#lines) last = line;
    const ended = await this.ended;
    assert.equal(ended.code, 0, JSON.stringify(ended));
    return JSON.parse(last);
  }

  /** Ends it with SIGKILL, and waits until it is gone. */
  async kill(): Promise<void> {
    if (!this.#isOver) {
      try {
        this.#child.kill("SIGKILL");
      } catch {
        // Ended this moment.
      }
    }
    await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    // Nobody hears the rest; without this the pipe stays open.
    for await (const _line of this.#lines) { /* dropped */ }
  }

  async #run(): Promise<Ended> {
    const [stderr, { code, signal }] = await Promise.all([
      new Response(this.#child.stderr).text(),
      this.#child.status,
    ]);
    this.#isOver = true;
    await this.#input.close().catch(() => {});
    return { code, signal, stderr };
  }
}

/** One of the two runtimes. */
export interface Runtime {
  readonly name: "deno" | "node";
  /** Starts a script of the project with just these permissions: flags of `deno run`. */
  start(flags: readonly string[], script: string, ...args: string[]): Program;
}

/** Deno, on the sources. */
export const deno: Runtime = {
  name: "deno",
  start(flags, script, ...args) {
    const own = ["run", "--quiet", "--no-prompt", "--cached-only", "--unstable-net"];
    return new Program(Deno.execPath(), [...own, ...flags, script, ...args], ROOT);
  },
};

/** Node, on what was compiled. */
export const node: Runtime = {
  name: "node",
  start(flags, script, ...args) {
    const build = { root: nodeRoot, flags: new Set(nodeFlags.split(",")) };
    return new Program(
      nodePath,
      nodeArguments(build, ["run", ...flags, script, ...args], nodeRoot),
      nodeRoot,
    );
  },
};

/** Both ways round. */
export const pairs: readonly (readonly [Runtime, Runtime])[] = [[deno, node], [node, deno]];

/** What `share --json` says first. */
export interface Shared {
  readonly ticket: string;
  readonly addresses: readonly string[];
}

/** What `share --json` says once it has read everything. */
export interface Read {
  readonly event: "read";
  readonly ref: string;
}

/** Options of {@linkcode share}. */
export interface ShareOptions {
  /** A key file. @default a key of its own */
  readonly key?: string;
  /** Where to listen. @default a free port of loopback */
  readonly listen?: string;
  /** Ends after the first complete fetch. @default false */
  readonly once?: boolean;
}

/** Shares `path` on loopback with the least permissions. */
export async function share(
  runtime: Runtime,
  path: string,
  { key, listen = "127.0.0.1:0", once = false }: ShareOptions = {},
): Promise<{ program: Program; shared: Shared }> {
  const flags = [NET, `--allow-read=${key === undefined ? path : `${path},${key}`}`];
  const options = [...key === undefined ? [] : ["--key", key], ...once ? ["--once"] : []];
  const program = runtime.start(flags, COMMAND, "share", "--json", "--listen", listen, ...options, path);
  return { program, shared: await program.hear<Shared>() };
}

/** Fetches to `parent`/dest with the least permissions, or with those given. */
export function fetch(
  runtime: Runtime,
  ticket: string,
  parent: string,
  flags: readonly string[] = readWrite(parent),
): Program {
  return runtime.start([NET, ...flags], COMMAND, "fetch", "--json", ticket, `${parent}/dest`);
}
