/**
 * Tickets: one string with everything that a fetcher needs (`protocol.md` 1). Postcard in bech32m with prefix
 * `hawser`, without bech32's length limit. A ticket that holds a mesh key is a secret: no error repeats its text.
 *
 * @module
 */

import { bech32m } from "@scure/base";
import { DecodeError, type HawserError, InvalidArgumentError, UnsupportedVersionError } from "../errors.ts";
import { parseAddress } from "./address.ts";
import { decodeBlobRef } from "./blob_ref.ts";
import { NODE_ID_LENGTH } from "./node_id.ts";
import { PostcardReader, PostcardWriter } from "./postcard.ts";

/** What every ticket starts with, before bech32's separator `1`. */
export const TICKET_PREFIX = "hawser";
/** Greatest number of addresses in a ticket. */
export const MAX_TICKET_ADDRESSES = 16;

const VERSION = 1;
const PSK_LENGTH = 32;
const NONE = 0;
const SOME = 1;

/** Whom to ask, where, with which key, for what. */
export interface Ticket {
  /** The node's id: its X25519 public key, 32 bytes. */
  readonly nodeId: Uint8Array;
  /** Where it listens, `host:port` or `[IPv6]:port`, 1 to {@linkcode MAX_TICKET_ADDRESSES}, best first. */
  readonly addresses: readonly string[];
  /** The mesh key, 32 bytes; makes the ticket a secret. */
  readonly psk?: Uint8Array;
  /** Encoded blob reference of what is offered. */
  readonly ref?: Uint8Array;
}

/** The text of a ticket. Throws `InvalidArgumentError` when a field is not what {@linkcode Ticket} says. */
export function encodeTicket(ticket: Ticket): string {
  check(ticket, (problem, options) => new InvalidArgumentError(`Make ticket: ${problem}`, options));
  const writer = new PostcardWriter(256);
  writer.u8(VERSION).fixed(ticket.nodeId).varint(ticket.addresses.length);
  for (const address of ticket.addresses) writer.string(address);
  if (ticket.psk) writer.u8(SOME).fixed(ticket.psk);
  else writer.u8(NONE);
  if (ticket.ref) writer.u8(SOME).bytes(ticket.ref);
  else writer.u8(NONE);
  return bech32m.encode(TICKET_PREFIX, bech32m.toWords(writer.finish()), false);
}

/**
 * Reads a ticket; white space around it is ignored, and it may be all upper case. Bytes after the last field are
 * ignored, so that later releases can add fields.
 *
 * Throws `DecodeError` when the text is no ticket or a field is not what {@linkcode Ticket} says,
 * `UnsupportedVersionError` when it is a ticket of another version.
 */
export function decodeTicket(text: string): Ticket {
  const reader = new PostcardReader(decodeText(text.trim()), "ticket");
  const version = reader.u8();
  if (version !== VERSION) throw new UnsupportedVersionError("ticket", version);
  const nodeId = reader.fixed(NODE_ID_LENGTH).slice();
  const addresses: string[] = [];
  for (let count = reader.u64(); count > 0; count--) addresses.push(reader.string());
  const psk = isSome(reader) ? reader.fixed(PSK_LENGTH).slice() : undefined;
  const ref = isSome(reader) ? reader.bytes().slice() : undefined;
  const ticket: Ticket = { nodeId, addresses, ...(psk && { psk }), ...(ref && { ref }) };
  check(ticket, malformed);
  return ticket;
}

function decodeText(text: string): Uint8Array {
  const lower = text.toLowerCase();
  if (!lower.startsWith(`${TICKET_PREFIX}1`)) throw malformed(`text does not start with "${TICKET_PREFIX}1"`);
  if (text !== lower && text !== text.toUpperCase()) throw malformed("text mixes upper and lower case");
  const body = lower.slice(TICKET_PREFIX.length + 1);
  // The bech32 alphabet: no 1, b, i, o.
  const stranger = body.search(/[^qpzry9x8gf2tvdw0s3jn54khce6mua7l]/);
  if (stranger >= 0) {
    throw malformed(`character ${stranger + TICKET_PREFIX.length + 2} is not one that tickets are made of`);
  }
  try {
    return bech32m.fromWords(bech32m.decode(lower, false).words);
  } catch {
    // No `cause`: its message repeats the text.
    throw malformed("checksum is wrong: text is incomplete or was changed");
  }
}

function isSome(reader: PostcardReader): boolean {
  const tag = reader.u8();
  if (tag > SOME) throw malformed(`option has tag ${tag}, want 0 or 1`);
  return tag === SOME;
}

function malformed(problem: string, options?: ErrorOptions): DecodeError {
  return new DecodeError(`Decode ticket: ${problem}`, options);
}

function check(ticket: Ticket, fail: (problem: string, options?: ErrorOptions) => HawserError): void {
  const { nodeId, addresses, psk, ref } = ticket;
  if (nodeId.length !== NODE_ID_LENGTH) {
    throw fail(`node id is ${nodeId.length} bytes, want ${NODE_ID_LENGTH}`);
  }
  if (addresses.length < 1 || addresses.length > MAX_TICKET_ADDRESSES) {
    throw fail(`has ${addresses.length} addresses, want 1 to ${MAX_TICKET_ADDRESSES}`);
  }
  for (const [i, address] of addresses.entries()) {
    attempt(() => parseAddress(address), `address ${i + 1} is not usable`, fail);
  }
  if (psk && psk.length !== PSK_LENGTH) throw fail(`mesh key is ${psk.length} bytes, want ${PSK_LENGTH}`);
  if (ref && attempt(() => decodeBlobRef(ref), "blob reference is not usable", fail) === undefined) {
    throw fail("blob reference is none");
  }
}

function attempt<T>(
  action: () => T,
  problem: string,
  fail: (problem: string, options?: ErrorOptions) => HawserError,
): T {
  try {
    return action();
  } catch (cause) {
    throw fail(problem, { cause });
  }
}
