/**
 * BLAKE3 driver on `hash-wasm`: 0.6 to 0.8 GB/s.
 *
 * @module
 */

import type { IHasher } from "hash-wasm";
import type { Blake3, Blake3Hasher } from "./blake3.ts";

class WasmHasher implements Blake3Hasher {
  readonly #instance: IHasher;

  constructor(instance: IHasher) {
    this.#instance = instance;
    instance.init();
  }

  update(bytes: Uint8Array): this {
    this.#instance.update(bytes);
    return this;
  }

  digest(): Uint8Array {
    return this.#instance.digest("binary");
  }

  reset(): this {
    this.#instance.init();
    return this;
  }
}

/** Loads the WebAssembly driver. Rejects where WebAssembly is missing or may not be compiled. */
export async function loadWasmBlake3(): Promise<Blake3> {
  // Imported here: the package carries every algorithm it has, and programs that never hash need not parse it.
  const { createBLAKE3 } = await import("hash-wasm");
  // One instance serves all one-shot hashes: nothing can come between its init and its digest.
  const shared = await createBLAKE3();
  return {
    name: "wasm",
    hash: (bytes) => shared.init().update(bytes).digest("binary"),
    createHasher: async () => new WasmHasher(await createBLAKE3()),
  };
}
