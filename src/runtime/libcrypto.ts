/**
 * What the packet path needs of the system's own cipher library. One driver per runtime behind `#libcrypto`.
 *
 * @module
 */

/** ChaCha20-Poly1305 of the system. Callers pass arrays of the right lengths: nothing below looks at them. */
export interface SystemCipher {
  /**
   * Encrypts `plaintext` to `out` from `outAt` on, with the tag behind it; `out` may be where `plaintext` lies.
   * `key` is 32 bytes, `nonce` 12.
   */
  seal(
    key: Uint8Array,
    nonce: Uint8Array,
    ad: Uint8Array,
    plaintext: Uint8Array,
    out: Uint8Array,
    outAt: number,
  ): void;
  /** Decrypts what {@linkcode SystemCipher.seal} made to the front of `out`; whether it is authentic. */
  open(
    key: Uint8Array,
    nonce: Uint8Array,
    ad: Uint8Array,
    ciphertext: Uint8Array,
    out: Uint8Array,
  ): boolean;
}
