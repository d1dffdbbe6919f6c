import assert from "node:assert/strict";
import fc from "fast-check";
import {
  generateKeyPair,
  publicKeyOf,
  sharedSecret,
  type X25519Driver,
  x25519Driver,
  type X25519DriverName,
} from "../../src/crypto/x25519.ts";
import { DecodeError, InvalidArgumentError } from "../../src/errors.ts";
import { fromHex, toHex } from "../../src/wire/bytes.ts";

function hex(text: string): Uint8Array {
  return fromHex(text)!;
}

/** Points of small order, and their other encodings: every secret key takes them to zero. */
const LOW_ORDER = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  "0000000000000000000000000000000000000000000000000000000000000080",
];

for (const name of ["native", "noble"] satisfies X25519DriverName[]) {
  Deno.test(`x25519 ${name}: vectors of RFC 7748`, () => {
    const driver = x25519Driver(name);
    const agreements = [
      [
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
        "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
      ],
      [
        "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
        "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
        "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
      ],
    ];
    for (const [secret, point, expected] of agreements) {
      assert.equal(toHex(driver.sharedSecret(hex(secret), hex(point))), expected);
    }
  });

  Deno.test(`x25519 ${name}: iterated vector of RFC 7748`, () => {
    const driver = x25519Driver(name);
    const start = hex(`09${"00".repeat(31)}`);
    let [key, point] = [start, start];
    // A thousand rounds of the slow driver would take most of a second.
    const rounds = name === "native" ? 1000 : 1;
    for (let i = 0; i < rounds; i++) [key, point] = [driver.sharedSecret(key, point), key];
    const expected = name === "native"
      ? "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"
      : "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079";
    assert.equal(toHex(key), expected);
  });

  Deno.test(`x25519 ${name}: the public key is the agreement with the base point`, () => {
    const driver = x25519Driver(name);
    const secret = hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
    const base = hex(`09${"00".repeat(31)}`);
    const publicKey = driver.publicKeyOf(secret);
    assert.deepEqual(publicKey, driver.sharedSecret(secret, base));
    assert.equal(Object.getPrototypeOf(publicKey), Uint8Array.prototype);
    assert.equal(Object.getPrototypeOf(driver.sharedSecret(secret, base)), Uint8Array.prototype);
  });

  Deno.test(`x25519 ${name}: refuses points of low order`, () => {
    for (const point of LOW_ORDER) {
      assert.throws(() => x25519Driver(name).sharedSecret(new Uint8Array(32).fill(5), hex(point)), point);
    }
  });
}

/** The secret in hex; points of low order, which chance finds often among odd ones, are refused. */
function outcome(driver: X25519Driver, secret: Uint8Array, point: Uint8Array): string {
  try {
    return toHex(driver.sharedSecret(secret, point));
  } catch {
    return "refused";
  }
}

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

Deno.test("x25519: native and noble give the same bytes, also for odd public keys", () => {
  const [native, noble] = [x25519Driver("native"), x25519Driver("noble")];
  fc.assert(
    fc.property(bytes32, bytes32, fc.boolean(), (secret, other, high) => {
      const point = other.slice();
      if (high) point.fill(0xff, 1);
      assert.deepEqual(native.publicKeyOf(secret), noble.publicKeyOf(secret));
      assert.equal(outcome(native, secret, point), outcome(noble, secret, point));
    }),
    { numRuns: 200 },
  );
});

Deno.test("x25519: both sides agree", () => {
  const [a, b] = [generateKeyPair(), generateKeyPair()];
  assert.notDeepEqual(a.secretKey, b.secretKey);
  assert.deepEqual(publicKeyOf(a.secretKey), a.publicKey);
  assert.deepEqual(sharedSecret(a.secretKey, b.publicKey), sharedSecret(b.secretKey, a.publicKey));
});

Deno.test("x25519: a key pair is made from the random bytes that are given", () => {
  const pair = generateKeyPair((length) => new Uint8Array(length).fill(7));
  assert.deepEqual(pair.secretKey, new Uint8Array(32).fill(7));
  assert.deepEqual(pair.publicKey, publicKeyOf(pair.secretKey));
});

Deno.test("x25519: a shared secret of zero is refused, keys of another length are the caller's error", () => {
  const secret = new Uint8Array(32).fill(5);
  for (const point of LOW_ORDER) assert.throws(() => sharedSecret(secret, hex(point)), DecodeError, point);
  const short = new Uint8Array(31);
  assert.throws(() => sharedSecret(short, secret), InvalidArgumentError);
  assert.throws(() => sharedSecret(secret, short), InvalidArgumentError);
  assert.throws(() => publicKeyOf(short), InvalidArgumentError);
});
