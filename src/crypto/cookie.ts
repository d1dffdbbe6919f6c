/**
 * The cookie of a node under load (WireGuard whitepaper §5.4.7): a code over the address that asked, sealed with
 * XChaCha20-Poly1305 so that only whoever saw the initiation can read it.
 *
 * @module
 */

import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { encodeUtf8 } from "../wire/bytes.ts";
import { blake2s } from "./blake2s.ts";
import { MAC_LENGTH } from "./mac.ts";

/** Length of a cookie, bytes: it is the key of `mac2`. */
export const COOKIE_LENGTH: number = MAC_LENGTH;
/** Length of the nonce of a sealed cookie, bytes. */
export const COOKIE_NONCE_LENGTH = 24;

const COOKIE_LABEL = "cookie--";

/** Key that cookies of the node with that static public key are sealed with. Computed once per node. */
export function cookieKey(publicKey: Uint8Array): Uint8Array {
  return blake2s(encodeUtf8(COOKIE_LABEL), publicKey);
}

/** Seals a cookie; `mac1` is that of the initiation it answers. `nonce` is random, 24 bytes. */
export function sealCookie(
  key: Uint8Array,
  nonce: Uint8Array,
  mac1: Uint8Array,
  cookie: Uint8Array,
): Uint8Array {
  return xchacha20poly1305(key, nonce, mac1).encrypt(cookie);
}

/** Opens a sealed cookie; `undefined` when it is not authentic or answers another initiation. */
export function openCookie(
  key: Uint8Array,
  nonce: Uint8Array,
  mac1: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  try {
    return xchacha20poly1305(key, nonce, mac1).decrypt(sealed);
  } catch {
    return undefined;
  }
}
