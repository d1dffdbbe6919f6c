/**
 * Runs compiled test files on Node: a thin shim of `Deno.test`, without sanitizers and permissions. Started by
 * `test_node.ts`, one process per file; prints a line per failure and the counts as JSON at the end.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";
import process from "node:process";
import { pathToFileURL } from "node:url";

type TestBody = (context: TestContext) => void | Promise<void>;

interface TestContext {
  readonly name: string;
  step(name: string, body: TestBody): Promise<boolean>;
}

interface Definition {
  readonly name: string;
  readonly fn: TestBody;
  readonly ignore?: boolean;
}

/** A test that takes longer hangs. */
const TIME_LIMIT = 120_000;

/** Tests that do not apply, by their names, with the reason. */
const LEFT_OUT: readonly (readonly [RegExp, string])[] = [
  [/permission.*names the flag/, "Deno's permissions, which Deno's runner takes away"],
];

const definitions: Definition[] = [];

/** The forms of `Deno.test` that the tests use. */
function test(first: string | Definition, second?: TestBody | Partial<Definition>, third?: TestBody): void {
  if (typeof first !== "string") definitions.push(first);
  else if (typeof second === "function") definitions.push({ name: first, fn: second });
  else definitions.push({ ...second, name: first, fn: third! });
}

async function runOne({ name, fn }: Definition): Promise<void> {
  const context: TestContext = {
    name,
    step: async (stepName, body) => {
      await runOne({ name: `${name} ... ${stepName}`, fn: body });
      return true;
    },
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${TIME_LIMIT / 1000} s`)), TIME_LIMIT);
  });
  try {
    await Promise.race([fn(context), limit]);
  } finally {
    clearTimeout(timer);
  }
}

const current = new AsyncLocalStorage<string>();
const counts = { passed: 0, failed: 0, ignored: 0 };

function fail(name: string, error: unknown): void {
  counts.failed++;
  console.log(`FAILED ${name}\n${(error as Error)?.stack ?? error}`);
}

process.on(
  "unhandledRejection",
  (error) => fail(`${current.getStore() ?? "?"} (unhandled rejection)`, error),
);
(globalThis as unknown as { Deno: unknown }).Deno = { test, build: { os: process.platform } };
await import(pathToFileURL(process.argv[2]).href);
// The library must not take Node for Deno.
delete (globalThis as { Deno?: unknown }).Deno;

for (const definition of definitions) {
  const reason = LEFT_OUT.find(([name]) => name.test(definition.name))?.[1] ??
    (definition.ignore ? "left out on every runtime" : undefined);
  if (reason !== undefined) {
    console.log(`left out "${definition.name}": ${reason}`);
    counts.ignored++;
    continue;
  }
  try {
    await current.run(definition.name, () => runOne(definition));
    counts.passed++;
  } catch (error) {
    fail(definition.name, error);
  }
}
console.log(JSON.stringify(counts));
process.exit(counts.failed === 0 ? 0 : 1);
