/**
 * The command in processes of its own, with just the permissions that a test gives.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { tempRoot } from "../support/temp.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const COMMAND = join(ROOT, "src/cli/mod.ts");

/** What a test with processes may do itself. */
export const permissions: Deno.PermissionOptions = {
  run: true,
  read: [ROOT, tempRoot],
  write: [tempRoot],
  net: ["127.0.0.1"],
};

/** Flags for loopback and nothing else. */
export const NET = "--allow-net=127.0.0.1";

/** Flags to read and to write below `path`. */
export function readWrite(path: string): string[] {
  return [`--allow-read=${path}`, `--allow-write=${path}`];
}

/** How a process ended. */
export interface Ended {
  readonly code: number;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running process whose output is kept. */
export class RunningProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly ended: Promise<Ended>;
  #stdout = "";
  #wake: (() => void) | undefined;
  #isOver = false;

  /** @param args of `deno run`. */
  constructor(args: readonly string[]) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "--cached-only", ...args],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.ended = this.#run();
  }

  /** The first line of its output as JSON. Fails when it ends before. */
  async firstJson<T = Record<string, string>>(): Promise<T> {
    while (!this.#stdout.includes("\n") && !this.#isOver) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const end = this.#stdout.indexOf("\n");
    if (end < 0) assert.fail(`ended early: ${JSON.stringify(await this.ended)}`);
    return JSON.parse(this.#stdout.slice(0, end));
  }

  /** Sends a signal; nothing when it has ended. */
  kill(signal: Deno.Signal): void {
    if (!this.#isOver) {
      try {
        this.#child.kill(signal);
      } catch {
        // Ended this moment.
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    await this.ended;
  }

  async #run(): Promise<Ended> {
    const decoder = new TextDecoder();
    const reading = (async () => {
      for await (const piece of this.#child.stdout) {
        this.#stdout += decoder.decode(piece, { stream: true });
        this.#wake?.();
      }
    })();
    const [stderr, { code, signal }] = await Promise.all([
      new Response(this.#child.stderr).text(),
      this.#child.status,
      reading,
    ]);
    this.#isOver = true;
    this.#wake?.();
    return { code, signal, stdout: this.#stdout, stderr };
  }
}

/** Starts the command with these permissions. */
export function hawser(flags: readonly string[], ...args: string[]): RunningProcess {
  return new RunningProcess([...flags, COMMAND, ...args]);
}

/** What `share --json` says first. */
export interface Shared {
  readonly ticket: string;
  readonly addresses: readonly string[];
}

/** Shares `path` on loopback. */
export async function share(
  path: string,
  ...args: string[]
): Promise<{ process: RunningProcess; shared: Shared }> {
  const flags = [NET, `--allow-read=${path}`];
  const at = args.indexOf("--key");
  if (at >= 0) flags.push(`--allow-read=${args[at + 1]}`);
  const listen = args.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"];
  const process = hawser(flags, "share", "--json", ...listen, ...args, path);
  return { process, shared: await process.firstJson<Shared>() };
}

/** Fetches with the least permissions. */
export function fetch(ticket: string, parent: string, ...args: string[]): RunningProcess {
  return hawser([NET, ...readWrite(parent)], "fetch", "--json", ...args, ticket, join(parent, "dest"));
}

/** Fails unless a process did what it should. */
export async function assertDone(process: RunningProcess): Promise<Ended> {
  const ended = await process.ended;
  assert.equal(ended.code, 0, JSON.stringify(ended));
  return ended;
}
