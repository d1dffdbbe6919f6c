/**
 * SHA-256, for checksums of what stays on this machine: processors do it by themselves, and nothing has to be got ready
 * for it. The address of content is its BLAKE3 hash.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** Length of a SHA-256 hash, bytes. */
export const SHA256_LENGTH = 32;

/** The hash of `bytes`, as a new array. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}
