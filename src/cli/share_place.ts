/**
 * Where a share is to be found: a bound socket, keys, and the ticket that tells of them. Needs none of the modules that
 * serve, which take longer to load than all of this takes.
 *
 * @module
 */

import { bindUdp } from "#udp";
import { nobleX25519 } from "../crypto/x25519_noble.ts";
import { resolveHost } from "../runtime/resolve.ts";
import type { UdpSocket } from "../runtime/udp.ts";
import { formatAddress, parseAddress } from "../wire/address.ts";
import { encodeTicket } from "../wire/ticket.ts";
import type { CommandOf } from "./arguments.ts";
import type { CliIo } from "./io.ts";
import type { Output } from "./output.ts";
import { ticketAddresses } from "./ticket_addresses.ts";

/** A place taken. */
export interface SharePlace {
  /** Secret key of the node to be. */
  readonly key: Uint8Array;
  /** Mesh key. */
  readonly psk: Uint8Array;
  /** Bound; what arrives waits for the node. */
  readonly socket: UdpSocket;
  /** Where others may find it, as "host:port". */
  readonly addresses: readonly string[];
  /** All of it, for those who fetch. */
  readonly ticket: string;
}

/** The node key that the options name, or a new one. */
export async function nodeKey({ key }: CommandOf<"share">): Promise<Uint8Array> {
  if (key === undefined) return crypto.getRandomValues(new Uint8Array(32));
  const { readKeyFile } = await import("./key_file.ts");
  return readKeyFile(key);
}

/** Binds the socket. @param ref reference for the ticket, encoded, if it is known. Throws as `MeshNode.start`. */
export async function takePlace(
  key: Uint8Array,
  psk: Uint8Array,
  { listen }: CommandOf<"share">,
  io: CliIo,
  ref?: Uint8Array,
): Promise<SharePlace> {
  const { host, port } = parseAddress(listen, 0);
  const [hostname] = await resolveHost(host);
  const socket = await bindUdp(hostname, port);
  const bound = formatAddress({ host: socket.address.hostname, port: socket.address.port });
  const addresses = ticketAddresses([bound], io.networkAddresses());
  // A single key does not need the native driver, which has to be loaded.
  const nodeId = nobleX25519.publicKeyOf(key);
  return { key, psk, socket, addresses, ticket: encodeTicket({ nodeId, addresses, psk, ref }) };
}

/** The lines for people about a place. */
export function announcePlace({ ticket, addresses }: SharePlace, output: Output): void {
  output.line();
  output.line("Ticket (whoever has it can read the directory):");
  output.line(ticket);
  output.line();
  output.line("Fetch it with: hawser fetch <ticket> <dest>");
  output.note(`Listening on ${addresses.join(", ")}; Ctrl-C ends it`);
}
