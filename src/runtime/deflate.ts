/**
 * Raw deflate (RFC 1951), the same in Deno and Node.
 *
 * @module
 */

import { deflateRawSync, inflateRawSync } from "node:zlib";

/** Compresses `bytes`. */
export function deflate(bytes: Uint8Array): Uint8Array {
  return deflateRawSync(bytes);
}

/**
 * What `bytes` were before they were compressed. Stops, and throws what the runtime throws, when that is more than
 * `maxLength` bytes, when `bytes` are cut off or no such thing. Ignores what is behind the end.
 */
export function inflate(bytes: Uint8Array, maxLength: number): Uint8Array {
  // The runtimes want room for one byte at least.
  return inflateRawSync(bytes, { maxOutputLength: Math.max(1, maxLength) });
}
