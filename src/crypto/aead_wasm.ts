/**
 * ChaCha20-Poly1305 on libsodium in WebAssembly, for small packets: a call costs half a microsecond where one of
 * `node:crypto` costs three to five. Large ones are faster there.
 *
 * @module
 */

import { type Aead, NONCE_LENGTH, placeFor, TAG_LENGTH } from "./aead_driver.ts";

/** Longest plaintext that this driver takes, bytes: up to here it is the faster one. */
export const MAX_SMALL = 2048;
/** Longest associated data that it takes, bytes. */
const MAX_AD = 64;

/** What is used of libsodium. Lengths are 64 bits wide and passed in two halves. */
interface Sodium {
  HEAPU8: Uint8Array;
  _malloc(length: number): number;
  _crypto_aead_chacha20poly1305_ietf_encrypt(
    out: number,
    outLength: number,
    plaintext: number,
    plaintextLow: number,
    plaintextHigh: number,
    ad: number,
    adLow: number,
    adHigh: number,
    unused: number,
    nonce: number,
    key: number,
  ): number;
  _crypto_aead_chacha20poly1305_ietf_decrypt(
    out: number,
    outLength: number,
    unused: number,
    ciphertext: number,
    ciphertextLow: number,
    ciphertextHigh: number,
    ad: number,
    adLow: number,
    adHigh: number,
    nonce: number,
    key: number,
  ): number;
}

/** A cipher for what is small. */
export type SmallAead = (key: Uint8Array) => Aead;

/** Loads libsodium. Rejects where WebAssembly is missing or may not be compiled. */
export async function loadSmallAead(): Promise<SmallAead> {
  // Imported here: programs that send little never need its third of a megabyte.
  const { default: load } = await import("libsodium");
  const sodium: Sodium = await load();
  const data = sodium._malloc(MAX_SMALL + TAG_LENGTH);
  const [adAt, nonceAt, keyAt] = [sodium._malloc(MAX_AD), sodium._malloc(NONCE_LENGTH), sodium._malloc(32)];

  const put = (key: Uint8Array, nonce: Uint8Array, ad: Uint8Array, input: Uint8Array) => {
    if (nonce.length !== NONCE_LENGTH || ad.length > MAX_AD || input.length > MAX_SMALL + TAG_LENGTH) {
      throw new RangeError("Small cipher: lengths");
    }
    const memory = sodium.HEAPU8;
    memory.set(key, keyAt);
    memory.set(nonce, nonceAt);
    memory.set(ad, adAt);
    memory.set(input, data);
  };

  return (key) => ({
    seal(nonce, ad, plaintext, out, outAt) {
      const { length } = plaintext;
      put(key, nonce, ad, plaintext);
      sodium._crypto_aead_chacha20poly1305_ietf_encrypt(
        data,
        0,
        data,
        length,
        0,
        adAt,
        ad.length,
        0,
        0,
        nonceAt,
        keyAt,
      );
      out.set(sodium.HEAPU8.subarray(data, data + length + TAG_LENGTH), outAt);
      return length + TAG_LENGTH;
    },

    open(nonce, ad, ciphertext, out) {
      const { length } = ciphertext;
      put(key, nonce, ad, ciphertext);
      const failed = sodium._crypto_aead_chacha20poly1305_ietf_decrypt(
        data,
        0,
        0,
        data,
        length,
        0,
        adAt,
        ad.length,
        0,
        nonceAt,
        keyAt,
      );
      if (failed !== 0) return undefined;
      const plaintext = placeFor(length - TAG_LENGTH, out);
      plaintext.set(sodium.HEAPU8.subarray(data, data + length - TAG_LENGTH));
      return plaintext;
    },
  });
}
