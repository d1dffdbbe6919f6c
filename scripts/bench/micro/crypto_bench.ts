/** Encryption of packets and hashing of content, for each driver. */
import { createAead, NONCE_LENGTH, TAG_LENGTH } from "../../../src/crypto/aead.ts";
import { loadBlake3, nobleBlake3 } from "../../../src/crypto/blake3.ts";

const nonce = new Uint8Array(NONCE_LENGTH);
const ad = new Uint8Array(16);

for (const size of [1_200, 1_452, 8_900, 61_440]) {
  const plaintext = new Uint8Array(size).fill(7);
  const out = new Uint8Array(size + TAG_LENGTH);
  for (const driver of ["native", "noble"] as const) {
    const aead = createAead(new Uint8Array(32).fill(1), driver);
    const sealed = new Uint8Array(size + TAG_LENGTH);
    aead.seal(nonce, ad, plaintext, sealed, 0);
    Deno.bench(`seal ${size} B, ${driver}`, { group: `seal ${size}` }, () => {
      aead.seal(nonce, ad, plaintext, out, 0);
    });
    Deno.bench(`open ${size} B, ${driver}`, { group: `open ${size}` }, () => {
      aead.open(nonce, ad, sealed);
    });
  }
}

const drivers = [await loadBlake3(), nobleBlake3()];
for (const size of [64, 3_000, 65_536, 4 * 1024 * 1024]) {
  const bytes = new Uint8Array(size).fill(7);
  for (const blake3 of drivers) {
    Deno.bench(`BLAKE3 ${size} B, ${blake3.name}`, { group: `BLAKE3 ${size}` }, () => {
      blake3.hash(bytes);
    });
  }
}
