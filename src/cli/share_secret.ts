/**
 * The mesh key of a share. It is derived, not drawn, so that the same node key gives the same ticket after a restart;
 * and it is bound to what is shared, so that the ticket of one share does not open another.
 *
 * @module
 */

import { keyedBlake2s } from "../crypto/blake2s.ts";
import { concatBytes, encodeUtf8 } from "../wire/bytes.ts";

// Of one length: neither followed by anything is the other.
const CONTENT = encodeUtf8("hawser share");
const PLACE = encodeUtf8("hawser offer");

/** For what is at a place, whatever that is: keyed BLAKE2s-256 of `"hawser offer" || path`, keyed with the node's secret key. */
export function offerSecret(nodeSecret: Uint8Array, absolutePath: string): Uint8Array {
  return keyedBlake2s(nodeSecret, concatBytes([PLACE, encodeUtf8(absolutePath)]));
}

/** For one content: keyed BLAKE2s-256 of `"hawser share" || reference`, keyed with the node's secret key. */
export function shareSecret(nodeSecret: Uint8Array, reference: Uint8Array): Uint8Array {
  return keyedBlake2s(nodeSecret, concatBytes([CONTENT, reference]));
}
