/**
 * `deno task docs:states`: writes `docs/states.md` from the tables that the conformance test goes by.
 *
 * @module
 */

import { writeFileSync } from "node:fs";
import { STATE_TABLES, type StateTable } from "../tests/transport/state_tables.ts";

const HEAD = `# States

What streams, sessions and handshakes do when something happens, in every state. \`deno task docs:states\` makes
this page from \`tests/transport/state_tables.ts\`; \`tests/transport/states_test.ts\` drives the real objects
through every pair. \`—\` is nothing; \`→\` leads to another state; ACKs and probes are left out.
`;

/** The page. */
export function renderStates(): string {
  return [HEAD, ...STATE_TABLES.map(renderTable)].join("\n");
}

function renderTable({ title, note, outcomes }: StateTable): string {
  const states = Object.keys(Object.values(outcomes)[0]);
  const rows = [
    ["Event", ...states.map((state) => `\`${state}\``)],
    ...Object.entries(outcomes).map(([event, row]) => [event, ...states.map((state) => row[state])]),
  ];
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  const lines = rows.map((row) => `| ${row.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`);
  lines.splice(1, 0, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`);
  return `## ${title}\n\n${wrap(note)}\n\n${lines.join("\n")}\n`;
}

/** Breaks a paragraph as the formatter does. */
function wrap(text: string): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1];
    if (last !== "" && last.length + 1 + word.length > 110) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines.join("\n");
}

if (import.meta.main) writeFileSync(new URL("../docs/states.md", import.meta.url), renderStates());
