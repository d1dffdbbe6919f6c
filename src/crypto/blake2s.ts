/**
 * BLAKE2s (RFC 7693), the hash of the handshake, and what Noise builds on it.
 *
 * @module
 */

import { blake2s as nobleBlake2s } from "@noble/hashes/blake2.js";
import { hkdf as nobleHkdf } from "@noble/hashes/hkdf.js";
import { hmac as nobleHmac } from "@noble/hashes/hmac.js";
import { concatBytes } from "../wire/bytes.ts";

/** Length of a hash, bytes. */
export const BLAKE2S_LENGTH = 32;

/** BLAKE2s-256 of all parts, one after another. */
export function blake2s(...parts: readonly Uint8Array[]): Uint8Array {
  return nobleBlake2s(parts.length === 1 ? parts[0] : concatBytes(parts));
}

/** Keyed BLAKE2s (RFC 7693 §2.9): `key` of at most 32 bytes, `length` bytes out. */
export function keyedBlake2s(key: Uint8Array, data: Uint8Array, length: number = BLAKE2S_LENGTH): Uint8Array {
  return nobleBlake2s(data, { key, dkLen: length });
}

/** HMAC-BLAKE2s-256 (RFC 2104). */
export function hmacBlake2s(key: Uint8Array, data: Uint8Array): Uint8Array {
  return nobleHmac(nobleBlake2s, key, data);
}

/**
 * `count` outputs of 32 bytes from a chaining key and input (Noise §4.3 `HKDF`, which is RFC 5869 with the chaining
 * key as salt and no info).
 */
export function hkdfBlake2s(chainingKey: Uint8Array, input: Uint8Array, count: 2 | 3): Uint8Array[] {
  const bytes = nobleHkdf(nobleBlake2s, input, chainingKey, undefined, count * BLAKE2S_LENGTH);
  const outputs: Uint8Array[] = [];
  for (let i = 0; i < count; i++) outputs.push(bytes.slice(i * BLAKE2S_LENGTH, (i + 1) * BLAKE2S_LENGTH));
  return outputs;
}
