/**
 * Results as a chart: a panel for each case that has peers, a bar for each contender.
 *
 * @module
 */

import { type CaseResult, medianOf } from "./results.ts";

const WIDTH = 860;
const LABELS = 230;
const BAR = 18;
const GAP = 6;
const PANEL_GAP = 30;
const TITLE = 26;
/** Room for figures right of the longest bar. */
const FIGURES = 70;
const COLORS = { hawser: "#0b6e99", peer: "#9aa5ad" } as const;

/** An SVG of the cases that were measured with peers. */
export function chartOf(results: readonly CaseResult[]): string {
  const panels = results.filter(({ kind, rows }) =>
    kind === "transfer" && rows.some(({ kind }) => kind === "peer")
  );
  const parts: string[] = [];
  let y = 56;
  for (const panel of panels) {
    parts.push(text(20, y + 14, panel.title, 'font-weight="600" font-size="14"'));
    y += TITLE;
    const bars = panel.rows.map((row) => ({ ...row, ms: medianOf(row, ({ totalMs }) => totalMs)! }));
    const longest = Math.max(...bars.map(({ ms }) => ms));
    for (const { title, kind, ms } of bars) {
      const width = Math.max(1, (WIDTH - LABELS - FIGURES - 20) * ms / longest);
      parts.push(
        text(LABELS - 10, y + 13, title, 'text-anchor="end"'),
        `<rect x="${LABELS}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="2" fill="${
          COLORS[kind]
        }" />`,
        text(LABELS + width + 8, y + 13, `${(ms / 1000).toFixed(2)} s`),
      );
      y += BAR + GAP;
    }
    y += PANEL_GAP - GAP;
  }
  const head = text(
    20,
    30,
    "Time from nothing to a complete copy: start of the serving process until the copy is in place. Shorter is better.",
    'font-size="14"',
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" font-family="sans-serif" font-size="12" fill="#1c2429">`,
    `<rect width="${WIDTH}" height="${y}" fill="#ffffff" />`,
    head,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

function text(x: number, y: number, content: string, attributes = ""): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x.toFixed(1).replace(/\.0$/, "")}" y="${y}" ${attributes}>${escaped}</text>`.replace(
    " >",
    ">",
  );
}
