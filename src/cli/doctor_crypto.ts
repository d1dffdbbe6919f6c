/**
 * Ceilings of encryption and hashing, for each driver.
 *
 * @module
 */

import { type Aead, type AeadDriver, createAead, NONCE_LENGTH, TAG_LENGTH } from "../crypto/aead.ts";
import { type Blake3, nobleBlake3, portableBlake3 } from "../crypto/blake3.ts";
import { AcceleratedBlake3, loadNativeBlake3 } from "../crypto/blake3_native.ts";
import { runtimeName } from "../runtime/host.ts";
import type { Ceiling, Skipped } from "./doctor_report.ts";
import { ratePerSecond } from "./doctor_rate.ts";

/** Packets that are encrypted: of the Internet, of a network with jumbo frames, of loopback. */
const PACKET_SIZES = [1_452, 8_900, 61_440];
/** Pieces that are hashed. */
const HASH_SIZE = 256 * 1024;
/** For each figure, ms. */
const TIME = 50;

/** The fastest first: that is the order in which they are chosen. */
const AEAD_DRIVERS: readonly (readonly [AeadDriver, string])[] = [
  ["system", "libcrypto"],
  ["mixed", "node:crypto, WebAssembly"],
  ["noble", "@noble/ciphers"],
];

/** Seals and opens packets of each size with each driver. */
export function measureEncryption(): { ceilings: Ceiling[]; skipped: Skipped[] } {
  const ceilings: Ceiling[] = [];
  const skipped: Skipped[] = [];
  for (const [name, driver] of AEAD_DRIVERS) {
    try {
      ceilings.push(...measureCipher(createAead(new Uint8Array(32).fill(7), name), driver));
    } catch (error) {
      // Node has no way to call it.
      if (name === "system" && !runtimeName().startsWith("Deno")) continue;
      const isFaster = name === "system";
      const reason = isFaster
        ? "run with --allow-ffi, where the system has OpenSSL"
        : (error as Error).message;
      skipped.push({ what: `encryption through ${driver}`, reason, isFaster });
    }
  }
  return { ceilings, skipped };
}

function measureCipher(aead: Aead, driver: string): Ceiling[] {
  const nonce = new Uint8Array(NONCE_LENGTH);
  const ad = new Uint8Array(16);
  return PACKET_SIZES.flatMap((size) => {
    const plaintext = new Uint8Array(size);
    const sealed = new Uint8Array(size + TAG_LENGTH);
    const seal = ratePerSecond(() => void aead.seal(nonce, ad, plaintext, sealed, 0), TIME);
    const open = ratePerSecond(() => void aead.open(nonce, ad, sealed), TIME);
    const common = { resource: "encryption", driver, size } as const;
    return [{ ...common, action: "seal", perSecond: seal }, { ...common, action: "open", perSecond: open }];
  });
}

/** Hashes with each driver, the fastest first: native code where it is installed, and what always works. */
export function measureHash(): { ceilings: Ceiling[]; skipped: Skipped[] } {
  const portable = portableBlake3();
  const native = new AcceleratedBlake3(portable, loadNativeBlake3, HASH_SIZE);
  const bytes = new Uint8Array(HASH_SIZE);
  native.hash(bytes);
  const drivers: Blake3[] = native.native === undefined ? [portable] : [native, portable];
  if (portable.name !== "noble") drivers.push(nobleBlake3());
  const ceilings = drivers.map((blake3): Ceiling => ({
    resource: "hash",
    action: "hash",
    driver: blake3.name,
    size: HASH_SIZE,
    perSecond: ratePerSecond(() => void blake3.hash(bytes), TIME),
  }));
  const flag = runtimeName().startsWith("Deno") ? " and run with --allow-ffi" : "";
  const skipped: Skipped[] = native.native !== undefined ? [] : [{
    what: "hashing in native code",
    reason: `install @napi-rs/blake-hash${flag}`,
    isFaster: true,
  }];
  return { ceilings, skipped };
}
