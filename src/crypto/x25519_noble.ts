/**
 * X25519 on `@noble/curves`.
 *
 * @module
 */

import { x25519 } from "@noble/curves/ed25519.js";
import type { X25519Driver } from "./x25519.ts";

/** The driver in plain TypeScript. */
export const nobleX25519: X25519Driver = {
  publicKeyOf: (secretKey) => x25519.getPublicKey(secretKey),
  sharedSecret: (secretKey, publicKey) => x25519.getSharedSecret(secretKey, publicKey),
};
