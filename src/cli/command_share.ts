/**
 * `hawser share`: serves a directory to whoever has the ticket.
 *
 * @module
 */

import { absolutePath, isFileOrDirectory } from "#process";
import type { CommandOf } from "./arguments.ts";
import type { CliIo } from "./io.ts";
import type { Output } from "./output.ts";
import { announcePlace, nodeKey, takePlace } from "./share_place.ts";
import { offerSecret } from "./share_secret.ts";

/** Runs the command until the signal, or with `--once` until the first complete fetch. */
export async function runShare(
  options: CommandOf<"share">,
  output: Output,
  io: CliIo,
  signal: AbortSignal,
): Promise<void> {
  const key = await nodeKey(options);
  if (options.pinned) {
    const { sharePinned } = await import("./share_pinned.ts");
    return await sharePinned(key, options, output, io, signal);
  }
  const { path } = options;
  if (!isFileOrDirectory(path)) {
    // Says what is wrong with it, before a ticket is given out.
    const { openDirectoryOrFile } = await import("../directory/scan.ts");
    openDirectoryOrFile("Share directory", path);
  }
  if (options.cache !== undefined) {
    const { cacheOf } = await import("./cache_option.ts");
    await cacheOf(options, io);
  }
  const place = await takePlace(key, offerSecret(key, await absolutePath(path)), options, io);
  output.line(`Sharing "${path}"`);
  announcePlace(place, output);
  output.json({ event: "ready", ticket: place.ticket, addresses: place.addresses, path });
  // Loaded while the ticket is on its way.
  const { shareLive } = await import("./share_live.ts");
  await shareLive(place, options, output, io, signal);
}
