/**
 * BLAKE3 driver on `@noble/hashes`: about a tenth of the speed of WebAssembly, works everywhere.
 *
 * @module
 */

import { blake3 } from "@noble/hashes/blake3.js";
import type { Blake3, Blake3Hasher } from "./blake3.ts";

class NobleHasher implements Blake3Hasher {
  #state = blake3.create();

  update(bytes: Uint8Array): this {
    this.#state.update(bytes);
    return this;
  }

  digest(): Uint8Array {
    return this.#state.digest();
  }

  reset(): this {
    this.#state = blake3.create();
    return this;
  }
}

/** The driver in plain TypeScript: the fallback of {@linkcode loadBlake3}, and what tests compare with. */
export function nobleBlake3(): Blake3 {
  return {
    name: "noble",
    hash: (bytes) => blake3(bytes),
    createHasher: () => Promise.resolve(new NobleHasher()),
  };
}
