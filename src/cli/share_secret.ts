/**
 * The mesh key of a share. It is derived, not drawn, so that the same node key and the same content give the same
 * ticket after a restart; and it is bound to the content, so that an old ticket does not open a later share.
 *
 * @module
 */

import { keyedBlake2s } from "../crypto/blake2s.ts";
import { concatBytes, encodeUtf8 } from "../wire/bytes.ts";

const CONTEXT = "hawser share";

/** Keyed BLAKE2s-256 of `"hawser share" || reference`, keyed with the node's secret key. */
export function shareSecret(nodeSecret: Uint8Array, reference: Uint8Array): Uint8Array {
  return keyedBlake2s(nodeSecret, concatBytes([encodeUtf8(CONTEXT), reference]));
}
