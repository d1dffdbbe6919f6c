import assert from "node:assert/strict";
import fc from "fast-check";
import { type Aead, createAead, TAG_LENGTH } from "../../src/crypto/aead.ts";
import { compileSmallAead, MAX_SMALL, MAX_SMALL_AD } from "../../src/crypto/aead_wasm.ts";
import { InvalidArgumentError } from "../../src/errors.ts";
import { fromHex, toHex } from "../../src/wire/bytes.ts";

function hex(text: string): Uint8Array {
  return fromHex(text)!;
}

function seal(aead: Aead, nonce: Uint8Array, ad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const out = new Uint8Array(plaintext.length + TAG_LENGTH);
  assert.equal(aead.seal(nonce, ad, plaintext, out, 0), out.length);
  return out;
}

/** RFC 8439 §2.8.2. */
const RFC = {
  key: hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"),
  nonce: hex("070000004041424344454647"),
  ad: hex("50515253c0c1c2c3c4c5c6c7"),
  plaintext: new TextEncoder().encode(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  ),
  ciphertext: "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6" +
    "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36" +
    "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc" +
    "3ff4def08e4b7a9de576d26586cec64b6116" +
    "1ae10b594f09e26a7e902ecbd0600691",
};

const NONCE = new Uint8Array(12).fill(1);
const AD = new Uint8Array(16).fill(2);

const small = compileSmallAead();

/** Every driver that this process may use. */
const drivers: Record<string, (key: Uint8Array) => Aead> = {
  noble: (key) => createAead(key, "noble"),
  native: (key) => createAead(key, "native"),
  mixed: (key) => createAead(key, "mixed"),
  wasm: (key) => small(key.slice()),
};
try {
  createAead(RFC.key, "system");
  drivers.system = (key) => createAead(key, "system");
} catch (error) {
  // Node, another system than Linux, or no permission: Deno's own suite runs it on Linux.
  assert(error instanceof InvalidArgumentError);
}

for (const [driver, create] of Object.entries(drivers)) {
  Deno.test(`aead ${driver}: vector of RFC 8439`, () => {
    const aead = create(RFC.key);
    assert.equal(toHex(seal(aead, RFC.nonce, RFC.ad, RFC.plaintext)), RFC.ciphertext);
    assert.deepEqual(aead.open(RFC.nonce, RFC.ad, hex(RFC.ciphertext)), RFC.plaintext);
  });

  Deno.test(`aead ${driver}: any change anywhere is not authentic`, () => {
    const aead = create(RFC.key);
    const sealed = seal(aead, NONCE, AD, RFC.plaintext);
    for (let i = 0; i < sealed.length; i++) {
      const forged = sealed.slice();
      forged[i] ^= 1;
      assert.equal(aead.open(NONCE, AD, forged), undefined);
      assert.equal(aead.open(NONCE, AD, sealed.subarray(0, i)), undefined);
    }
    const other = (bytes: Uint8Array) => Uint8Array.from(bytes, (byte, i) => i === 11 ? byte ^ 0x80 : byte);
    assert.equal(aead.open(other(NONCE), AD, sealed), undefined);
    assert.equal(aead.open(NONCE, other(AD), sealed), undefined);
    assert.equal(aead.open(NONCE, AD.subarray(1), sealed), undefined);
    assert.equal(create(other(RFC.key)).open(NONCE, AD, sealed), undefined);
    assert.deepEqual(aead.open(NONCE, AD, sealed), RFC.plaintext);
  });

  Deno.test(`aead ${driver}: writes inside its place only, also over the plaintext`, () => {
    const aead = create(RFC.key);
    const expected = seal(aead, NONCE, AD, RFC.plaintext);
    const buffer = new Uint8Array(expected.length + 20).fill(0xee);
    buffer.set(RFC.plaintext, 16);
    const written = aead.seal(NONCE, AD, buffer.subarray(16, 16 + RFC.plaintext.length), buffer, 16);
    assert.deepEqual(buffer.subarray(16, 16 + written), expected);
    assert.deepEqual(buffer.subarray(0, 16), new Uint8Array(16).fill(0xee));
    assert.deepEqual(buffer.subarray(16 + written), new Uint8Array(4).fill(0xee));
  });

  Deno.test(`aead ${driver}: keeps a copy of the key, gives plain arrays, leaves its inputs alone`, () => {
    const key = RFC.key.slice();
    const aead = create(key);
    key.fill(0);
    const sealed = seal(aead, RFC.nonce, RFC.ad, RFC.plaintext);
    assert.equal(toHex(sealed), RFC.ciphertext);
    const opened = aead.open(RFC.nonce, RFC.ad, sealed)!;
    assert.equal(Object.getPrototypeOf(opened), Uint8Array.prototype);
    opened.fill(0);
    assert.equal(toHex(sealed), RFC.ciphertext);
    assert.deepEqual(aead.open(RFC.nonce, RFC.ad, sealed), RFC.plaintext);
  });

  Deno.test(`aead ${driver}: a nonce of another length throws`, () => {
    const aead = create(RFC.key);
    const out = new Uint8Array(TAG_LENGTH);
    for (const length of [0, 11, 24]) {
      assert.throws(() => aead.seal(new Uint8Array(length), AD, new Uint8Array(0), out, 0));
      assert.throws(() => aead.open(new Uint8Array(length), AD, out));
    }
  });
}

Deno.test("aead: all drivers give the same bytes and open each other's", () => {
  const keys = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const nonces = fc.uint8Array({ minLength: 12, maxLength: 12 });
  const bytes = fc.uint8Array({ maxLength: MAX_SMALL, size: "max" });
  const ads = fc.uint8Array({ maxLength: MAX_SMALL_AD, size: "max" });
  fc.assert(
    fc.property(keys, nonces, ads, bytes, (key, nonce, ad, plaintext) => {
      const sealed = seal(drivers.noble(key), nonce, ad, plaintext);
      const forged = sealed.slice();
      forged[forged.length - 1] ^= 1;
      for (const [name, create] of Object.entries(drivers)) {
        const aead = create(key);
        assert.deepEqual(seal(aead, nonce, ad, plaintext), sealed, name);
        assert.deepEqual(aead.open(nonce, ad, sealed), plaintext, name);
        assert.equal(aead.open(nonce, ad, forged), undefined, name);
        const out = new Uint8Array(MAX_SMALL + 3).fill(0xee);
        assert.deepEqual(aead.open(nonce, ad, sealed, out), plaintext, name);
        assert.deepEqual(
          out.subarray(plaintext.length + TAG_LENGTH).find((byte) => byte !== 0xee),
          undefined,
        );
        assert.deepEqual(aead.open(nonce, ad, sealed, new Uint8Array(0)), plaintext, name);
      }
    }),
  );
});

Deno.test("aead: every length of a small packet, whatever the one before left behind", () => {
  const own = drivers.wasm(RFC.key);
  const native = drivers.native(RFC.key);
  const plaintext = Uint8Array.from({ length: MAX_SMALL }, (_, i) => i % 251 ^ 0xa5);
  for (const ad of [AD, AD.subarray(0, 5), new Uint8Array(MAX_SMALL_AD).fill(9), new Uint8Array()]) {
    for (let i = 0; i <= MAX_SMALL; i++) {
      // Up and down in turn.
      const length = i % 2 === 0 ? i : MAX_SMALL - i;
      const sealed = seal(native, NONCE, ad, plaintext.subarray(0, length));
      const same = seal(own, NONCE, ad, plaintext.subarray(0, length));
      // Deep equality of so many takes longer than all that is tested.
      if (toHex(same) !== toHex(sealed)) assert.deepEqual(same, sealed, `${length} bytes`);
      const opened = own.open(NONCE, ad, sealed);
      assert.equal(toHex(opened!), toHex(plaintext.subarray(0, length)), `${length} bytes`);
    }
  }
});

Deno.test("aead: associated data longer than WebAssembly takes goes the other way", () => {
  const ad = new Uint8Array(MAX_SMALL_AD + 1).fill(3);
  const aead = drivers.mixed(RFC.key);
  for (let i = 0; i < 1000; i++) seal(aead, NONCE, AD, RFC.plaintext);
  const sealed = seal(aead, NONCE, ad, RFC.plaintext);
  assert.deepEqual(drivers.noble(RFC.key).open(NONCE, ad, sealed), RFC.plaintext);
  assert.deepEqual(aead.open(NONCE, ad, sealed), RFC.plaintext);
  assert.throws(() => seal(drivers.wasm(RFC.key), NONCE, ad, RFC.plaintext), RangeError);
});

Deno.test("aead: thousands of small packets, before and after WebAssembly has come", () => {
  const aead = drivers.mixed(RFC.key);
  const noble = drivers.noble(RFC.key);
  const nonce = new Uint8Array(12);
  for (let i = 0; i < 3000; i++) {
    new DataView(nonce.buffer).setUint32(4, i);
    const plaintext = new Uint8Array(1 + i % 40).fill(i);
    const sealed = seal(aead, nonce, AD, plaintext);
    assert.deepEqual(noble.open(nonce, AD, sealed), plaintext);
    assert.deepEqual(aead.open(nonce, AD, sealed), plaintext);
  }
});

Deno.test("aead: a large packet round trips through the driver that is chosen", () => {
  const aead = createAead(RFC.key);
  const plaintext = Uint8Array.from({ length: 61_440 }, (_, i) => i % 251);
  const sealed = seal(aead, NONCE, AD, plaintext);
  assert.deepEqual(seal(createAead(RFC.key, "noble"), NONCE, AD, plaintext), sealed);
  assert.deepEqual(aead.open(NONCE, AD, sealed), plaintext);
});

Deno.test("aead: a key of another length is the caller's error", () => {
  for (const length of [0, 16, 31, 33]) {
    assert.throws(() => createAead(new Uint8Array(length)), InvalidArgumentError);
  }
});
