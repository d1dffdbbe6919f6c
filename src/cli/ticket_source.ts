/**
 * From a ticket to something that gives chunks.
 *
 * @module
 */

import type { ChunkSource } from "../blob/source.ts";
import type { OfferSource } from "../directory/directory_offer.ts";
import { MeshNode } from "../mesh/node.ts";
import { type BlobRef, decodeBlobRef } from "../wire/blob_ref.ts";
import { shortNodeId } from "../wire/node_id.ts";
import type { Ticket } from "../wire/ticket.ts";
import { CLOSE_NOT_FETCHED } from "./fetch_watch.ts";
import type { Output } from "./output.ts";
import { listenFor } from "./ticket_addresses.ts";

/** What {@linkcode withTicketSource} needs besides the ticket. */
export interface TicketSourceOptions {
  /** Where details go. */
  readonly output: Output;
  /** Ends everything. */
  readonly signal: AbortSignal;
  /** Code to close the session with once `work` is done; when it throws, it is that of "not fetched". */
  readonly closeCode: number;
  /** Largest datagram to send, bytes; what the path carries without it. */
  readonly maxDatagramSize?: number;
}

/** What a ticket leads to. */
export interface TicketHolder {
  /** Gives content. */
  readonly source: ChunkSource;
  /** What the ticket is about: a reference, or whatever the node offers. */
  readonly from: BlobRef | OfferSource;
  /** The node on this side. */
  readonly node: MeshNode;
}

/** Lets `work` fetch from the node of a ticket, which is being connected to meanwhile, and closes in order whatever happens. */
export async function withTicketSource<T>(
  ticket: Ticket,
  { output, signal, closeCode, maxDatagramSize }: TicketSourceOptions,
  work: (holder: TicketHolder) => Promise<T>,
): Promise<T> {
  const { nodeId: id, addresses } = ticket;
  const ref = ticket.ref === undefined ? undefined : decodeBlobRef(ticket.ref);
  await using node = await MeshNode.start({
    psk: ticket.psk,
    listen: listenFor(addresses),
    transport: { maxDatagramSize },
  });
  output.detail(`Connecting to ${shortNodeId(id)} at ${addresses.join(", ")}`);
  const stop = new AbortController();
  const connecting = node.connect({ id, addresses }, { signal: AbortSignal.any([signal, stop.signal]) })
    .then(async (session) => {
      output.detail(`Connected to ${shortNodeId(id)}`);
      const { toChunkSource, toOfferSource } = await loading;
      return { chunks: toChunkSource(session), offers: toOfferSource(session) };
    });
  // Loaded while the peer is at work, as what `work` loads itself.
  const loading = loadSources();
  // Whoever asks is told.
  connecting.catch(() => {});
  const source: ChunkSource = {
    fetchChunks: async (jobs, options) => await (await connecting).chunks.fetchChunks(jobs, options),
    fetchDelta: async (request, options) => await (await connecting).chunks.fetchDelta?.(request, options),
  };
  const offers: OfferSource = { ask: async (options) => await (await connecting).offers.ask(options) };
  let code = CLOSE_NOT_FETCHED;
  try {
    const result = await work({ source, from: ref ?? offers, node });
    code = closeCode;
    return result;
  } finally {
    stop.abort();
    await connecting.catch(() => {});
    // Not the first one: after a dropped one the source goes on with another.
    await Promise.all(node.sessions.map((session) => session.close(code)));
  }
}

async function loadSources() {
  const { toChunkSource } = await import("../blob/transfer_client.ts");
  const { toOfferSource } = await import("../directory/offer_source.ts");
  return { toChunkSource, toOfferSource };
}
