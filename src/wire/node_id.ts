/**
 * Text form of node ids: base32 (RFC 4648) of the public key, lower case, no padding, 52 characters.
 *
 * @module
 */

import { base32nopad } from "@scure/base";
import { DecodeError, InvalidArgumentError } from "../errors.ts";

/** Length of a node id, bytes: an X25519 public key. */
export const NODE_ID_LENGTH = 32;

const TEXT_LENGTH = 52;
const SHORT_LENGTH = 10;

/** The 52 characters of a node id. Throws `InvalidArgumentError` when it is not 32 bytes. */
export function encodeNodeId(id: Uint8Array): string {
  if (id.length !== NODE_ID_LENGTH) {
    throw new InvalidArgumentError(`Encode node id: ${id.length} bytes, want ${NODE_ID_LENGTH}`);
  }
  return base32nopad.encode(id).toLowerCase();
}

/** Reads a node id, either case, white space around it ignored. Throws `DecodeError` when the text is none. */
export function decodeNodeId(text: string): Uint8Array {
  const trimmed = text.trim();
  if (trimmed.length !== TEXT_LENGTH) {
    throw new DecodeError(`Decode node id: ${trimmed.length} characters, want ${TEXT_LENGTH}`);
  }
  if (!/^[A-Za-z2-7]+$/.test(trimmed)) {
    throw new DecodeError("Decode node id: only letters and the digits 2 to 7 can be in it");
  }
  try {
    return base32nopad.decode(trimmed.toUpperCase());
  } catch (cause) {
    throw new DecodeError("Decode node id: last character has bits that no id has", { cause });
  }
}

/** The first 10 characters, to show to people. Not for decisions: ids with equal beginnings can be made. */
export function shortNodeId(id: Uint8Array): string {
  return encodeNodeId(id).slice(0, SHORT_LENGTH);
}
