/**
 * The small part of `Deno` that the tests use, on Node: tests that register themselves, and processes. The build of the
 * tests imports it wherever a test names `Deno`, so that the library under test finds no such global.
 *
 * @module
 */

import { spawn, type StdioOptions } from "node:child_process";
import os from "node:os";
import { dirname } from "node:path";
import process from "node:process";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { nodeArguments, type NodeBuild } from "./node_arguments.ts";

/** The body of a test or of one of its steps. */
export type TestBody = (context: TestContext) => void | Promise<void>;

/** What a test is given. */
export interface TestContext {
  /** Its name. */
  readonly name: string;
  /** Runs a part of it under a name of its own. */
  step(name: string, body: TestBody): Promise<boolean>;
}

/** A registered test. Permissions are not taken away here: Node cannot do it inside of a process. */
export interface Definition {
  readonly name: string;
  readonly fn: TestBody;
  readonly ignore?: boolean;
  readonly sanitizeResources?: boolean;
}

/** The tests that were registered, in that order. */
export const definitions: Definition[] = [];

/** The forms of `Deno.test` that the tests use. */
function test(
  first: string | Definition,
  second?: TestBody | Partial<Definition>,
  third?: TestBody,
): void {
  if (typeof first !== "string") definitions.push(first);
  else if (typeof second === "function") definitions.push({ name: first, fn: second });
  else definitions.push({ ...second, name: first, fn: third! });
}

/** Where the compiled tests are, and what this Node knows. */
const BUILD: NodeBuild = {
  root: dirname(dirname(fileURLToPath(import.meta.url))),
  flags: process.allowedNodeEnvironmentFlags,
};

/** What of `Deno.CommandOptions` is used. */
interface CommandOptions {
  readonly args?: readonly string[];
  readonly cwd?: string | URL;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: "null";
  readonly stdout?: "piped" | "null" | "inherit";
  readonly stderr?: "piped" | "null" | "inherit";
}

/** How a process ended. */
interface CommandStatus {
  readonly success: boolean;
  readonly code: number;
  readonly signal: NodeJS.Signals | null;
}

/** As `Deno.ChildProcess`. */
interface ChildProcess {
  readonly pid: number;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  readonly status: Promise<CommandStatus>;
  kill(signal?: NodeJS.Signals): void;
}

/** As `Deno.Command`; where Deno itself is to be started, Node is. */
class Command {
  constructor(readonly file: string | URL, readonly options: CommandOptions = {}) {}

  spawn(): ChildProcess {
    const { args = [], env, stdout = "inherit", stderr = "inherit" } = this.options;
    const cwd = this.options.cwd instanceof URL ? fileURLToPath(this.options.cwd) : this.options.cwd;
    const file = String(this.file);
    const own = file === process.execPath ? nodeArguments(BUILD, args, cwd ?? process.cwd()) : args;
    const stdio = [
      "ignore",
      ...[stdout, stderr].map((to) => to === "piped" ? "pipe" : to === "null" ? "ignore" : to),
    ];
    const child = spawn(file, own, { cwd, env: { ...process.env, ...env }, stdio: stdio as StdioOptions });
    const status = new Promise<CommandStatus>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (exitCode, signal) => {
        const code = exitCode ?? 128 + os.constants.signals[signal!];
        resolve({ success: code === 0, code, signal });
      });
    });
    const streamOf = (from: Readable | null) =>
      from === null ? undefined! : Readable.toWeb(from) as unknown as ReadableStream<Uint8Array>;
    return {
      pid: child.pid!,
      stdout: streamOf(child.stdout),
      stderr: streamOf(child.stderr),
      status,
      kill: (signal = "SIGTERM") => {
        if (!child.kill(signal)) throw new TypeError("Child process has already terminated");
      },
    };
  }

  async output(): Promise<CommandStatus & { stdout: Uint8Array; stderr: Uint8Array }> {
    const child = new Command(this.file, { stdout: "piped", stderr: "piped", ...this.options }).spawn();
    const read = async (stream: ReadableStream<Uint8Array> | undefined) =>
      new Uint8Array(await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer());
    const [stdout, stderr, status] = await Promise.all([
      read(child.stdout),
      read(child.stderr),
      child.status,
    ]);
    return { ...status, stdout, stderr };
  }
}

/** What stands for `Deno` in the tests. */
export const Deno = {
  test,
  Command,
  build: { os: process.platform },
  execPath: (): string => process.execPath,
  cwd: (): string => process.cwd(),
};
