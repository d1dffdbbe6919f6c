/**
 * `hawser ls`: lists what a ticket gives.
 *
 * @module
 */

import type { DirListing, ListedEntry } from "../directory/inspect.ts";
import type { CommandOf } from "./arguments.ts";
import { withDeadline } from "./deadline.ts";
import { CLOSE_NOT_FETCHED } from "./fetch_watch.ts";
import { formatBytes, formatCount, formatMode, formatPlural } from "./format.ts";
import type { Output } from "./output.ts";
import { withTicketSource } from "./ticket_source.ts";

/** Widest size of a file with commas, 16 GiB. */
const SIZE_COLUMNS = 14;

/** Runs the command; the result is a line per entry and a sum. */
export async function runLs(options: CommandOf<"ls">, output: Output, signal: AbortSignal): Promise<void> {
  const { ticket } = options;
  const listing = await withDeadline(
    "List",
    options.timeout,
    signal,
    (signal) =>
      withTicketSource(
        ticket,
        { output, signal, closeCode: CLOSE_NOT_FETCHED },
        async ({ source, from }) => {
          const { listDir } = await import("../directory/inspect.ts");
          return await listDir(source, from, { signal });
        },
      ),
  );
  showListing(listing, output);
}

/** Prints a listing. Paths are those of a stranger: `Output` makes them safe. */
export function showListing({ entries, bytes }: DirListing, output: Output): void {
  const files = entries.filter(({ kind }) => kind === "file").length;
  output.lines(entries.map(entryLine));
  output.jsonLines(entries.map(entryJson));
  output.line(
    `${formatPlural(files, "file")}, ${formatBytes(bytes)}, ${
      formatPlural(entries.length, "entry", "entries")
    }`,
  );
  output.json({ event: "total", files, bytes, entries: entries.length });
}

function entryLine({ kind, path, mode, size, target }: ListedEntry): string {
  switch (kind) {
    case "file":
      return `${formatMode("-", mode)} ${formatCount(size).padStart(SIZE_COLUMNS)}  ${path}`;
    case "dir":
      return `${formatMode("d", mode)} ${"".padStart(SIZE_COLUMNS)}  ${path}/`;
    case "symlink":
      return `${formatMode("l", 0o777)} ${"".padStart(SIZE_COLUMNS)}  ${path} -> ${target}`;
  }
}

function entryJson({ kind, path, mode, size, target }: ListedEntry): unknown {
  switch (kind) {
    case "file":
      return { event: "entry", kind, path, mode, size };
    case "dir":
      return { event: "entry", kind, path, mode };
    case "symlink":
      return { event: "entry", kind, path, target };
  }
}
