/**
 * The library and its tests as Node runs them: a folder with the package, the compiled tests and all that they need.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { packageJson, packageSources, writeCommand } from "./build_npm.ts";
import { compile, filesBelow } from "./compile_node.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** What stands for `Deno` in the tests. */
const SHIM = "scripts/node_deno.ts";
/** What runs a file of tests, and what the stand-in uses. */
const RUNNER = ["scripts/node_test_runner.ts", "scripts/node_arguments.ts"];
/** Other scripts that tests, or their processes, use. */
const SCRIPTS = ["seed_tree.ts", "compare_trees.ts", "hawser_process.ts"];
/** What only the tests need. */
const DEV_DEPENDENCIES = ["@napi-rs/blake-hash", "fast-check", "noise-c.wasm"];
/** What tests read of the project besides code. */
const TEXTS = ["deno.json", "README.md"];

/** Writes library and tests into `folder` and installs the dependencies there. */
export function buildTests(folder: string): void {
  compile(ROOT, [...packageSources(), SHIM, ...RUNNER], folder);
  const tests = ["tests", "examples"].flatMap((name) => filesBelow(ROOT, name, ".ts"));
  compile(ROOT, [...tests, ...SCRIPTS.map((name) => `scripts/${name}`)], folder, withShim);
  writeCommand(folder);
  for (
    const path of [
      ...TEXTS,
      ...[".json", ".py"].flatMap((end) => filesBelow(ROOT, "tests", end)),
      ...filesBelow(ROOT, "examples", ""),
    ]
  ) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    copyFileSync(join(ROOT, path), join(folder, path));
  }
  const { imports } = JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8"));
  const devDependencies = Object.fromEntries(
    DEV_DEPENDENCIES.map((name) => [name, imports[name].replace(`npm:${name}@`, "")]),
  );
  const manifest = { ...packageJson(), private: true, devDependencies };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  execFileSync("npm", ["install", "--no-audit", "--no-fund", "--silent"], { cwd: folder, stdio: "inherit" });
}

/** Imports the shim where `Deno` is named, in the first line, so that all lines keep their numbers. */
function withShim(file: string, text: string): string {
  if (!/\bDeno\s*\./.test(text)) return text;
  const path = relative(dirname(file), SHIM);
  return `import { Deno } from "${path.startsWith(".") ? path : `./${path}`}"; ${text}`;
}
