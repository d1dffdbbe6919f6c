/**
 * X25519 on `@noble/curves`. Made here from its Montgomery ladder (RFC 7748 §4.1 and §5): the curve that the package
 * offers ready-made brings Edwards curves and more hashes along, and programs with a native driver load all that for
 * nothing.
 *
 * @module
 */

import { pow } from "@noble/curves/abstract/modular.js";
import { montgomery } from "@noble/curves/abstract/montgomery.js";
import type { X25519Driver } from "./x25519.ts";

/** The prime of the field. */
const P = 2n ** 255n - 19n;

/** RFC 7748 §5 `decodeScalar25519`: a multiple of 8 whose highest bit is fixed. */
function adjustScalarBytes(bytes: Uint8Array): Uint8Array {
  bytes[0] &= 248;
  bytes[31] &= 127;
  bytes[31] |= 64;
  return bytes;
}

let curve: ReturnType<typeof montgomery> | undefined;

function x25519(): ReturnType<typeof montgomery> {
  return curve ??= montgomery({ P, type: "x25519", adjustScalarBytes, powPminus2: (x) => pow(x, P - 2n, P) });
}

/** The driver in plain TypeScript. */
export const nobleX25519: X25519Driver = {
  publicKeyOf: (secretKey) => x25519().getPublicKey(secretKey),
  sharedSecret: (secretKey, publicKey) => x25519().getSharedSecret(secretKey, publicKey),
};
