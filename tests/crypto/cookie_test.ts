import assert from "node:assert/strict";
import { cookieKey, openCookie, sealCookie } from "../../src/crypto/cookie.ts";
import { blake2s } from "../../src/crypto/blake2s.ts";
import { encodeUtf8, fromHex, toHex } from "../../src/wire/bytes.ts";

const KEY = Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i);
const NONCE = Uint8Array.from({ length: 24 }, (_, i) => 0x40 + i);

Deno.test("cookie: sealed with XChaCha20-Poly1305, vector of draft-irtf-cfrg-xchacha-03 A.3.1", () => {
  const text = encodeUtf8(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  );
  const ad = fromHex("50515253c0c1c2c3c4c5c6c7")!;
  const sealed = sealCookie(KEY, NONCE, ad, text);
  assert.equal(
    toHex(sealed),
    "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c670" +
      "8c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9" +
      "768812f615c68b13b52ec0875924c1c7987947deafd8780acf49",
  );
  assert.deepEqual(openCookie(KEY, NONCE, ad, sealed), text);
});

Deno.test("cookie: opens only under its key, nonce and mac1, and whole", () => {
  const mac1 = new Uint8Array(16).fill(1);
  const sealed = sealCookie(KEY, NONCE, mac1, new Uint8Array(16).fill(7));
  assert.equal(sealed.length, 32);
  assert.equal(openCookie(KEY, NONCE, new Uint8Array(16), sealed), undefined);
  assert.equal(openCookie(new Uint8Array(32), NONCE, mac1, sealed), undefined);
  assert.equal(openCookie(KEY, new Uint8Array(24), mac1, sealed), undefined);
  assert.equal(openCookie(KEY, NONCE, mac1, sealed.subarray(0, 31)), undefined);
  assert.equal(openCookie(KEY, NONCE, mac1, new Uint8Array(0)), undefined);
});

Deno.test("cookie: the key is the hash of label and public key", () => {
  assert.deepEqual(cookieKey(KEY), blake2s(encodeUtf8("cookie--"), KEY));
});
