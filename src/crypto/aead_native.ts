/**
 * ChaCha20-Poly1305 on `node:crypto`: 1 to 2 GB/s on large packets, 5 µs for a small one.
 *
 * @module
 */

import { createCipheriv, createDecipheriv } from "node:crypto";
import { giveBack } from "../runtime/give_back.ts";
import { type Aead, placeFor, TAG_LENGTH } from "./aead_driver.ts";

const ALGORITHM = "chacha20-poly1305";
const OPTIONS = { authTagLength: TAG_LENGTH };

/** Encryption with `key` through `node:crypto`; the key is kept, not copied. */
export function nativeAead(key: Uint8Array): Aead {
  return {
    seal(nonce, ad, plaintext, out, outAt) {
      const cipher = createCipheriv(ALGORITHM, key, nonce, OPTIONS);
      cipher.setAAD(ad, { plaintextLength: plaintext.length });
      const ciphertext = cipher.update(plaintext);
      // A stream cipher holds nothing back: the end has no bytes, but the tag needs it.
      cipher.final();
      out.set(ciphertext, outAt);
      out.set(cipher.getAuthTag(), outAt + plaintext.length);
      giveBack(ciphertext);
      return plaintext.length + TAG_LENGTH;
    },

    open(nonce, ad, ciphertext, out) {
      const length = ciphertext.length - TAG_LENGTH;
      if (length < 0) return undefined;
      const decipher = createDecipheriv(ALGORITHM, key, nonce, OPTIONS);
      decipher.setAAD(ad, { plaintextLength: length });
      decipher.setAuthTag(ciphertext.subarray(length));
      const plaintext = decipher.update(ciphertext.subarray(0, length));
      try {
        decipher.final();
      } catch {
        return undefined;
      }
      if (out !== undefined && plaintext.length <= out.length) {
        const place = placeFor(plaintext.length, out);
        place.set(plaintext);
        giveBack(plaintext);
        return place;
      }
      // Not a `Buffer`: its `slice` and `toString` are not those that callers expect.
      return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.length);
    },
  };
}
