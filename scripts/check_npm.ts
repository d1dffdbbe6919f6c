/**
 * Uses the package as others do: built twice, packed, installed into an empty project, imported from Node and Deno,
 * compiled against by TypeScript, and its command run against Deno's in both directions. Prints a line per check.
 *
 * @module
 */

import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { buildPackage, packageJson } from "./build_npm.ts";
import { compile, filesBelow } from "./compile_node.ts";
import { compareTrees } from "./compare_trees.ts";
import { makeSeedTree } from "./seed_tree.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Unpacked, without dependencies. */
const MAX_SIZE = 1.5e6;

/** A command and its first arguments. */
type CommandLine = readonly [string, ...string[]];

const folder = mkdtempSync(join(tmpdir(), "hawser-package-"));
const counts = { passed: 0, failed: 0 };

async function check(name: string, work: () => unknown): Promise<void> {
  try {
    const detail = await work();
    counts.passed++;
    console.log(`ok     ${name}${typeof detail === "string" ? ` (${detail})` : ""}`);
  } catch (error) {
    counts.failed++;
    console.log(`FAILED ${name}\n${(error as Error).stack}`);
  }
}

function run(cwd: string, command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd, encoding: "utf8" });
}

function digestOf(path: string): string {
  const hash = createHash("sha256");
  for (const file of filesBelow(path, ".", "")) hash.update(file).update(readFileSync(join(path, file)));
  return hash.digest("hex");
}

/** Installs what `npm pack` makes of the build into an empty project; where that is. */
function installPackage(): string {
  const built = join(folder, "first");
  buildPackage(built);
  const tarball = run(built, "npm", "pack", "--silent", "--pack-destination", folder).trim();
  const project = join(folder, "project");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{"name":"consumer","private":true,"type":"module"}');
  // Types of Node are what every TypeScript project for Node has; the declarations refer to them.
  const packages = [join(folder, tarball), "@types/node@20"];
  run(project, "npm", "install", "--no-audit", "--no-fund", "--silent", ...packages);
  return project;
}

function consumer(entries: readonly string[]): string {
  const imports = entries.map((entry, i) => `import * as entry${i} from "${entry}";`);
  return `${imports.join("\n")}
import { type FetchDirStats, MeshNode, type Session } from "@hawser/mesh";
export const entries: object[] = [${entries.map((_, i) => `entry${i}`).join(", ")}];
export async function connect(id: Uint8Array): Promise<Session> {
  const node: MeshNode = await MeshNode.start({ listen: "127.0.0.1:0" });
  return await node.connect({ id, addresses: ["127.0.0.1:4000"] });
}
export const filesOf = (stats: FetchDirStats): number => stats.files;
`;
}

/** Compiles a consumer against the declarations, those of dependencies included. */
function compileConsumer(project: string, bundler: boolean): void {
  const file = join(project, "consumer.ts");
  const program = ts.createProgram([file], {
    noEmit: true,
    strict: true,
    skipLibCheck: false,
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2024.d.ts", "lib.dom.d.ts", "lib.dom.asynciterable.d.ts", "lib.esnext.disposable.d.ts"],
    types: ["node"],
    typeRoots: [join(project, "node_modules/@types")],
    module: bundler ? ts.ModuleKind.ESNext : ts.ModuleKind.NodeNext,
    moduleResolution: bundler ? ts.ModuleResolutionKind.Bundler : ts.ModuleResolutionKind.NodeNext,
  });
  const problems = ts.getPreEmitDiagnostics(program);
  if (problems.length === 0) return;
  throw new Error(ts.formatDiagnostics(problems, {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => project,
    getNewLine: () => "\n",
  }));
}

/** Shares a tree with one command and fetches it with another; both as processes. */
async function shareAndFetch(
  project: string,
  share: CommandLine,
  fetch: CommandLine | ((ticket: string, to: string) => unknown),
): Promise<string> {
  const from = join(folder, "tree");
  const to = join(folder, "copy");
  rmSync(to, { recursive: true, force: true });
  const sharing = spawn(share[0], [
    ...share.slice(1),
    "share",
    from,
    "--listen",
    "127.0.0.1:0",
    "--json",
    "--once",
  ], {
    cwd: project,
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const ended = new Promise<number | null>((resolve) => sharing.once("exit", resolve));
    const lines = createInterface(sharing.stdout)[Symbol.asyncIterator]();
    const first = await lines.next();
    if (first.done) throw new Error(`share ended with ${await ended}`);
    const { ticket } = JSON.parse(first.value);
    if (typeof fetch === "function") fetch(ticket, to);
    else run(project, fetch[0], ...fetch.slice(1), "fetch", ticket, to, "--quiet");
    for (let next = await lines.next(); !next.done; next = await lines.next());
    const code = await ended;
    if (code !== 0) throw new Error(`share ended with ${code}`);
    const { files, symlinks } = compareTrees(from, to);
    return `${files} files, ${symlinks} links`;
  } finally {
    sharing.kill("SIGKILL");
  }
}

try {
  const project = installPackage();
  const installed = join(project, "node_modules/@hawser/mesh");
  const entries = Object.keys(packageJson().exports as object).map((name) => `@hawser/mesh${name.slice(1)}`);
  const deno: CommandLine = [
    process.execPath,
    "run",
    "--quiet",
    "--no-prompt",
    "--unstable-net",
    "--allow-net=127.0.0.1",
    "--allow-read",
    "--allow-write",
    join(ROOT, "src/cli/mod.ts"),
  ];
  const npx: CommandLine = ["npx", "--no", "hawser"];

  await check("two builds are the same bytes", () => {
    buildPackage(join(folder, "second"));
    if (digestOf(join(folder, "first")) !== digestOf(join(folder, "second"))) throw new Error("they differ");
  });
  await check(`unpacked size is at most ${MAX_SIZE / 1e6} MB`, () => {
    const files = filesBelow(installed, ".", "");
    const size = files.reduce((sum, file) => sum + statSync(join(installed, file)).size, 0);
    if (size > MAX_SIZE) throw new Error(`it is ${size}`);
    return `${(size / 1e6).toFixed(2)} MB, ${files.length} files`;
  });
  await check("nothing in it names a place of this machine", () => {
    const named = filesBelow(installed, ".", "").filter((file) =>
      readFileSync(join(installed, file), "latin1").includes(ROOT)
    );
    if (named.length > 0) throw new Error(named.join(", "));
  });
  for (const entry of entries) {
    await check(`node imports ${entry}`, () => {
      const script = `console.log(Object.keys(await import("${entry}")).length)`;
      return `${run(project, "node", "--input-type=module", "-e", script).trim()} exports`;
    });
  }
  await check("deno imports the installed package", () => {
    const file = join(project, "deno_consumer.js");
    writeFileSync(
      file,
      'const { VERSION, MeshNode } = await import("@hawser/mesh"); console.log(typeof MeshNode, VERSION ?? "");',
    );
    const flags = ["--quiet", "--no-prompt", "--node-modules-dir=manual", "--unstable-net", "--allow-read"];
    const text = run(project, process.execPath, "run", ...flags, file).trim();
    if (!text.startsWith("function")) throw new Error(text);
  });
  writeFileSync(join(project, "consumer.ts"), consumer(entries));
  await check("TypeScript, moduleResolution nodenext", () => compileConsumer(project, false));
  await check("TypeScript, moduleResolution bundler", () => compileConsumer(project, true));

  makeSeedTree(join(folder, "tree"), 40);
  await check("node shares, node fetches", () => shareAndFetch(project, npx, npx));
  await check("deno shares, node fetches", () => shareAndFetch(project, deno, npx));
  await check("node shares, deno fetches", () => shareAndFetch(project, npx, deno));
  compile(ROOT, filesBelow(ROOT, "examples", ".ts"), project);
  const runExample = (name: string, ...args: string[]) =>
    run(project, "node", `examples/${name}.js`, ...args).trim().split("\n").at(-1)!;
  for (const name of ["authorize", "streams"]) {
    await check(`node runs examples/${name}`, () => runExample(name));
  }
  await check("node runs examples/serve_store", () => runExample("serve_store", join(folder, "store")));
  await check("node runs examples/share_fetch", () => {
    // It shares what this project has at that place.
    mkdirSync(join(project, "src/wire"), { recursive: true });
    writeFileSync(join(project, "src/wire/a.txt"), "a");
    return runExample("share_fetch", join(folder, "fetched"));
  });
  await check(
    "node runs examples/progress against deno's share",
    () => shareAndFetch(project, deno, (ticket, to) => runExample("progress", ticket, to)),
  );
  await check("nothing is left beside the copy", () => {
    const names = readdirSync(folder).filter((name) => name.startsWith("."));
    if (names.length > 0) throw new Error(names.join(", "));
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed === 0 ? 0 : 1);
