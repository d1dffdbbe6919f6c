/**
 * Deno's command lines in Node's terms: the compiled script, with the same permissions under Node's permission model.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

/** Compiled code, and the Node that runs it. */
export interface NodeBuild {
  /** The folder of the package and of what was compiled beside it. */
  readonly root: string;
  /** The flags that this Node knows: its `process.allowedNodeEnvironmentFlags`. */
  readonly flags: ReadonlySet<string>;
}

/** Deno's flags with those of Node that allow the same. What a Node does not know, it does not restrict. */
const PERMISSIONS: Readonly<Record<string, string>> = {
  "--allow-read": "--allow-fs-read",
  "--allow-write": "--allow-fs-write",
  "--allow-run": "--allow-child-process",
  "--allow-net": "--allow-net",
};
/** Those of them that take paths. */
const WITH_PATHS = ["--allow-fs-read", "--allow-fs-write"];

/** The compiled command, and its source. Only Node 24 knows which module is the main one: the command has its own. */
const COMMAND = "bin/hawser.js";
const COMMAND_SOURCE = "src/cli/mod.ts";

/** What Node needs to allow a path and all below it: it cannot tell that one is a folder before it is there. */
function below(path: string): string[] {
  return existsSync(path) ? [path] : [path, join(path, "*")];
}

/** The paths that a flag of Deno's allows; all when it names none. */
function pathsOf(value: string | undefined, cwd: string): string[] {
  return value === undefined ? ["*"] : value.split(",").flatMap((path) => below(resolve(cwd, path)));
}

/** Arguments of `node` that do what `deno` does with `args`, which begin with `run`, in the folder `cwd`. */
export function nodeArguments({ root, flags }: NodeBuild, args: readonly string[], cwd: string): string[] {
  if (args[0] !== "run") throw new Error(`Start process: cannot do "deno ${args[0]}" on Node`);
  const end = args.findIndex((arg, i) => i > 0 && !arg.startsWith("-"));
  const model = flags.has("--permission") ? "--permission" : "--experimental-permission";
  const isFree = args.slice(1, end).includes("--allow-all");
  // The code itself must be readable.
  const own = ["--no-warnings", ...isFree ? [] : [model, `--allow-fs-read=${root}`]];
  for (const arg of args.slice(1, end)) {
    const [name, value] = arg.split("=");
    const flag = PERMISSIONS[name];
    if (flag === undefined || isFree || !flags.has(flag)) continue;
    if (!WITH_PATHS.includes(flag)) own.push(flag);
    else own.push(...pathsOf(value, cwd).map((path) => `${flag}=${path}`));
  }
  const script = resolve(cwd, args[end]);
  const compiled = script === join(root, COMMAND_SOURCE)
    ? join(root, COMMAND)
    : script.replace(/\.ts$/, ".js");
  if (!existsSync(compiled)) throw new Error(`Start process: there is no "${compiled}"`);
  return [...own, compiled, ...args.slice(end + 1)];
}
