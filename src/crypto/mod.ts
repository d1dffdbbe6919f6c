/**
 * Cryptography: hashes, packet encryption, key agreement and the Noise handshake, each behind one seam with a
 * native or WebAssembly driver where there is one and `@noble` where there is none.
 *
 * @module
 */

export * from "./aead.ts";
export * from "./blake2s.ts";
export * from "./blake3.ts";
export * from "./cookie.ts";
export * from "./mac.ts";
export * from "./noise.ts";
export * from "./x25519.ts";
