/**
 * X25519 on `node:crypto`.
 *
 * @module
 */

import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from "node:crypto";
import { base64urlnopad } from "@scure/base";
import type { X25519Driver } from "./x25519.ts";

// Keys go in and out as JWK: Node takes ten times as long over DER. A private JWK must have the public part, but
// neither runtime reads it; one that did would fail the driver's probe.
const UNREAD_PUBLIC = "A".repeat(43);

/** The driver; its calls throw where the runtime's OpenSSL lacks the curve, and on points of low order. */
export const nativeX25519: X25519Driver = {
  publicKeyOf(secretKey) {
    const { x } = createPublicKey(privateKey(secretKey)).export({ format: "jwk" });
    return base64urlnopad.decode(x as string);
  },

  sharedSecret(secretKey, publicKey) {
    const x = base64urlnopad.encode(publicKey);
    const key = createPublicKey({ key: { kty: "OKP", crv: "X25519", x }, format: "jwk" });
    const secret = diffieHellman({ privateKey: privateKey(secretKey), publicKey: key });
    return new Uint8Array(secret);
  },
};

function privateKey(secretKey: Uint8Array): KeyObject {
  const d = base64urlnopad.encode(secretKey);
  return createPrivateKey({ key: { kty: "OKP", crv: "X25519", x: UNREAD_PUBLIC, d }, format: "jwk" });
}
