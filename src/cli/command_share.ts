/**
 * `hawser share`: serves a directory to whoever has the ticket.
 *
 * @module
 */

import { serveBlobs } from "../blob/transfer_server.ts";
import { generateKeyPair } from "../crypto/x25519.ts";
import { type SharedFolder, shareFolder } from "../directory/share.ts";
import { MeshNode } from "../mesh/node.ts";
import type { Session } from "../mesh/session.ts";
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
import { shareSecret } from "./share_secret.ts";
import { ticketAddresses } from "./ticket_addresses.ts";

/** Runs the command until the signal, or with `--once` until the first complete fetch. */
export async function runShare(
  options: CommandOf<"share">,
  output: Output,
  io: CliIo,
  signal: AbortSignal,
): Promise<void> {
  const key = options.key === undefined ? generateKeyPair().secretKey : readKeyFile(options.key);
  const { path, exclude, listen, maxDatagram: maxDatagramSize } = options;
  const shared = await shareFolder(path, { exclude, signal, onProgress: showScan(output) });
  output.endProgress();
  await using store = shared.store;
  const ref = encodeBlobRef(shared.ref);
  const psk = shareSecret(key, ref);
  await using node = await MeshNode.start({ key, psk, listen, transport: { maxDatagramSize } });
  const addresses = ticketAddresses(node.addresses, io.networkAddresses());
  const ticket = encodeTicket({ nodeId: node.id, addresses, psk, ref });

  const watch = new FetchWatch(chunksOf(shared.ref).map(({ hash }) => hash));
  using _server = serveBlobs(node, store, {
    onTransfer: ({ session, hash, bytes }) => watch.served(session, hash, bytes),
    onError: warnOnce(output),
  });
  announce(shared, { event: "ready", ticket, ref: toHex(ref), addresses, path }, output);
  await served(node, watch, output, options.once, signal)
    // After Ctrl-C nobody is waited for: a peer could hold its streams open for as long as it likes.
    .finally(() => node.close({ signal }));
}

/** Resolves at the first complete fetch when `once`, else never; rejects when the signal aborts. */
function served(
  node: MeshNode,
  watch: FetchWatch,
  output: Output,
  once: boolean,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
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

/** What others need to fetch. */
interface Ready {
  readonly event: "ready";
  readonly ticket: string;
  /** Encoded reference, hex. */
  readonly ref: string;
  readonly addresses: readonly string[];
  readonly path: string;
}

function announce({ stats }: SharedFolder, ready: Ready, output: Output): void {
  const { files, bytes } = stats;
  for (const { path, reason } of stats.skipped) output.warn(`left out "${path}": ${reason}`);
  output.line(`Sharing "${ready.path}": ${formatPlural(files, "file")}, ${formatBytes(bytes)}`);
  output.line();
  output.line("Reference:");
  output.line(ready.ref);
  output.line();
  output.line("Ticket (whoever has it can read the directory):");
  output.line(ready.ticket);
  output.line();
  output.line("Fetch it with: hawser fetch <ticket> <dest>");
  output.note(`Listening on ${ready.addresses.join(", ")}; Ctrl-C ends it`);
  output.json({ ...ready, files, bytes });
}
