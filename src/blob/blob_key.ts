/**
 * Blob addresses as keys of a `Map`. A string of 32 Latin-1 characters takes a third of the time and half the memory
 * of the hex form.
 *
 * @module
 */

import { toHex } from "../wire/bytes.ts";

/** Length of an address, bytes. */
export const KEY_LENGTH = 32;

/** Key of the address at `at` in `bytes`: one character per byte. */
export function blobKey(bytes: Uint8Array, at = 0): string {
  const b = bytes;
  // Spelled out: several times faster than `apply` or spreading, and every store call makes one.
  // deno-fmt-ignore
  return String.fromCharCode(
    b[at], b[at + 1], b[at + 2], b[at + 3], b[at + 4], b[at + 5], b[at + 6], b[at + 7],
    b[at + 8], b[at + 9], b[at + 10], b[at + 11], b[at + 12], b[at + 13], b[at + 14], b[at + 15],
    b[at + 16], b[at + 17], b[at + 18], b[at + 19], b[at + 20], b[at + 21], b[at + 22], b[at + 23],
    b[at + 24], b[at + 25], b[at + 26], b[at + 27], b[at + 28], b[at + 29], b[at + 30], b[at + 31],
  );
}

/** The address behind a key, as a new array. */
export function keyHash(key: string): Uint8Array {
  const hash = new Uint8Array(KEY_LENGTH);
  for (let i = 0; i < KEY_LENGTH; i++) hash[i] = key.charCodeAt(i);
  return hash;
}

/** Hex form of a key, for messages. */
export function keyHex(key: string): string {
  return toHex(keyHash(key));
}
