/**
 * ChaCha20-Poly1305 (RFC 8439), the cipher of every packet and handshake message. The fastest driver that works here
 * does it: the system's libcrypto where the runtime may call it, else `node:crypto` with WebAssembly for small packets,
 * else `@noble/ciphers`. All give the same bytes.
 *
 * @module
 */

import { loadSystemCipher } from "#libcrypto";
import { InvalidArgumentError } from "../errors.ts";
import { type Aead, KEY_LENGTH, NONCE_LENGTH, TAG_LENGTH } from "./aead_driver.ts";
import { mixedAead } from "./aead_mixed.ts";
import { nativeAead } from "./aead_native.ts";
import { nobleAead } from "./aead_noble.ts";
import { systemAead } from "./aead_system.ts";

export { type Aead, KEY_LENGTH, NONCE_LENGTH, TAG_LENGTH } from "./aead_driver.ts";

/**
 * Name of an implementation: the system's libcrypto, `node:crypto` with and without WebAssembly for small packets, or
 * `@noble/ciphers`.
 */
export type AeadDriver = "system" | "mixed" | "native" | "noble";

let isNativeUsable: boolean | undefined;

/**
 * Encryption with `key`, 32 bytes, of which a copy is kept. Without `driver` the fastest is used that works: builds of
 * OpenSSL without this cipher exist.
 *
 * Throws `InvalidArgumentError` when the key has another length, or `driver` names the system's where there is none.
 */
export function createAead(key: Uint8Array, driver?: AeadDriver): Aead {
  if (key.length !== KEY_LENGTH) {
    throw new InvalidArgumentError(`Create cipher: key is ${key.length} bytes, want ${KEY_LENGTH}`);
  }
  const own = key.slice();
  switch (driver) {
    case "noble":
      return nobleAead(own);
    case "native":
      return nativeAead(own);
    case "mixed":
      return mixedAead(own);
  }
  const system = loadSystemCipher();
  if (system !== undefined) return systemAead(system, own);
  if (driver === "system") {
    throw new InvalidArgumentError("Create cipher: the system's library cannot be used here");
  }
  isNativeUsable ??= probeNative();
  return isNativeUsable ? mixedAead(own) : nobleAead(own);
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
