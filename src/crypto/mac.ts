/**
 * The cheap check of handshake packets before any curve operation, and the step from one packet key to the next
 * (`protocol.md` 2.1, 2.3). Both are keyed BLAKE2s.
 *
 * @module
 */

import { encodeUtf8 } from "../wire/bytes.ts";
import { blake2s, keyedBlake2s } from "./blake2s.ts";

/** Length of `mac1` and `mac2`, bytes. */
export const MAC_LENGTH = 16;

const MAC1_LABEL = "mac1----";
const KEY_UPDATE_LABEL = "hawser key update";

/** Key of `mac1` in packets to the node with that static public key. Computed once per node, not per packet. */
export function mac1Key(publicKey: Uint8Array): Uint8Array {
  return blake2s(encodeUtf8(MAC1_LABEL), publicKey);
}

/** Keyed BLAKE2s-128 of `data`, 16 bytes. */
export function mac(key: Uint8Array, data: Uint8Array): Uint8Array {
  return keyedBlake2s(key, data, MAC_LENGTH);
}

/** The packet key after `key`, 32 bytes. There is no way back from it. */
export function nextKey(key: Uint8Array): Uint8Array {
  return keyedBlake2s(key, encodeUtf8(KEY_UPDATE_LABEL));
}

/** Whether both hold the same bytes, in time that depends on their length only. */
export function equalConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i];
  return difference === 0;
}
