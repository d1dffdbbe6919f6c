/**
 * A diagnosis for people.
 *
 * @module
 */

import {
  bytesPerSecond,
  type Ceiling,
  type Diagnosis,
  type Resource,
  type Share,
  type TransferReport,
} from "./doctor_report.ts";
import { formatBytes, formatCount, formatRate } from "./format.ts";
import type { Output } from "./output.ts";

const NAMES: Readonly<Record<Share["resource"], string>> = {
  udp: "UDP",
  encryption: "encryption",
  hash: "hashing",
  files: "files",
  hawser: "everything else",
};

const TITLES: Readonly<Record<Resource, string>> = {
  udp: "UDP on loopback, from socket to socket, by size of datagram",
  encryption: "Encryption, by size of packet",
  hash: "Hashing",
  files: "Small files",
};

/** Prints a diagnosis. */
export function showDiagnosis(
  { runtime, ceilings, skipped, transfers, advice }: Diagnosis,
  output: Output,
): void {
  output.line(`${runtime}. What it can do here, one thing at a time:`);
  for (const resource of ["udp", "encryption", "hash", "files"] as const) {
    const rows = ceilings.filter((ceiling) => ceiling.resource === resource);
    if (rows.length === 0) continue;
    output.line();
    output.line(TITLES[resource]);
    output.lines(resource === "files" ? rows.map(fileLine) : tableOf(rows));
  }
  if (skipped.length > 0) output.line();
  output.lines(skipped.map(({ what, reason }) => `Not measured: ${what}; ${reason}`));
  for (const transfer of transfers) showTransfer(transfer, output);
  output.line();
  if (advice.length === 0) {
    output.line("Nothing that can be changed here would make it faster.");
    return;
  }
  output.line("What would help:");
  output.lines(advice.map((line) => `  ${line}`));
}

function fileLine({ action, driver, size, perSecond }: Ceiling): string {
  return `  ${action.padEnd(6)} ${formatCount(Math.round(perSecond))} files/s of ${
    formatBytes(size)
  } in "${driver}"`;
}

/** A line for each driver and action, a column for each size. */
function tableOf(ceilings: readonly Ceiling[]): string[] {
  const sizes = [...new Set(ceilings.map(({ size }) => size))];
  const names = [...new Set(ceilings.map(nameOf))];
  const cells = names.map((name) => [
    name,
    ...sizes.map((size) => {
      const ceiling = ceilings.find((other) => nameOf(other) === name && other.size === size);
      return ceiling === undefined ? "-" : rateOf(ceiling);
    }),
  ]);
  const head = ["", ...sizes.map((size) => `${formatCount(size)} B`)];
  const rows = sizes.length > 1 ? [head, ...cells] : cells;
  const widths = head.map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) =>
    `  ${row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join("  ")}`
  );
}

function nameOf({ resource, action, driver }: Ceiling): string {
  return resource === "encryption" ? `${driver}, ${action}` : driver;
}

function rateOf(ceiling: Ceiling): string {
  const rate = formatRate(bytesPerSecond(ceiling));
  return ceiling.resource === "udp" ? `${formatCount(Math.round(ceiling.perSecond))}/s ${rate}` : rate;
}

function showTransfer(
  { kind, perSecond, driver, datagramSize, shares }: TransferReport,
  output: Output,
): void {
  const rate = (value: number) =>
    kind === "bytes" ? formatRate(value) : `${formatCount(Math.round(value))} files/s`;
  const what = kind === "bytes" ? "of a blob in memory" : "of small files";
  output.line();
  output.line(
    `A transfer ${what} between two nodes of this process: ${rate(perSecond)} ` +
      `(${driver}, datagrams of ${formatCount(datagramSize)} B)`,
  );
  output.lines(shares.map(({ resource, ceiling, share }, i) => {
    const percent = `${Math.round(share * 100)} %`.padStart(5);
    const name = NAMES[resource].padEnd(15);
    const alone = resource === "hawser" ? "" : `  alone it does ${rate(ceiling)}`;
    return `  ${percent} of the time  ${name}${alone}${i === 0 ? "  <- limits it most" : ""}`.trimEnd();
  }));
}
