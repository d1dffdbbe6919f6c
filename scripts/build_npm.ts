/**
 * Writes `npm/`: the package that Node installs. ESM with declarations and source maps; what differs between the
 * runtimes is chosen by conditions in `package.json`. Two builds of one source give the same bytes.
 *
 * @module
 */

import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compile, declare, filesBelow } from "./compile_node.ts";

/** The parts of `deno.json` that the package is made from. */
interface Config {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly imports: Readonly<Record<string, string>>;
}

/** What the library imports from npm at run time; everything else in `deno.json` is for scripts and tests. */
const RUNTIME_DEPENDENCY = /^(@logtape|@noble|@optique|@scure)\/|^picomatch$/;
/** What it uses where a user has installed it, too. */
const OPTIONAL_PEER = "@napi-rs/blake-hash";
/** The least Node version: what the noble packages need. */
const NODE_FLOOR = ">=20.19.0";
const DESCRIPTION = "Encrypted UDP mesh that moves directories, blobs and streams between machines";

/** Deno keeps compiled code by itself; what it has for Node's sake would take longer to load. */
const COMMAND = `#!/usr/bin/env node
if (!("Deno" in globalThis)) {
  const { keepCompiledCode } = await import("../src/runtime/compiled_code.js");
  keepCompiledCode();
}
const { runCommand } = await import("../src/cli/mod.js");
await runCommand();
`;

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The source files of the package, relative to the project. */
export function packageSources(): string[] {
  return ["mod.ts", ...filesBelow(ROOT, "src", ".ts")];
}

function readConfig(): Config {
  return JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8"));
}

/** What the package exports: all but what is made for Deno. */
export function packageExports({ exports }: Pick<Config, "exports">): [name: string, source: string][] {
  return Object.entries(exports).filter(([, source]) => !source.startsWith("./dist/"));
}

/** `package.json` of the package. */
export function packageJson(): Record<string, unknown> {
  const config = readConfig();
  const lock: { specifiers: Record<string, string> } = JSON.parse(
    readFileSync(join(ROOT, "deno.lock"), "utf8"),
  );
  const output = (source: string, ending: string) => source.replace(/\.ts$/, ending);
  const exports: Record<string, unknown> = {};
  for (const [name, source] of packageExports(config)) {
    exports[name] = { types: output(source, ".d.ts"), default: output(source, ".js") };
  }
  const imports: Record<string, unknown> = {};
  const dependencies: Record<string, string> = {};
  const peerDependencies: Record<string, string> = {};
  for (const [name, target] of Object.entries(config.imports)) {
    if (name.startsWith("#")) {
      const driver = output(target, ".js");
      imports[name] = { deno: driver, default: driver.replace(/_deno\.js$/, "_node.js") };
    } else if (RUNTIME_DEPENDENCY.test(name) || name === OPTIONAL_PEER) {
      // The lock's version, so that what was tested is what is installed; a fix of it may be newer.
      const locked = lock.specifiers[target];
      if (locked === undefined) throw new Error(`Make package.json: deno.lock does not know "${target}"`);
      (name === OPTIONAL_PEER ? peerDependencies : dependencies)[name] = `^${locked}`;
    }
  }
  return {
    name: config.name,
    version: config.version,
    description: DESCRIPTION,
    license: config.license,
    type: "module",
    sideEffects: false,
    engines: { node: NODE_FLOOR },
    exports,
    imports,
    bin: { hawser: "./bin/hawser.js" },
    files: ["mod.js", "mod.js.map", "mod.d.ts", "src", "bin", "CHANGELOG.md"],
    dependencies,
    peerDependencies,
    peerDependenciesMeta: { [OPTIONAL_PEER]: { optional: true } },
  };
}

/** Writes `bin/hawser.js` into the package at `to`. */
export function writeCommand(to: string): void {
  const bin = join(to, "bin/hawser.js");
  mkdirSync(dirname(bin), { recursive: true });
  writeFileSync(bin, COMMAND);
  chmodSync(bin, 0o755);
}

/** Writes the package into `to`, which is emptied first. */
export function buildPackage(to: string): void {
  rmSync(to, { recursive: true, force: true });
  const manifest = packageJson();
  compile(ROOT, packageSources(), to);
  declare(ROOT, packageExports(readConfig()).map(([, source]) => source.replace(/^\.\//, "")), to);
  writeCommand(to);
  writeFileSync(join(to, "package.json"), JSON.stringify(manifest, null, 2) + "\n");
  for (const file of ["README.md", "LICENSE", "CHANGELOG.md"]) copyFileSync(join(ROOT, file), join(to, file));
}

if (import.meta.main) {
  const to = join(ROOT, "npm");
  buildPackage(to);
  console.log(`Wrote ${to}: ${filesBelow(to, ".", "").length} files`);
}
