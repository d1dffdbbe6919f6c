/**
 * ChaCha20-Poly1305 where the system's library may not be called: `node:crypto`, joined by WebAssembly for small packets
 * once there were enough of them to be worth loading it.
 *
 * @module
 */

import type { Aead } from "./aead_driver.ts";
import { nativeAead } from "./aead_native.ts";
import { loadSmallAead, MAX_SMALL, type SmallAead } from "./aead_wasm.ts";

/** Small packets of this process after which WebAssembly is loaded, which takes as long as ten times as many. */
const LOAD_AFTER = 1000;

let smallPackets = 0;
let small: SmallAead | undefined;

/** Counts a small packet; the last of {@linkcode LOAD_AFTER} begins to load. */
function countSmall(): void {
  if (++smallPackets !== LOAD_AFTER) return;
  loadSmallAead().then(
    (loaded) => small = loaded,
    // No WebAssembly here: what there is goes on.
    () => {},
  );
}

/** Encryption with `key`; the key is kept, not copied. */
export function mixedAead(key: Uint8Array): Aead {
  const large = nativeAead(key);
  let own: Aead | undefined;
  const choose = (length: number): Aead => {
    if (length > MAX_SMALL) return large;
    if (own !== undefined) return own;
    if (small !== undefined) return own = small(key);
    countSmall();
    return large;
  };
  return {
    seal: (nonce, ad, plaintext, out, outAt) =>
      choose(plaintext.length).seal(nonce, ad, plaintext, out, outAt),
    open: (nonce, ad, ciphertext, out) => choose(ciphertext.length).open(nonce, ad, ciphertext, out),
  };
}
