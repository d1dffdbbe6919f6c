/**
 * `hawser share`: serves a directory to whoever has the ticket.
 *
 * @module
 */

import { serveBlobs } from "../blob/transfer_server.ts";
import { generateKeyPair } from "../crypto/x25519.ts";
import { offerFolder } from "../directory/offer_folder.ts";
import { serveOffer } from "../directory/offer_server.ts";
import type { ScanStats } from "../directory/scan.ts";
import { shareFolder } from "../directory/share.ts";
import { MeshNode } from "../mesh/node.ts";
import type { Session } from "../mesh/session.ts";
import { resolve } from "../runtime/path.ts";
import { chunksOf, encodeBlobRef } from "../wire/blob_ref.ts";
import { toHex } from "../wire/bytes.ts";
import { shortNodeId } from "../wire/node_id.ts";
import { encodeTicket } from "../wire/ticket.ts";
import type { CommandOf } from "./arguments.ts";
import { errorText } from "./error_text.ts";
import { FetchWatch } from "./fetch_watch.ts";
import { formatBytes, formatPlural } from "./format.ts";
import type { CliIo } from "./io.ts";
import { readKeyFile } from "./key_file.ts";
import type { Output } from "./output.ts";
import { showScan } from "./scan_progress.ts";
import { offerSecret, shareSecret } from "./share_secret.ts";
import { ticketAddresses } from "./ticket_addresses.ts";

/** Runs the command until the signal, or with `--once` until the first complete fetch. */
export async function runShare(
  options: CommandOf<"share">,
  output: Output,
  io: CliIo,
  signal: AbortSignal,
): Promise<void> {
  const key = options.key === undefined ? generateKeyPair().secretKey : readKeyFile(options.key);
  await (options.pinned ? sharePinned : shareLive)(key, options, output, io, signal);
}

/** Serves what is at the path, and tells what that is while it is read: the ticket is there at once. */
async function shareLive(
  key: Uint8Array,
  options: CommandOf<"share">,
  output: Output,
  io: CliIo,
  signal: AbortSignal,
): Promise<void> {
  const { path, exclude, once } = options;
  await using offer = offerFolder(path, { exclude, signal, onProgress: showScan(output) });
  const psk = offerSecret(key, resolve(path));
  await using node = await startNode(key, psk, options);
  const watch = new FetchWatch();
  using _offers = serveOffer(node, offer, { onTold: (session) => watch.told(session) });
  using _blobs = serveBlobs(node, offer.store, {
    onTransfer: ({ session, hash, bytes }) => watch.served(session, hash, bytes),
    onError: warnOnce(output),
  });
  const addresses = ticketAddresses(node.addresses, io.networkAddresses());
  const ticket = encodeTicket({ nodeId: node.id, addresses, psk });
  output.line(`Sharing "${path}"`);
  announceTicket(ticket, addresses, output);
  output.json({ event: "ready", ticket, addresses, path });

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

/** Reads everything first, then serves that and nothing else. */
async function sharePinned(
  key: Uint8Array,
  options: CommandOf<"share">,
  output: Output,
  io: CliIo,
  signal: AbortSignal,
): Promise<void> {
  const { path, exclude, once } = options;
  const shared = await shareFolder(path, { exclude, signal, onProgress: showScan(output) });
  output.endProgress();
  await using store = shared.store;
  const ref = encodeBlobRef(shared.ref);
  const psk = shareSecret(key, ref);
  await using node = await startNode(key, psk, options);
  const watch = new FetchWatch();
  watch.expect(chunksOf(shared.ref).map(({ hash }) => hash));
  using _blobs = serveBlobs(node, store, {
    onTransfer: ({ session, hash, bytes }) => watch.served(session, hash, bytes),
    onError: warnOnce(output),
  });
  const addresses = ticketAddresses(node.addresses, io.networkAddresses());
  const ticket = encodeTicket({ nodeId: node.id, addresses, psk, ref });
  const { files, bytes } = shared.stats;
  warnOfSkipped(shared.stats, output);
  output.line(`Sharing "${path}": ${contentText(shared.stats)}; reference:`);
  output.line(toHex(ref));
  announceTicket(ticket, addresses, output);
  output.json({ event: "ready", ticket, ref: toHex(ref), addresses, path, files, bytes });
  await untilServed(node, watch, output, once, signal).finally(() => node.close({ signal }));
}

function startNode(
  key: Uint8Array,
  psk: Uint8Array,
  { listen, maxDatagram: maxDatagramSize }: CommandOf<"share">,
): Promise<MeshNode> {
  return MeshNode.start({ key, psk, listen, transport: { maxDatagramSize } });
}

/** Resolves at the first complete fetch when `once`, else never; rejects when the signal aborts or `work` fails. */
function untilServed(
  node: MeshNode,
  watch: FetchWatch,
  output: Output,
  once: boolean,
  signal: AbortSignal,
  work?: Promise<void>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    work?.catch(reject);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    if (signal.aborted) reject(signal.reason);
    const onEnd = async (session: Session): Promise<void> => {
      const { code } = await session.closed;
      const bytes = watch.closed(session, code);
      const peer = shortNodeId(session.peerId);
      output.detail(`${peer} is gone (${code})`);
      if (bytes === undefined) return;
      output.note(`${peer} has fetched it (${formatBytes(bytes)} sent)`);
      output.json({ event: "fetched", peer: session.peerName, bytes });
      if (once) resolve();
    };
    const accept = async (): Promise<void> => {
      for await (const session of node.incoming()) {
        output.detail(`${shortNodeId(session.peerId)} is here`);
        onEnd(session).catch(reject);
      }
    };
    accept().catch(reject);
  });
}

/** Warns of files that cannot be served any more, of each once, however often it is asked for. */
function warnOnce(output: Output): (error: Error) => void {
  const warned = new Set<string>();
  return (error) => {
    const text = errorText(error);
    if (warned.has(text)) return;
    warned.add(text);
    output.warn(text);
  };
}

function announceTicket(ticket: string, addresses: readonly string[], output: Output): void {
  output.line();
  output.line("Ticket (whoever has it can read the directory):");
  output.line(ticket);
  output.line();
  output.line("Fetch it with: hawser fetch <ticket> <dest>");
  output.note(`Listening on ${addresses.join(", ")}; Ctrl-C ends it`);
}

function contentText({ files, bytes }: ScanStats): string {
  return `${formatPlural(files, "file")}, ${formatBytes(bytes)}`;
}

function warnOfSkipped({ skipped }: ScanStats, output: Output): void {
  for (const { path, reason } of skipped) output.warn(`left out "${path}": ${reason}`);
}
