/**
 * ChaCha20-Poly1305 (RFC 8439), the cipher of every packet and handshake message. `node:crypto` does the work where
 * it can, `@noble/ciphers` where it cannot; both give the same bytes.
 *
 * @module
 */

import { InvalidArgumentError } from "../errors.ts";
import { nativeAead } from "./aead_native.ts";
import { nobleAead } from "./aead_noble.ts";

/** Length of a key, bytes. */
export const KEY_LENGTH = 32;
/** Length of a nonce, bytes. */
export const NONCE_LENGTH = 12;
/** Bytes that encryption adds. */
export const TAG_LENGTH = 16;

/** Name of an implementation: `node:crypto` or `@noble/ciphers`. */
export type AeadDriver = "native" | "noble";

/** Encryption with one key. The caller never uses a nonce twice for `seal`. Nothing that is passed in is kept. */
export interface Aead {
  /**
   * Encrypts `plaintext` and writes ciphertext and tag to `out` from `outAt` on, where
   * `plaintext.length + TAG_LENGTH` bytes must fit; `out` may be where `plaintext` lies. Returns the number of bytes
   * written. `nonce` is 12 bytes, `ad` is authenticated but not encrypted.
   */
  seal(nonce: Uint8Array, ad: Uint8Array, plaintext: Uint8Array, out: Uint8Array, outAt: number): number;
  /**
   * Decrypts ciphertext and tag; `undefined` when they are not authentic. The result is the caller's own; it may be
   * a view of a larger buffer that nobody else uses.
   */
  open(nonce: Uint8Array, ad: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined;
}

let isNativeUsable: boolean | undefined;

/**
 * Encryption with `key`, 32 bytes, of which a copy is kept. Without `driver` the native one is used where it works:
 * builds of OpenSSL without this cipher exist.
 *
 * Throws `InvalidArgumentError` when the key has another length.
 */
export function createAead(key: Uint8Array, driver?: AeadDriver): Aead {
  if (key.length !== KEY_LENGTH) {
    throw new InvalidArgumentError(`Create cipher: key is ${key.length} bytes, want ${KEY_LENGTH}`);
  }
  isNativeUsable ??= probeNative();
  const native = driver === undefined ? isNativeUsable : driver === "native";
  return native ? nativeAead(key.slice()) : nobleAead(key.slice());
}

function probeNative(): boolean {
  try {
    const empty = new Uint8Array(0);
    const aead = nativeAead(new Uint8Array(KEY_LENGTH));
    const sealed = new Uint8Array(TAG_LENGTH);
    aead.seal(new Uint8Array(NONCE_LENGTH), empty, empty, sealed, 0);
    return aead.open(new Uint8Array(NONCE_LENGTH), empty, sealed) !== undefined;
  } catch {
    return false;
  }
}
