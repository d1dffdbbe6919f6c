/**
 * Raw deflate (RFC 1951), the same in Deno and Node. Loaded with the first use: small trees never need it.
 *
 * @module
 */

import process from "node:process";

/** Compresses `bytes`. */
export function deflate(bytes: Uint8Array): Uint8Array {
  return process.getBuiltinModule("node:zlib").deflateRawSync(bytes);
}

/**
 * What `bytes` were before they were compressed. Stops, and throws what the runtime throws, when that is more than
 * `maxLength` bytes, when `bytes` are cut off or no such thing. Ignores what is behind the end.
 */
export function inflate(bytes: Uint8Array, maxLength: number): Uint8Array {
  // The runtimes want room for one byte at least.
  const maxOutputLength = Math.max(1, maxLength);
  return process.getBuiltinModule("node:zlib").inflateRawSync(bytes, { maxOutputLength });
}
