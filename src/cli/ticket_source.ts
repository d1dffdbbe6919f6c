/**
 * From a ticket to something that gives chunks.
 *
 * @module
 */

import type { ChunkSource } from "../blob/source.ts";
import { toChunkSource } from "../blob/transfer_client.ts";
import { MeshNode } from "../mesh/node.ts";
import { type BlobRef, decodeBlobRef } from "../wire/blob_ref.ts";
import { shortNodeId } from "../wire/node_id.ts";
import type { Ticket } from "../wire/ticket.ts";
import { CLOSE_NOT_FETCHED } from "./fetch_watch.ts";
import type { Output } from "./output.ts";
import { listenFor } from "./ticket_addresses.ts";
import { UsageError } from "./usage_error.ts";

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

/** The reference that a ticket is about. */
export function ticketReference(ticket: Ticket): BlobRef {
  const ref = ticket.ref === undefined ? undefined : decodeBlobRef(ticket.ref);
  if (ref === undefined) throw new UsageError("This ticket names a node but nothing to fetch from it");
  return ref;
}

/** Connects a node to that of a ticket, lets `work` fetch from it, and closes in order whatever happens. */
export async function withTicketSource<T>(
  ticket: Ticket,
  { output, signal, closeCode, maxDatagramSize }: TicketSourceOptions,
  work: (source: ChunkSource, node: MeshNode) => Promise<T>,
): Promise<T> {
  const { nodeId: id, addresses } = ticket;
  await using node = await MeshNode.start({
    psk: ticket.psk,
    listen: listenFor(addresses),
    transport: { maxDatagramSize },
  });
  output.detail(`Connecting to ${shortNodeId(id)} at ${addresses.join(", ")}`);
  const session = await node.connect({ id, addresses }, { signal });
  output.detail(`Connected to ${shortNodeId(id)}`);
  let code = CLOSE_NOT_FETCHED;
  try {
    const result = await work(toChunkSource(session), node);
    code = closeCode;
    return result;
  } finally {
    // Not `session`: after a dropped one the source goes on with another.
    await Promise.all(node.sessions.map((session) => session.close(code)));
  }
}
