/**
 * Ceilings of encryption and hashing, for each driver.
 *
 * @module
 */

import { type Aead, type AeadDriver, createAead, NONCE_LENGTH, TAG_LENGTH } from "../crypto/aead.ts";
import { type Blake3, loadBlake3, nobleBlake3 } from "../crypto/blake3.ts";
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

/** Hashes with the driver that transfers use, and with the one that always works. */
export async function measureHash(): Promise<Ceiling[]> {
  const used = await loadBlake3();
  const drivers: Blake3[] = used.name === "noble" ? [used] : [used, nobleBlake3()];
  const bytes = new Uint8Array(HASH_SIZE);
  return drivers.map((blake3) => ({
    resource: "hash",
    action: "hash",
    driver: blake3.name,
    size: HASH_SIZE,
    perSecond: ratePerSecond(() => void blake3.hash(bytes), TIME),
  }));
}
