/**
 * The small part of `Deno` that the tests use, on Node: tests that register themselves, and processes. The build of the
 * tests imports it wherever a test names `Deno`, so that the library under test finds no such global.
 *
 * @module
 */

import { spawn, type StdioOptions } from "node:child_process";
import { existsSync } from "node:fs";
import os from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

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

/** Where the compiled tests are. */
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const COMMAND = join(ROOT, "bin/hawser.js");

/** Whether this Node has a flag: the permission model changed its name and grew. */
const hasFlag = (flag: string): boolean => process.allowedNodeEnvironmentFlags.has(flag);

/** Deno's flags with those of Node that allow the same. Without one, Node does not restrict it. */
const PERMISSIONS: Readonly<Record<string, string | undefined>> = {
  "--allow-read": "--allow-fs-read",
  "--allow-write": "--allow-fs-write",
  "--allow-run": "--allow-child-process",
  "--allow-net": hasFlag("--allow-net") ? "--allow-net" : undefined,
};
/** Those of them that take paths. */
const WITH_PATHS = ["--allow-fs-read", "--allow-fs-write"];

/** What Node needs to allow a path and all below it: it cannot tell that one is a folder before it is there. */
function below(path: string): string[] {
  return existsSync(path) ? [path] : [path, join(path, "*")];
}

/** The paths that a flag of Deno's allows; all when it names none. */
function pathsOf(value: string | undefined, cwd: string): string[] {
  return value === undefined ? ["*"] : value.split(",").flatMap((path) => below(resolve(cwd, path)));
}

/** Arguments of `node` that do what `deno` does with `args`: a script with the same permissions, under Node's model. */
export function nodeArguments(args: readonly string[], cwd: string): string[] {
  if (args[0] !== "run") throw new Error(`Start process: cannot do "deno ${args[0]}" on Node`);
  const end = args.findIndex((arg, i) => i > 0 && !arg.startsWith("-"));
  const model = hasFlag("--permission") ? "--permission" : "--experimental-permission";
  const isFree = args.slice(1, end).includes("--allow-all");
  // The code itself must be readable.
  const flags = ["--no-warnings", ...isFree ? [] : [model, `--allow-fs-read=${ROOT}`]];
  for (const arg of args.slice(1, end)) {
    const [name, value] = arg.split("=");
    const flag = PERMISSIONS[name];
    if (flag === undefined || isFree) continue;
    if (!WITH_PATHS.includes(flag)) flags.push(flag);
    else flags.push(...pathsOf(value, cwd).map((path) => `${flag}=${path}`));
  }
  const script = resolve(cwd, args[end]);
  // Only Node 24 knows which module is the main one.
  const compiled = script === join(ROOT, "src/cli/mod.ts") ? COMMAND : script.replace(/\.ts$/, ".js");
  if (!existsSync(compiled)) throw new Error(`Start process: there is no "${compiled}"`);
  return [...flags, compiled, ...args.slice(end + 1)];
}

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
    const own = file === process.execPath ? nodeArguments(args, cwd ?? process.cwd()) : args;
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
