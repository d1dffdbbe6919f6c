/**
 * Compiles library and tests and runs the tests on Node: `deno task test:node [--node 24]... [file-part]...`. Without
 * `--node` the one on the path. Other versions come from npm. Prints what is left out and why, and a table.
 *
 * @module
 */

import { execFile, execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { packageJson, packageSources } from "./build_npm.ts";
import { compile, filesBelow } from "./compile_node.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Test files at the same time. */
const WORKERS = 2;

/** What does not run on Node, by the beginning of its path, with the reason. */
const LEFT_OUT: readonly (readonly [string, string])[] = [
  ["tests/scripts/", "tests the scripts of this project, which Deno runs"],
  ["tests/e2e/", "starts Deno processes; the pairs of runtimes are covered by test:e2e"],
  ["tests/directory/permissions_test", "Deno's permissions"],
  ["tests/blob/file_store_kill_test", "starts Deno processes with scoped permissions"],
  ["tests/runtime/udp_test", "compares the drivers inside Deno"],
  ["tests/cli/command_test", "starts Deno processes"],
];

interface Counts {
  passed: number;
  failed: number;
  ignored: number;
}

/** Writes library, tests and what they need into a new folder and installs the dependencies there. */
function prepare(): string {
  const folder = mkdtempSync(join(tmpdir(), "hawser-node-"));
  const tests = filesBelow(ROOT, "tests", ".ts");
  compile(
    ROOT,
    [...packageSources(), ...tests, "scripts/node_test_runner.ts", "scripts/seed_tree.ts"],
    folder,
  );
  for (const json of filesBelow(ROOT, "tests", ".json")) {
    mkdirSync(dirname(join(folder, json)), { recursive: true });
    copyFileSync(join(ROOT, json), join(folder, json));
  }
  // Tests compare versions and find the project by its configuration.
  copyFileSync(join(ROOT, "deno.json"), join(folder, "deno.json"));
  const config = JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8"));
  const fastCheck = config.imports["fast-check"].replace("npm:fast-check@", "");
  const manifest = { ...packageJson(), private: true, devDependencies: { "fast-check": fastCheck } };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  execFileSync("npm", ["install", "--no-audit", "--no-fund", "--silent"], { cwd: folder, stdio: "inherit" });
  return folder;
}

/** The command that runs a version of Node; `undefined` is the one on the path. */
function nodeCommand(version: string | undefined): string {
  const npx = ["-y", "-p", `node@${version}`, "node", "-p", "process.execPath"];
  if (version === undefined) return execFileSync("node", ["-p", "process.execPath"]).toString().trim();
  return execFileSync("npx", npx).toString().trim();
}

function runFile(node: string, folder: string, file: string): Promise<Counts> {
  const args = ["--no-warnings", "scripts/node_test_runner.js", file];
  return new Promise((resolve) => {
    execFile(node, args, { cwd: folder, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      const lines = stdout.trimEnd().split("\n");
      try {
        const counts: Counts = JSON.parse(lines.pop()!);
        if (lines.length > 0) console.log(`--- ${file}\n${lines.join("\n")}`);
        resolve(counts);
      } catch {
        console.log(`--- ${file} ended early: ${error?.message}\n${stdout}\n${stderr}`);
        resolve({ passed: 0, failed: 1, ignored: 0 });
      }
    });
  });
}

async function runAll(node: string, folder: string, files: readonly string[]): Promise<Counts> {
  const sum: Counts = { passed: 0, failed: 0, ignored: 0 };
  const queue = [...files];
  const work = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const counts = await runFile(node, folder, file);
      sum.passed += counts.passed;
      sum.failed += counts.failed;
      sum.ignored += counts.ignored;
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  return sum;
}

const versions: (string | undefined)[] = [];
const parts: string[] = [];
for (let i = 0; i < Deno.args.length; i++) {
  if (Deno.args[i] === "--node") versions.push(Deno.args[++i]);
  else parts.push(Deno.args[i]);
}
if (versions.length === 0) versions.push(undefined);

const folder = prepare();
const total: Counts = { passed: 0, failed: 0, ignored: 0 };
try {
  const all = filesBelow(ROOT, "tests", "_test.ts").filter((file) =>
    parts.length === 0 || parts.some((part) => file.includes(part))
  );
  const reasonOf = (file: string) => LEFT_OUT.find(([prefix]) => file.startsWith(prefix))?.[1];
  const files = all.filter((file) => reasonOf(file) === undefined);
  const leftOut = all.length - files.length;
  for (const file of all) {
    const reason = reasonOf(file);
    if (reason !== undefined) console.log(`left out ${file}: ${reason}`);
  }
  const rows: string[] = [];
  for (const version of versions) {
    const node = nodeCommand(version);
    const name = execFileSync(node, ["--version"]).toString().trim();
    const counts = await runAll(node, folder, files.map((file) => file.replace(/\.ts$/, ".js")));
    rows.push(
      `node ${name.padEnd(10)} ${counts.passed} passed, ${counts.failed} failed, ` +
        `${counts.ignored} tests and ${leftOut} files left out`,
    );
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.ignored += counts.ignored;
  }
  console.log(rows.join("\n"));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.ignored} skipped`);
process.exit(total.failed === 0 ? 0 : 1);
