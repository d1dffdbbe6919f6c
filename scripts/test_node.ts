/**
 * Compiles library and tests and runs the tests on Node: `deno task test:node [--node 24]... [part-of-path]...`. Without
 * `--node` the one on the path. Other versions come from npm. Prints what is left out and why, and a table.
 *
 * @module
 */

import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { packageSources } from "./build_npm.ts";
import { filesBelow } from "./compile_node.ts";
import { buildTests } from "./node_test_build.ts";
import type { FileResult } from "./node_test_runner.ts";
import { nodePath, takeVersions } from "./node_versions.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** Test files at the same time. */
const WORKERS = 2;

/** Something that is not run on Node. */
interface LeftOut {
  /** Beginning of the file's path. */
  readonly file: string;
  /** Name of the test; all of the file when missing. */
  readonly test?: string;
  readonly reason: string;
}

const IN_PROCESS = "Deno's runner takes permissions away inside of the process, which Node cannot";
const DENO_DRIVER = "a driver of Deno's";

const LEFT_OUT: readonly LeftOut[] = [
  { file: "tests/scripts/", reason: "scripts of this project, which Deno runs" },
  { file: "tests/runtime/udp_test", reason: DENO_DRIVER },
  { file: "tests/runtime/lock_deno_test", reason: DENO_DRIVER },
  { file: "tests/runtime/udp_linux_test", reason: DENO_DRIVER },
  { file: "tests/runtime/linux_files_test", reason: DENO_DRIVER },
  {
    file: "tests/blob/file_store_test",
    test: "file store: without permission the error names the flag",
    reason: IN_PROCESS,
  },
  {
    file: "tests/blob/file_store_test",
    test: "file store: with permission to read only the error names the flag",
    reason: IN_PROCESS,
  },
  {
    file: "tests/blob/folder_store_test",
    test: "folder store: without permission the error names the flag",
    reason: IN_PROCESS,
  },
  {
    file: "tests/directory/tree_cache_test",
    test: "tree cache: without permission for its folder there is none",
    reason: IN_PROCESS,
  },
  {
    file: "tests/directory/tree_hand_test",
    test: "tree hand: without permission to read its module there is none",
    reason: IN_PROCESS,
  },
  {
    file: "tests/directory/file_thread_test",
    test: "file thread: without permission to read its module fetches do without",
    reason: IN_PROCESS,
  },
  {
    file: "tests/runtime/cache_folder_test",
    test: "cacheFolder: without permission to read the environment there is none",
    reason: IN_PROCESS,
  },
  { file: "tests/cli/key_file_test", test: "a missing permission names the flag", reason: IN_PROCESS },
  { file: "tests/cli/main_test", test: "a missing permission names the flag", reason: IN_PROCESS },
];

/** Counts of one version of Node. */
interface Counts {
  passed: number;
  failed: number;
  /** Tests of files that were run, left out or ignored by themselves. */
  leftOut: number;
}

/** Runs one file; prints what it prints. */
function runFile(node: string, folder: string, file: string): Promise<FileResult> {
  const leftOut = LEFT_OUT.flatMap((entry) => file.startsWith(entry.file) && entry.test ? [entry.test] : []);
  const compiled = file.replace(/\.ts$/, ".js");
  const args = ["--no-warnings", "scripts/node_test_runner.js", compiled, JSON.stringify(leftOut)];
  return new Promise((resolve) => {
    // Nothing of the user's own.
    const env = { ...process.env, XDG_CACHE_HOME: join(folder, "cache") };
    execFile(node, args, { cwd: folder, maxBuffer: 1 << 26, env }, (error, stdout, stderr) => {
      const lines = stdout.trimEnd().split("\n");
      let result: FileResult;
      try {
        result = JSON.parse(lines.pop()!);
      } catch {
        console.log(`--- ${file} ended early: ${error?.message}\n${stdout}\n${stderr}`);
        return resolve({ passed: 0, failed: 1, leftOut: [] });
      }
      const gone = leftOut.filter((name) => !result.leftOut.includes(name));
      result.failed += gone.length;
      lines.push(...gone.map((name) => `FAILED: to be left out, but there is no test "${name}"`));
      if (lines.length > 0) console.log(`--- ${file}\n${lines.join("\n")}`);
      resolve(result);
    });
  });
}

async function runAll(node: string, folder: string, files: readonly string[]): Promise<Counts> {
  const sum: Counts = { passed: 0, failed: 0, leftOut: 0 };
  const queue = [...files];
  const work = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const { passed, failed, leftOut } = await runFile(node, folder, file);
      sum.passed += passed;
      sum.failed += failed;
      sum.leftOut += leftOut.length;
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  return sum;
}

/** The tests that a file has by its source: it is not loaded. */
function testsIn(file: string): number {
  return readFileSync(join(ROOT, file), "utf8").match(/^\s*Deno\.test\(/gm)?.length ?? 0;
}

/** The examples in doc comments: Deno runs each as a test. */
function docExamples(): number {
  const count = (file: string) =>
    readFileSync(join(ROOT, file), "utf8").match(/^ *\* *```ts$/gm)?.length ?? 0;
  return packageSources().reduce((sum, file) => sum + count(file), 0);
}

async function main(args: string[]): Promise<number> {
  const { versions, rest: parts } = takeVersions(args);
  // Tests of both runtimes at once are another task's: test:e2e.
  const all = filesBelow(ROOT, "tests", "_test.ts").filter((file) => !file.startsWith("tests/cross/")).filter(
    (file) => parts.length === 0 || parts.some((part) => file.includes(part)),
  );
  const isLeftOut = (file: string) => LEFT_OUT.some((entry) => !entry.test && file.startsWith(entry.file));
  const files = all.filter((file) => !isLeftOut(file));
  const whole = all.filter(isLeftOut);
  const examples = parts.length === 0 ? docExamples() : 0;
  const inWhole = whole.reduce((sum, file) => sum + testsIn(file), examples);
  if (examples > 0) {
    console.log(`left out: ${examples} examples in doc comments: Deno runs them from the sources`);
  }
  for (const { file, test, reason } of LEFT_OUT) {
    if (!all.some((one) => one.startsWith(file))) continue;
    console.log(`left out: ${file}${test === undefined ? "" : `, "${test}"`}: ${reason}`);
  }

  const total: Counts = { passed: 0, failed: 0, leftOut: 0 };
  const rows: string[] = [];
  const folder = mkdtempSync(join(tmpdir(), "hawser-node-"));
  try {
    buildTests(folder);
    for (const version of versions) {
      const node = nodePath(version);
      const name = execFileSync(node, ["--version"], { encoding: "utf8" }).trim();
      const begin = performance.now();
      const { passed, failed, leftOut } = await runAll(node, folder, files);
      const seconds = Math.round((performance.now() - begin) / 1000);
      total.passed += passed;
      total.failed += failed;
      total.leftOut += leftOut + inWhole;
      const counts = [passed, failed, leftOut + inWhole].map((count) => String(count).padStart(8));
      rows.push(`node ${name.padEnd(10)} ${counts.join(" ")}   ${seconds} s`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(`                  passed   failed left out`);
  console.log(rows.join("\n"));
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.leftOut} skipped`);
  return total.failed === 0 ? 0 : 1;
}

process.exit(await main(process.argv.slice(2)));
