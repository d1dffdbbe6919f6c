/**
 * X25519 on `node:crypto`.
 *
 * @module
 */

import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from "node:crypto";
import { base64, base64urlnopad } from "@scure/base";
import { concatBytes } from "../wire/bytes.ts";
import type { X25519Driver } from "./x25519.ts";

// Keys go in and out as JWK: Node takes ten times as long over the others. A private JWK must have the public part.
// Deno and Node up to 24 do not read it; later ones do, and get a PEM instead.
const UNREAD_PUBLIC = "A".repeat(43);
let readsPublic = false;
/** PKCS #8 of an X25519 key up to its 32 bytes, RFC 8410 §7. */
const PKCS8_HEADER = Uint8Array.of(48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 110, 4, 34, 4, 32);

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
  if (!readsPublic) {
    const d = base64urlnopad.encode(secretKey);
    try {
      return createPrivateKey({ key: { kty: "OKP", crv: "X25519", x: UNREAD_PUBLIC, d }, format: "jwk" });
    } catch {
      readsPublic = true;
    }
  }
  const der = base64.encode(concatBytes([PKCS8_HEADER, secretKey]));
  return createPrivateKey(`-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`);
}
