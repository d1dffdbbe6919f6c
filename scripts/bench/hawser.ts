/**
 * Hawser on each runtime: the command, and scripts of this folder, in processes of their own.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildCommand, COMMAND_FILE } from "../build_command.ts";
import { buildPackage, packageJson } from "../build_npm.ts";
import { compile } from "../compile_node.ts";
import { type Contender, type Outcome, timed, type Transfer } from "./contender.ts";
import { MeasuredProcess } from "./measured_process.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DENO_FLAGS = [
  "run",
  "--quiet",
  "--no-prompt",
  // Where a folder elsewhere finds what is optional.
  "--config=deno.json",
  "--unstable-net",
];
const PERMISSIONS = ["--allow-read", "--allow-write", "--allow-net=127.0.0.1", "--allow-sys"];
/** What README has the command installed with, besides. */
const COMMAND_FLAGS = ["--v8-flags=--no-opt"];
/** Scripts of this folder that run on either runtime. */
const SCRIPTS = ["store_script", "serve_script", "connect_script", "offer_script", "fetch_script"];
/** What contenders on Deno are permitted, and how they are called. */
const ON_DENO: Readonly<Record<string, readonly [permissions: readonly string[], title: string]>> = {
  "deno": [PERMISSIONS, "Deno"],
  "deno+ffi": [[...PERMISSIONS, "--allow-ffi"], "Deno with --allow-ffi"],
  "deno+all": [["--allow-all"], "Deno with --allow-all"],
};
const ON_NODE = /^node(\d+)$/;

/** Hawser on one runtime. */
export interface HawserContender extends Contender {
  /** Starts a script of this folder on the same runtime. */
  script(name: string, ...args: readonly string[]): MeasuredProcess;
  /** Starts the command. */
  command(...args: readonly string[]): MeasuredProcess;
}

/** Makes contenders for runtimes; builds what each runs once, in `folder`, where each keeps its cache, too. */
export class Runtimes {
  readonly #folder: string;
  /** The package for Node. */
  readonly #package: string;
  readonly #isOfSources: boolean;
  #builtPackage = false;
  #command: string | undefined;

  /** @param isOfSources whether Deno runs the command from its sources, not as it is installed. */
  constructor(folder: string, isOfSources = false) {
    this.#folder = folder;
    this.#package = join(folder, "package");
    this.#isOfSources = isOfSources;
  }

  /** The contender for `deno`, `deno+ffi`, `deno+all` or `node` with a major version. @param extra flags of the runtime. */
  contender(id: string, extra: readonly string[] = []): HawserContender {
    const node = ON_NODE.exec(id)?.[1];
    if (node !== undefined) return this.#onNode(id, node, extra);
    if (!Object.hasOwn(ON_DENO, id)) {
      throw new Error(`No runtime "${id}": want ${Object.keys(ON_DENO).join(", ")}, or node20`);
    }
    const [permissions, title] = ON_DENO[id];
    const flags = [...DENO_FLAGS, ...permissions, ...extra];
    const start = (...args: readonly string[]) =>
      new MeasuredProcess(Deno.execPath(), [...flags, ...args], { cwd: ROOT });
    const cache = this.#cacheOf(id);
    const script = this.#isOfSources ? "src/cli/mod.ts" : this.#builtCommand();
    const command = (...args: readonly string[]) =>
      start(...COMMAND_FLAGS, script, ...args, "--cache", cache);
    return {
      ...HAWSER,
      id,
      title: `Hawser, ${title}`,
      version: `Deno ${Deno.version.deno}`,
      transfer: (transfer) => shareAndFetch(transfer, command),
      forget: () => rmSync(cache, { recursive: true, force: true }),
      script: (name, ...args) => start(`scripts/bench/${name}.ts`, ...args),
      command,
    };
  }

  #onNode(id: string, major: string, extra: readonly string[]): HawserContender {
    const node = nodeBinary(major);
    this.#buildPackage();
    const start = (script: string, args: readonly string[]) =>
      new MeasuredProcess(node, ["--no-warnings", ...extra, script, ...args], { cwd: this.#package });
    const cache = this.#cacheOf(id);
    const command = (...args: readonly string[]) => start("bin/hawser.js", [...args, "--cache", cache]);
    const version = execFileSync(node, ["--version"], { encoding: "utf8" }).trim();
    return {
      ...HAWSER,
      id,
      title: `Hawser, Node ${major}`,
      version: `Node ${version.slice(1)}`,
      transfer: (transfer) => shareAndFetch(transfer, command),
      forget: () => rmSync(cache, { recursive: true, force: true }),
      script: (name, ...args) => start(`scripts/bench/${name}.js`, args),
      command,
    };
  }

  #cacheOf(id: string): string {
    return join(this.#folder, "caches", id);
  }

  /** The command for Deno. */
  #builtCommand(): string {
    if (this.#command === undefined) {
      const dist = join(this.#folder, "dist");
      buildCommand(dist);
      this.#command = join(dist, COMMAND_FILE);
    }
    return this.#command;
  }

  #buildPackage(): void {
    if (this.#builtPackage) return;
    this.#builtPackage = true;
    buildPackage(this.#package);
    compile(ROOT, SCRIPTS.map((name) => join("scripts/bench", `${name}.ts`)), this.#package);
    // With what is optional, which Deno has by its import map.
    const { peerDependencies } = packageJson() as { peerDependencies: Record<string, string> };
    const peers = Object.entries(peerDependencies).map(([name, version]) => `${name}@${version}`);
    execFileSync("npm", ["install", "--no-audit", "--no-fund", "--silent", ...peers], { cwd: this.#package });
  }
}

const HAWSER = { kind: "hawser", updates: true } as const;

/** The binary of a major version of Node: the one on the path when it is that, else from npm. */
function nodeBinary(major: string): string {
  const print = ["-p", "process.version + ' ' + process.execPath"];
  const [version, path] = execFileSync("node", print, { encoding: "utf8" }).trim().split(" ");
  if (version.startsWith(`v${major}.`)) return path;
  const npx = ["-y", "-p", `node@${major}`, "node", "-p", "process.execPath"];
  return execFileSync("npx", npx, { encoding: "utf8" }).trim();
}

async function shareAndFetch(
  { source, dest, maxDatagram, pinned }: Transfer,
  hawser: (...args: readonly string[]) => MeasuredProcess,
): Promise<Outcome> {
  const limit = maxDatagram === undefined ? [] : ["--max-datagram", String(maxDatagram)];
  const share = ["share", source, "--listen", "127.0.0.1:0", "--json", "--quiet", ...limit];
  if (pinned) share.push("--pinned");
  const begin = performance.now();
  const serving = hawser(...share);
  try {
    const [, ticket] = await serving.until(/"ticket":"([^"]+)"/);
    const readyMs = performance.now() - begin;
    const [fetching, fetchMs] = await timed(async () => {
      const process = hawser("fetch", ticket, dest, "--json", "--quiet", ...limit);
      await process.done();
      return process;
    });
    const { ms, wire } = JSON.parse(fetching.output.trim().split("\n").at(-1)!);
    return {
      readyMs,
      fetchMs,
      workMs: ms,
      serving: serving.usage(),
      fetching: fetching.usage(),
      wireBytes: wire.sent + wire.received,
    };
  } finally {
    await serving.stop();
  }
}
