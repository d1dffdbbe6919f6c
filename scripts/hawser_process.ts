/**
 * The command in a process of its own, with just the permissions given, for the demo and the tests.
 *
 * @module
 */

import { fileURLToPath } from "node:url";

const ROOT = new URL("..", import.meta.url);

/** A line of `--json`. */
export type JsonLine = Record<string, unknown>;

/** A running script. */
export class ScriptProcess {
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncGenerator<string>;

  /** @param script path below the project's root. @param permissions flags of `deno run`. @param args of the script. */
  constructor(script: string, permissions: readonly string[], args: readonly string[]) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "--unstable-net", ...permissions, script, ...args],
      cwd: ROOT,
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#lines = linesOf(this.#child.stdout);
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
    return await this.#child.status;
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

/** The lines that a process writes. */
export async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest !== "") yield rest;
}

/** Path of the command's entry point. */
export const COMMAND: string = fileURLToPath(new URL("src/cli/mod.ts", ROOT));
