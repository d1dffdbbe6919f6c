/**
 * `hawser share` of what is at a path: serves it, and tells what that is while it is read.
 *
 * @module
 */

import { serveBlobs } from "../blob/transfer_server.ts";
import { offerFolder } from "../directory/offer_folder.ts";
import { serveOffer } from "../directory/offer_server.ts";
import { MeshNode } from "../mesh/node.ts";
import { chunksOf, encodeBlobRef } from "../wire/blob_ref.ts";
import { toHex } from "../wire/bytes.ts";
import type { CommandOf } from "./arguments.ts";
import { cacheOf } from "./cache_option.ts";
import { FetchWatch } from "./fetch_watch.ts";
import type { CliIo } from "./io.ts";
import type { Output } from "./output.ts";
import { showScan } from "./scan_progress.ts";
import type { SharePlace } from "./share_place.ts";
import { contentText, untilServed, warnOfSkipped, warnOnce } from "./share_serving.ts";

/** Serves at the place, whose ticket is out, until the signal, or with `once` until the first complete fetch. */
export async function shareLive(
  { key, psk, socket }: SharePlace,
  options: CommandOf<"share">,
  output: Output,
  io: CliIo,
  signal: AbortSignal,
): Promise<void> {
  const { path, exclude, once, maxDatagram: maxDatagramSize } = options;
  await using node = MeshNode.over(socket, { key, psk, transport: { maxDatagramSize } });
  await using offer = offerFolder(path, {
    exclude,
    signal,
    onProgress: showScan(output),
    ...await cacheOf(options, io),
  });
  const watch = new FetchWatch();
  using _offers = serveOffer(node, offer, { onTold: (session) => watch.told(session) });
  using _blobs = serveBlobs(node, offer.store, {
    onTransfer: ({ session, hash, bytes }) => watch.served(session, hash, bytes),
    onError: warnOnce(output),
  });
  const read = offer.done.then(({ ref, stats }) => {
    output.endProgress();
    watch.expect(chunksOf(ref).map(({ hash }) => hash));
    const hex = toHex(encodeBlobRef(ref));
    output.line();
    warnOfSkipped(stats, output);
    output.line(`Read ${contentText(stats)}; reference:`);
    output.line(hex);
    output.json({ event: "read", ref: hex, files: stats.files, bytes: stats.bytes });
  });
  await untilServed(node, watch, output, once, signal, read)
    // After Ctrl-C nobody is waited for: a peer could hold its streams open for as long as it likes.
    .finally(() => node.close({ signal }));
}
