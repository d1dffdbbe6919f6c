/**
 * ChaCha20-Poly1305 where the system's library may not be called: `node:crypto`, joined by WebAssembly for small packets
 * once there were enough of them to be worth it.
 *
 * @module
 */

import type { Aead } from "./aead_driver.ts";
import { nativeAead } from "./aead_native.ts";
import { compileSmallAead, MAX_SMALL, MAX_SMALL_AD, type SmallAead } from "./aead_wasm.ts";

/** Small packets of this process after which WebAssembly is compiled, which takes as long as they do. */
const COMPILE_AFTER = 1000;

let smallPackets = 0;
let small: SmallAead | undefined;

/** Counts a small packet; the last of {@linkcode COMPILE_AFTER} has it compiled. */
function countSmall(): void {
  if (++smallPackets !== COMPILE_AFTER) return;
  try {
    small = compileSmallAead();
  } catch {
    // No WebAssembly here: what there is goes on.
  }
}

/** Encryption with `key`; the key is kept, not copied. */
export function mixedAead(key: Uint8Array): Aead {
  const large = nativeAead(key);
  let own: Aead | undefined;
  const choose = (length: number, ad: Uint8Array): Aead => {
    if (length > MAX_SMALL || ad.length > MAX_SMALL_AD) return large;
    if (own !== undefined) return own;
    if (small === undefined) countSmall();
    return small === undefined ? large : own = small(key);
  };
  return {
    seal: (nonce, ad, plaintext, out, outAt) =>
      choose(plaintext.length, ad).seal(nonce, ad, plaintext, out, outAt),
    open: (nonce, ad, ciphertext, out) => choose(ciphertext.length, ad).open(nonce, ad, ciphertext, out),
  };
}
