/**
 * Writes results into `docs/benchmarks.md`, between the markers, and `docs/benchmarks.svg`. What people wrote around the
 * markers stays.
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chartOf } from "./chart.ts";
import { goalsTable } from "./goals.ts";
import { captionOf, invarianceTable, markdownTable, tableOf } from "./report.ts";
import type { CaseResult } from "./results.ts";

const BEGIN = "<!-- figures: begin, written by deno task bench -->";
const END = "<!-- figures: end -->";

/** Writes both files below the project's root. */
export function writeDocument(root: string, results: readonly CaseResult[]): void {
  const document = join(root, "docs/benchmarks.md");
  const text = readFileSync(document, "utf8");
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`Write ${document}: its markers are missing`);
  writeFileSync(document, text.slice(0, begin + BEGIN.length) + sections(results) + text.slice(end));
  writeFileSync(join(root, "docs/benchmarks.svg"), chartOf(results));
  const files = ["md", "json", "svg"].map((ending) => join(root, `docs/benchmarks.${ending}`));
  execFileSync(Deno.execPath(), ["fmt", "--quiet", ...files], { cwd: root });
}

function sections(results: readonly CaseResult[]): string {
  const parts = [`## Goals\n\n${markdownTable(goalsTable(results))}`];
  for (const result of results) {
    parts.push(`## ${result.title}\n\n${captionOf(result)}\n\n${markdownTable(tableOf(result))}`);
    const invariance = result.id === "live-many" ? invarianceTable(results) : undefined;
    if (invariance === undefined) continue;
    parts.push(
      `Same bytes in few files ÷ in many (1 means that the number of files costs nothing):\n\n${
        markdownTable(invariance)
      }`,
    );
  }
  return `\n\n${parts.join("\n\n")}\n\n`;
}
