/**
 * `hawser share --pinned`: reads everything first, then serves that and nothing else.
 *
 * @module
 */

import { serveBlobs } from "../blob/transfer_server.ts";
import { shareFolder } from "../directory/share.ts";
import { MeshNode } from "../mesh/node.ts";
import { chunksOf, encodeBlobRef } from "../wire/blob_ref.ts";
import { toHex } from "../wire/bytes.ts";
import type { CommandOf } from "./arguments.ts";
import { cacheOf } from "./cache_option.ts";
import { FetchWatch } from "./fetch_watch.ts";
import type { CliIo } from "./io.ts";
import type { Output } from "./output.ts";
import { showScan } from "./scan_progress.ts";
import { announcePlace, takePlace } from "./share_place.ts";
import { shareSecret } from "./share_secret.ts";
import { contentText, untilServed, warnOfSkipped, warnOnce } from "./share_serving.ts";

/** Runs until the signal, or with `once` until the first complete fetch. @param key secret key of the node. */
export async function sharePinned(
  key: Uint8Array,
  options: CommandOf<"share">,
  output: Output,
  io: CliIo,
  signal: AbortSignal,
): Promise<void> {
  const { path, exclude, once, maxDatagram: maxDatagramSize } = options;
  const shared = await shareFolder(path, {
    exclude,
    signal,
    onProgress: showScan(output),
    ...await cacheOf(options, io),
  });
  output.endProgress();
  await using store = shared.store;
  const ref = encodeBlobRef(shared.ref);
  const psk = shareSecret(key, ref);
  const place = await takePlace(key, psk, options, io, ref);
  await using node = MeshNode.over(place.socket, { key, psk, transport: { maxDatagramSize } });
  const watch = new FetchWatch();
  watch.expect(chunksOf(shared.ref).map(({ hash }) => hash));
  using _blobs = serveBlobs(node, store, {
    onTransfer: ({ session, hash, bytes }) => watch.served(session, hash, bytes),
    onError: warnOnce(output),
  });
  const { ticket, addresses } = place;
  const { files, bytes } = shared.stats;
  warnOfSkipped(shared.stats, output);
  output.line(`Sharing "${path}": ${contentText(shared.stats)}; reference:`);
  output.line(toHex(ref));
  announcePlace(place, output);
  output.json({ event: "ready", ticket, ref: toHex(ref), addresses, path, files, bytes });
  await untilServed(node, watch, output, once, signal).finally(() => node.close({ signal }));
}
