/**
 * `hawser fetch`: fetches a directory by its ticket.
 *
 * @module
 */

import type { FetchDirStats } from "../directory/fetch_options.ts";
import { encodeBlobRef } from "../wire/blob_ref.ts";
import { toHex } from "../wire/bytes.ts";
import type { CommandOf } from "./arguments.ts";
import { withDeadline } from "./deadline.ts";
import { CLOSE_FETCHED } from "./fetch_watch.ts";
import { formatBytes, formatElapsed, formatPlural, formatRate } from "./format.ts";
import { cacheOf } from "./cache_option.ts";
import type { CliIo } from "./io.ts";
import type { Output } from "./output.ts";
import { withTicketSource } from "./ticket_source.ts";

/** Runs the command; the result is a line of figures. */
export async function runFetch(
  options: CommandOf<"fetch">,
  output: Output,
  io: CliIo,
  signal: AbortSignal,
): Promise<void> {
  const { ticket, dest, symlinks, maxDatagram: maxDatagramSize } = options;
  const begin = io.now();
  // A folder that was asked for may be refused, which has to be said first; the usual one can wait.
  const asked = options.cache === undefined ? undefined : await cacheOf(options, io);
  const { stats, wire } = await withDeadline(
    "Fetch",
    options.timeout,
    signal,
    (signal) =>
      withTicketSource(
        ticket,
        { output, signal, closeCode: CLOSE_FETCHED, maxDatagramSize },
        async ({ source, from, node }) => {
          const { fetchDirWith } = await import("../directory/fetch_tree.ts");
          const cache = asked ?? await cacheOf(options, io);
          const stats = await fetchDirWith(source, from, dest, {
            signal,
            symlinks,
            ...cache,
            onProgress: (progress) => output.progress({ label: "fetch", ...progress }),
          });
          const { bytesSent: sent, bytesReceived: received } = node.metrics().counters;
          return { stats, wire: { sent, received } };
        },
      ),
  );
  const ms = Math.round(io.now() - begin);
  output.endProgress();
  for (const { path, reason } of stats.skipped) output.note(`left out "${path}": ${reason}`);
  if (stats.leftBehind !== undefined) {
    output.warn(`the old directory could not be removed; it is at "${stats.leftBehind}"`);
  }
  output.line(summary(dest, stats, ms));
  output.json({ dest, ms, ...stats, ref: toHex(encodeBlobRef(stats.ref)), wire });
}

/** What was done, on one line. */
export function summary(dest: string, stats: FetchDirStats, ms: number): string {
  const { files, bytes, fetchedBytes, reusedBytes, installed } = stats;
  const size = `${dest}: ${formatPlural(files, "file")}, ${formatBytes(bytes)}`;
  if (!installed) return `${size}, nothing had changed`;
  const reused = reusedBytes > 0 ? `, ${formatBytes(reusedBytes)} of them from this machine` : "";
  const rate = formatRate(fetchedBytes * 1000 / Math.max(1, ms));
  return `${size} in ${formatElapsed(ms)}${reused} (${rate})`;
}
