/**
 * Runs the tests of one compiled file on Node: with the shim of `Deno.test`, and a leak check as Deno's. Started by
 * `test_node.ts`, one process per file. Arguments: the file, and a JSON list of the names of tests to leave out. Prints
 * what fails as text and the result as JSON in its last line.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { type Definition, definitions, type TestContext } from "./node_deno.ts";

/** A test that takes longer hangs, ms. */
const TIME_LIMIT = 180_000;
/** What a test closed may take this long to be gone, ms. */
const LEAK_GRACE = 1000;
/** Kinds of resources that no test may leave behind, in Node's words. */
const RESOURCES = /^(Timeout|UDPWrap|TCP.*Wrap|Pipe.*Wrap|ProcessWrap|FSEventWrap|MessagePort)$/;

/** What came of a file. The names are those of the tests that were asked to be left out, and are there. */
export interface FileResult {
  passed: number;
  failed: number;
  leftOut: string[];
}

const current = new AsyncLocalStorage<string>();
const result: FileResult = { passed: 0, failed: 0, leftOut: [] };

function fail(name: string, error: unknown): void {
  result.failed++;
  console.log(`FAILED ${name}\n${(error as Error)?.stack ?? error}`);
}

/** What keeps the process alive, by kind. */
function resources(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    if (RESOURCES.test(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

/** What is there now and was not before, such as `1 Timeout`; empty when all is gone. */
function leaks(before: ReadonlyMap<string, number>): string[] {
  return [...resources()].flatMap(([kind, count]) => {
    const more = count - (before.get(kind) ?? 0);
    return more > 0 ? [`${more} ${kind}`] : [];
  });
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

async function assertNothingLeft(before: ReadonlyMap<string, number>): Promise<void> {
  const end = performance.now() + LEAK_GRACE;
  while (leaks(before).length > 0) {
    if (performance.now() > end) throw new Error(`Leak: the test leaves ${leaks(before).join(", ")} behind`);
    await nextTurn();
  }
}

async function runLimited({ name, fn }: Definition): Promise<void> {
  const context: TestContext = {
    name,
    step: async (stepName, body) => {
      await body({ ...context, name: stepName });
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

async function runOne(definition: Definition): Promise<void> {
  try {
    await nextTurn();
    const before = resources();
    await current.run(definition.name, () => runLimited(definition));
    if (definition.sanitizeResources !== false) await assertNothingLeft(before);
    result.passed++;
  } catch (error) {
    fail(definition.name, error);
  }
}

process.on(
  "unhandledRejection",
  (error) => fail(`${current.getStore() ?? "?"} (unhandled rejection)`, error),
);

const [file, leftOutJson] = process.argv.slice(2);
const leftOut: string[] = JSON.parse(leftOutJson);
await import(pathToFileURL(file).href);
for (const definition of definitions) {
  if (definition.ignore || leftOut.includes(definition.name)) result.leftOut.push(definition.name);
  else await runOne(definition);
}
console.log(JSON.stringify(result));
process.exit(result.failed === 0 ? 0 : 1);
