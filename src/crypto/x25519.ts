/**
 * X25519 key agreement (RFC 7748): the keys of nodes and of handshakes. `node:crypto` does the work where it can,
 * `@noble/curves` where it cannot; both give the same bytes.
 *
 * @module
 */

import { DecodeError, InvalidArgumentError } from "../errors.ts";
import { fromHex, toHex } from "../wire/bytes.ts";
import { nativeX25519 } from "./x25519_native.ts";
import { nobleX25519 } from "./x25519_noble.ts";

/** Length of secret keys, public keys and shared secrets, bytes. */
export const X25519_LENGTH = 32;

/** Name of an implementation: `node:crypto` or `@noble/curves`. */
export type X25519DriverName = "native" | "noble";

/** An X25519 key pair. */
export interface KeyPair {
  /** Public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Secret key, 32 bytes, not clamped. */
  readonly secretKey: Uint8Array;
}

/** The curve operations, on keys of the right length. Throws whatever it likes on keys that it refuses. */
export interface X25519Driver {
  /** Public key of a secret key. */
  publicKeyOf(secretKey: Uint8Array): Uint8Array;
  /** Shared secret of an own secret key and another's public key. */
  sharedSecret(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array;
}

let preferred: X25519Driver | undefined;

/** The driver of that name; without one, the fastest that works here. */
export function x25519Driver(name?: X25519DriverName): X25519Driver {
  if (name === "native") return nativeX25519;
  if (name === "noble") return nobleX25519;
  return preferred ??= isRight(nativeX25519) ? nativeX25519 : nobleX25519;
}

/** A new key pair. `random` gives that many random bytes. @default `crypto.getRandomValues` */
export function generateKeyPair(random: (length: number) => Uint8Array = systemRandom): KeyPair {
  const secretKey = random(X25519_LENGTH);
  return { publicKey: publicKeyOf(secretKey), secretKey };
}

/** The public key of a secret key. Throws `InvalidArgumentError` when it is not 32 bytes. */
export function publicKeyOf(secretKey: Uint8Array): Uint8Array {
  checkLength("secret key", secretKey);
  return x25519Driver().publicKeyOf(secretKey);
}

/**
 * The secret that the owner of `secretKey` shares with the owner of `publicKey`.
 *
 * Throws `InvalidArgumentError` when a key is not 32 bytes, `DecodeError` when `publicKey` is a point of low order,
 * with which every secret key agrees on zero: an honest peer has none.
 */
export function sharedSecret(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  checkLength("secret key", secretKey);
  checkLength("public key", publicKey);
  let secret: Uint8Array;
  try {
    secret = x25519Driver().sharedSecret(secretKey, publicKey);
  } catch (cause) {
    throw lowOrder({ cause });
  }
  // Both drivers refuse zero themselves; this holds when one ceases to.
  let bits = 0;
  for (const byte of secret) bits |= byte;
  if (bits === 0) throw lowOrder();
  return secret;
}

function lowOrder(options?: ErrorOptions): DecodeError {
  return new DecodeError("Agree on secret: public key is a point of low order", options);
}

function checkLength(what: string, key: Uint8Array): void {
  if (key.length !== X25519_LENGTH) {
    throw new InvalidArgumentError(`Agree on secret: ${what} is ${key.length} bytes, want ${X25519_LENGTH}`);
  }
}

function systemRandom(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** Runs the first agreement of RFC 7748 §5.2 through a driver. */
function isRight(driver: X25519Driver): boolean {
  const scalar = fromHex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
  const point = fromHex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
  const expected = "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552";
  try {
    return toHex(driver.sharedSecret(scalar!, point!)) === expected;
  } catch {
    return false;
  }
}
