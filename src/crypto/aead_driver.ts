/**
 * What every driver of ChaCha20-Poly1305 offers, and what they share.
 *
 * @module
 */

/** Length of a key, bytes. */
export const KEY_LENGTH = 32;
/** Length of a nonce, bytes. */
export const NONCE_LENGTH = 12;
/** Bytes that encryption adds. */
export const TAG_LENGTH = 16;

/** Encryption with one key. The caller never uses a nonce twice for `seal`. Nothing that is passed in is kept. */
export interface Aead {
  /**
   * Encrypts `plaintext` and writes ciphertext and tag to `out` from `outAt` on, where
   * `plaintext.length + TAG_LENGTH` bytes must fit; `out` may be where `plaintext` lies. Returns the number of bytes
   * written. `nonce` is 12 bytes, `ad` is authenticated but not encrypted.
   */
  seal(nonce: Uint8Array, ad: Uint8Array, plaintext: Uint8Array, out: Uint8Array, outAt: number): number;
  /**
   * Decrypts ciphertext and tag; `undefined` when they are not authentic. The result is a view of `out`, whatever was
   * there before, if that is given, large enough and the driver can write to it; else it is the caller's own, perhaps a
   * view of a larger buffer that nobody else uses.
   */
  open(
    nonce: Uint8Array,
    ad: Uint8Array,
    ciphertext: Uint8Array,
    out?: Uint8Array,
  ): Uint8Array | undefined;
}

/** Where a driver puts a plaintext: the front of `out`, or a new array. */
export function placeFor(length: number, out: Uint8Array | undefined): Uint8Array {
  return out === undefined || out.length < length ? new Uint8Array(length) : out.subarray(0, length);
}
