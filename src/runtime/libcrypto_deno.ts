/**
 * The system's libcrypto (OpenSSL 1.1 or 3) in Deno under `--allow-ffi`: no objects per packet, which cost more than
 * the cipher on small ones.
 *
 * @module
 */

import type { SystemCipher } from "./libcrypto.ts";

/** Names on Linux. Elsewhere the system's own copy is not for others (macOS), or there is none. */
const LIBRARY_NAMES = ["libcrypto.so.3", "libcrypto.so.1.1"];
/** `EVP_CTRL_AEAD_GET_TAG`. */
const GET_TAG = 0x10;
/** `EVP_CTRL_AEAD_SET_TAG`. */
const SET_TAG = 0x11;
const TAG_LENGTH = 16;

const SYMBOLS = {
  EVP_CIPHER_CTX_new: { parameters: [], result: "pointer" },
  EVP_CIPHER_CTX_ctrl: { parameters: ["pointer", "i32", "i32", "buffer"], result: "i32" },
  EVP_chacha20_poly1305: { parameters: [], result: "pointer" },
  EVP_EncryptInit_ex: { parameters: ["pointer", "pointer", "pointer", "buffer", "buffer"], result: "i32" },
  EVP_EncryptUpdate: { parameters: ["pointer", "buffer", "buffer", "buffer", "i32"], result: "i32" },
  EVP_EncryptFinal_ex: { parameters: ["pointer", "buffer", "buffer"], result: "i32" },
  EVP_DecryptInit_ex: { parameters: ["pointer", "pointer", "pointer", "buffer", "buffer"], result: "i32" },
  EVP_DecryptUpdate: { parameters: ["pointer", "buffer", "buffer", "buffer", "i32"], result: "i32" },
  EVP_DecryptFinal_ex: { parameters: ["pointer", "buffer", "buffer"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

let loaded: SystemCipher | undefined;

/** libcrypto, where Deno may load it and it has the cipher; `undefined` elsewhere. Asks only, prompts never. */
export function loadSystemCipher(): SystemCipher | undefined {
  if (Deno.build.os !== "linux" || Deno.permissions.querySync({ name: "ffi" }).state !== "granted") {
    return undefined;
  }
  for (const name of LIBRARY_NAMES) loaded ??= load(name);
  return loaded;
}

function load(name: string): SystemCipher | undefined {
  try {
    return cipherOf(Deno.dlopen(name, SYMBOLS).symbols);
  } catch {
    // Not this library: another name, or another driver.
    return undefined;
  }
}

/** Bytes outside of the JavaScript heap, whose address the runtime passes on without a copy. */
const outside = (bytes: number): Uint8Array<ArrayBuffer> => new Uint8Array(new ArrayBuffer(bytes));

function cipherOf(call: Deno.DynamicLibrary<typeof SYMBOLS>["symbols"]): SystemCipher | undefined {
  // One context per direction for all keys: giving it the key each time costs a tenth of a microsecond, and none
  // has to be freed.
  const [sealing, opening] = [call.EVP_CIPHER_CTX_new(), call.EVP_CIPHER_CTX_new()];
  const cipher = call.EVP_chacha20_poly1305();
  const empty = outside(64);
  const isUsable = call.EVP_EncryptInit_ex(sealing, cipher, null, empty, empty) === 1 &&
    call.EVP_DecryptInit_ex(opening, cipher, null, empty, empty) === 1;
  if (!isUsable) return undefined;
  /** Where OpenSSL tells lengths that are known. */
  const length = outside(8);
  const tag = outside(TAG_LENGTH);

  return {
    seal(key, nonce, ad, plaintext, out, outAt) {
      const size = plaintext.length;
      const isInPlace = plaintext.buffer === out.buffer && plaintext.byteOffset === out.byteOffset + outAt;
      // No view more than it takes: they are what the garbage collector gets from a packet.
      const to = isInPlace ? plaintext : out.subarray(outAt, outAt + size);
      const done = call.EVP_EncryptInit_ex(sealing, null, null, key as never, nonce as never) +
        call.EVP_EncryptUpdate(sealing, null, length, ad as never, ad.length) +
        call.EVP_EncryptUpdate(sealing, to as never, length, plaintext as never, size) +
        call.EVP_EncryptFinal_ex(sealing, length, length) +
        call.EVP_CIPHER_CTX_ctrl(sealing, GET_TAG, TAG_LENGTH, tag);
      // Out of memory at most. A packet that is not encrypted must not leave.
      if (done !== 5) throw new Error("libcrypto does not encrypt");
      for (let i = 0; i < TAG_LENGTH; i++) out[outAt + size + i] = tag[i];
    },

    open(key, nonce, ad, ciphertext, out) {
      const size = ciphertext.length - TAG_LENGTH;
      for (let i = 0; i < TAG_LENGTH; i++) tag[i] = ciphertext[size + i];
      return call.EVP_DecryptInit_ex(opening, null, null, key as never, nonce as never) +
          call.EVP_CIPHER_CTX_ctrl(opening, SET_TAG, TAG_LENGTH, tag) +
          call.EVP_DecryptUpdate(opening, null, length, ad as never, ad.length) +
          call.EVP_DecryptUpdate(opening, out as never, length, ciphertext as never, size) +
          call.EVP_DecryptFinal_ex(opening, length, length) === 5;
    },
  };
}
