/**
 * `hawser ref`: the reference of a directory or file.
 *
 * @module
 */

import { referenceOfPath } from "../directory/reference.ts";
import { encodeBlobRef } from "../wire/blob_ref.ts";
import { toHex } from "../wire/bytes.ts";
import type { CommandOf } from "./arguments.ts";
import { cacheOf } from "./cache_option.ts";
import type { CliIo } from "./io.ts";
import type { Output } from "./output.ts";
import { showScan } from "./scan_progress.ts";

/** Runs the command; the result is the encoded reference in hex and nothing else. */
export async function runRef(
  options: CommandOf<"ref">,
  output: Output,
  io: CliIo,
  signal: AbortSignal,
): Promise<void> {
  const { path, exclude } = options;
  const scan = { exclude, signal, onProgress: showScan(output), ...await cacheOf(options, io) };
  const ref = toHex(encodeBlobRef(await referenceOfPath(path, scan)));
  output.endProgress();
  output.line(ref);
  output.json({ ref });
}
