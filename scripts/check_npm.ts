/**
 * Uses the package as others do: built twice, packed, installed into an empty project, imported from Node, Deno and Bun,
 * compiled against by TypeScript, and its command run against Deno's in both directions. Prints a line per check, and what
 * the package weighs and a start takes.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { buildPackage, packageJson } from "./build_npm.ts";
import { compile, filesBelow } from "./compile_node.ts";
import { compileConsumer, makeProject, pack } from "./consumer_project.ts";
import { serveRegistry } from "./local_registry.ts";
import { type CommandLine, medianTime, run, runWith } from "./run_program.ts";
import { makeSeedTree } from "./seed_tree.ts";
import { type Fetch, shareAndFetch } from "./share_and_fetch.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Unpacked, without dependencies. */
const MAX_SIZE = 1.5e6;
/** Runs of which the start's time is the median. */
const STARTS = 10;
/** What Deno's command may do: what README tells. */
const DENO_FLAGS = [
  "--unstable-net",
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-sys=networkInterfaces",
];

const folder = mkdtempSync(join(tmpdir(), "hawser-package-"));
const counts = { passed: 0, failed: 0, skipped: 0 };

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

function digestOf(path: string): string {
  const hash = createHash("sha256");
  for (const file of filesBelow(path, ".", "")) hash.update(file).update(readFileSync(join(path, file)));
  return hash.digest("hex");
}

/** The package's files: the same at every build, small enough, and of no particular machine. */
async function checkFiles(installed: string): Promise<void> {
  await check("two builds are the same bytes", () => {
    buildPackage(join(folder, "second"));
    if (digestOf(join(folder, "first")) !== digestOf(join(folder, "second"))) throw new Error("they differ");
  });
  const files = filesBelow(installed, ".", "");
  await check(`unpacked size is at most ${MAX_SIZE / 1e6} MB`, () => {
    const size = files.reduce((sum, file) => sum + statSync(join(installed, file)).size, 0);
    if (size > MAX_SIZE) throw new Error(`it is ${size}`);
    return `${(size / 1e6).toFixed(2)} MB, ${files.length} files`;
  });
  await check("nothing in it names a place of this machine", () => {
    const named = files.filter((file) => readFileSync(join(installed, file), "latin1").includes(ROOT));
    if (named.length > 0) throw new Error(named.join(", "));
  });
}

/** Every entry point, from every runtime and from TypeScript. */
async function checkImports(project: string, bun: string | undefined): Promise<void> {
  const entries = Object.keys(packageJson().exports as object).map((name) => `@hawser/mesh${name.slice(1)}`);
  const file = join(project, "imports.mjs");
  const names = JSON.stringify(entries);
  writeFileSync(
    file,
    `for (const name of ${names}) console.log(name, Object.keys(await import(name)).length);\n`,
  );
  const programs: Record<string, CommandLine> = {
    node: ["node"],
    deno: [process.execPath, "run", "--quiet", "--no-prompt", "--node-modules-dir=manual", "--allow-read"],
    ...bun === undefined ? {} : { bun: [bun] },
  };
  let expected: string | undefined;
  for (const [name, [program, ...args]] of Object.entries(programs)) {
    await check(`${name} imports every entry point`, async () => {
      const text = (await run(project, program, ...args, file)).trim();
      if (text !== (expected ??= text)) {
        throw new Error(`other exports than with node:\n${text}\n${expected}`);
      }
      return text.replaceAll("\n", ", ");
    });
  }
  await check("TypeScript, moduleResolution nodenext", () => compileConsumer(project, entries, false));
  await check("TypeScript, moduleResolution bundler", () => compileConsumer(project, entries, true));
}

/** The package by its name in Deno, from a registry that has it: `npm:@hawser/mesh`. */
async function checkSpecifier(tarball: string): Promise<void> {
  const manifest = packageJson() as { name: string; version: string };
  const specifier = `npm:${manifest.name}@${manifest.version}`;
  await check(`deno takes ${specifier}`, async () => {
    await using registry = await serveRegistry(manifest, tarball);
    const project = join(folder, "specifier");
    mkdirSync(project);
    writeFileSync(join(project, ".npmrc"), registry.npmrc);
    writeFileSync(
      join(project, "main.ts"),
      `import { MeshNode } from "${specifier}";\nimport { main } from "${specifier}/cli";\n` +
        `const node: MeshNode = await MeshNode.start({ listen: "127.0.0.1:0" });\n` +
        `await node.close();\nconsole.log(typeof main, node.id.length);\n`,
    );
    writeFileSync(join(project, "deno.json"), '{ "nodeModulesDir": "none", "lock": false }');
    // A cache of its own: the user's would keep a package that nobody published.
    const env = { DENO_DIR: join(folder, "deno_cache") };
    const text = await runWith(
      env,
      project,
      process.execPath,
      "run",
      "--check",
      "--no-prompt",
      "--quiet",
      "--unstable-net",
      "--allow-net=127.0.0.1",
      "main.ts",
    );
    if (text.trim() !== "function 32") throw new Error(text);
    const command = [...DENO_FLAGS, `${specifier}`, "--version"];
    const version = await runWith(env, project, process.execPath, "run", "--quiet", ...command);
    if (version.trim() !== manifest.version) throw new Error(version);
  });
}

/** Deno's command as `deno install` leaves it, made from the sources. */
async function installDenoCommand(): Promise<CommandLine> {
  const root = join(folder, "deno_root");
  const args = [
    "--global",
    "--quiet",
    "--root",
    root,
    "--name",
    "hawser",
    "--config",
    join(ROOT, "deno.json"),
  ];
  await run(ROOT, process.execPath, "install", ...args, ...DENO_FLAGS, join(ROOT, "src/cli/mod.ts"));
  return [join(root, "bin/hawser")];
}

/** A tree from each command to each other one. */
async function checkCommands(project: string, bun: string | undefined): Promise<void> {
  const tree = join(folder, "tree");
  makeSeedTree(tree, 40);
  const transfer = (share: CommandLine, fetch: Fetch) => shareAndFetch(project, tree, share, fetch);
  const npx: CommandLine = ["npx", "--no", "hawser"];
  let deno: CommandLine | undefined;
  await check("deno install makes the command", async () => {
    deno = await installDenoCommand();
    const [text, version] = [await run(project, deno[0], "--version"), packageJson().version];
    if (text.trim() !== version) throw new Error(`it is version ${text}`);
  });
  await check("npx shares, npx fetches", () => transfer(npx, npx));
  if (deno !== undefined) {
    const installed = deno;
    await check("deno shares, npx fetches", () => transfer(installed, npx));
    await check("npx shares, deno fetches", () => transfer(npx, installed));
    await check(
      "node runs examples/progress against deno's share",
      () => transfer(installed, (ticket, to) => runExample(project, "progress", ticket, to)),
    );
  }
  if (bun !== undefined) {
    const command: CommandLine = [bun, "node_modules/@hawser/mesh/bin/hawser.js"];
    await check("bun shares, npx fetches", () => transfer(command, npx));
    await check("npx shares, bun fetches", () => transfer(npx, command));
  }
}

async function runExample(project: string, name: string, ...args: string[]): Promise<string> {
  const text = await run(project, "node", `examples/${name}.js`, ...args);
  return text.trim().split("\n").at(-1)!;
}

async function checkExamples(project: string): Promise<void> {
  const dir = join(folder, "examples");
  mkdirSync(dir);
  // One of them shares what this project has at that place.
  mkdirSync(join(project, "src/wire"), { recursive: true });
  writeFileSync(join(project, "src/wire/a.txt"), "a");
  const args: Record<string, string[]> = {
    authorize: [],
    streams: [],
    serve_store: [join(dir, "store")],
    share_fetch: [join(dir, "fetched")],
  };
  for (const [name, given] of Object.entries(args)) {
    await check(`node runs examples/${name}`, () => runExample(project, name, ...given));
  }
}

/** Bun from npm; `undefined`, with the reason printed, where it does not run. */
async function installBun(): Promise<string | undefined> {
  const project = join(folder, "bun");
  const bun = join(project, "node_modules/.bin/bun");
  try {
    await makeProject(project, "bun@1");
    console.log(`bun ${(await run(project, bun, "--version")).trim()}`);
    return bun;
  } catch (error) {
    counts.skipped++;
    console.log(`skipped: bun does not run here: ${(error as Error).message.split("\n")[0]}`);
    return undefined;
  }
}

async function printStart(project: string): Promise<void> {
  const median = (script: string) => medianTime(STARTS, project, "node", "-e", script);
  const own = await median("0");
  const whole = await median('import("@hawser/mesh")');
  console.log(
    `start  node -e 'import("@hawser/mesh")': ${whole.toFixed(0)} ms, ${own.toFixed(0)} of them node's own ` +
      `(medians of ${STARTS})`,
  );
}

try {
  const built = join(folder, "first");
  buildPackage(built);
  const tarball = await pack(built, folder);
  const project = join(folder, "project");
  // Types of Node are what every TypeScript project for Node has; the declarations refer to them.
  await makeProject(project, tarball, "@types/node@20");
  compile(ROOT, filesBelow(ROOT, "examples", ".ts"), project);
  const bun = await installBun();

  await checkFiles(join(project, "node_modules/@hawser/mesh"));
  await checkImports(project, bun);
  await checkSpecifier(tarball);
  await checkCommands(project, bun);
  await checkExamples(project);
  await printStart(project);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(counts.failed === 0 ? 0 : 1);
