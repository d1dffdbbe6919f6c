import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { blake2s, hkdfBlake2s, hmacBlake2s, keyedBlake2s } from "../../src/crypto/blake2s.ts";
import { equalConstantTime, mac, mac1Key, nextKey } from "../../src/crypto/mac.ts";
import { concatBytes, toHex } from "../../src/wire/bytes.ts";

/** 0, 1, 2, … of that length: the inputs below were run through Python's hashlib and hmac. */
function count(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i);
}

const KEY = count(32);

Deno.test("blake2s: vectors of RFC 7693 and of the BLAKE2 authors", () => {
  const abc = new TextEncoder().encode("abc");
  assert.equal(toHex(blake2s(abc)), "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
  const keyed: [number, string, string][] = [
    [
      0,
      "48a8997da407876b3d79c0d92325ad3b89cbb754d86ab71aee047ad345fd2c49",
      "9536f9b267655743dee97b8a670f9f53",
    ],
    [
      1,
      "40d15fee7c328830166ac3f918650f807e7e01e177258cdc0a39b11f598066f1",
      "13bacfb85b48a1223c595f8c1e7e82cb",
    ],
    [
      200,
      "13c88480a5d00d6c8c7ad2110d76a82d9b70f4fa6696d4e5dd42a066dcaf9920",
      "42a6f8ff590af21b512e9e088257aa34",
    ],
  ];
  for (const [length, whole, short] of keyed) {
    assert.equal(toHex(keyedBlake2s(KEY, count(length))), whole);
    assert.equal(toHex(keyedBlake2s(KEY, count(length), 16)), short);
    assert.equal(toHex(mac(KEY, count(length))), short);
  }
});

Deno.test("blake2s: the same bytes as node:crypto, in any parts", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (parts) => {
    const native = createHash("blake2s256").update(concatBytes(parts)).digest();
    assert.equal(toHex(blake2s(...parts)), toHex(native));
  }));
});

Deno.test("blake2s: HMAC and HKDF", () => {
  const hmacs: [number, string][] = [
    [0, "e2641d24dfa8dd89e8cb77f1cdc77d8c006e5bebdfc4d6a3a3a6f8d5b7586fb0"],
    [1, "3c657ea8362eeb115466cc90a81a36d2994b7153729c01f50a19be2ca3cce643"],
    [200, "543eec9b22646365ef782d72dae137cc761d018005f8d33d0f20bfbd01e62974"],
  ];
  for (const [length, expected] of hmacs) assert.equal(toHex(hmacBlake2s(KEY, count(length))), expected);
  const outputs = [
    "bc05131190475a0e03911461f35ce59c5288e95ff348e0e8fec25766c1c07304",
    "ebd19f930b7ef19fe71c5bacf8947298e29879f72e43c15a0ec6367d86a82e3d",
    "21a851fc413db878d18ff521583c179168ac375270126e641017a926ca8b4d13",
  ];
  assert.deepEqual(hkdfBlake2s(KEY, count(64), 3).map(toHex), outputs);
  assert.deepEqual(hkdfBlake2s(KEY, count(64), 2).map(toHex), outputs.slice(0, 2));
});

Deno.test("mac: key of a node and MAC of a packet", () => {
  const key = mac1Key(KEY);
  assert.equal(toHex(key), "4fb2527ac956001553dc1ad9b55171b7d9daa3de1cdbcd71451830170c7e6cac");
  assert.equal(toHex(mac(key, count(116))), "3a7d1b865f062f4af4677f1d88d7ea74");
});

Deno.test("key update: the next key", () => {
  assert.equal(toHex(nextKey(KEY)), "5ab351e85523bdf21212e663d633032bbab8894b69f92bbd10c06db75961ba9f");
  assert.notDeepEqual(nextKey(nextKey(KEY)), nextKey(KEY));
});

Deno.test("mac: comparison", () => {
  const a = count(16);
  assert.ok(equalConstantTime(a, a.slice()));
  assert.ok(equalConstantTime(new Uint8Array(0), new Uint8Array(0)));
  assert.ok(!equalConstantTime(a, a.subarray(1)));
  for (let i = 0; i < a.length; i++) {
    const other = a.slice();
    other[i] ^= 0x80;
    assert.ok(!equalConstantTime(a, other));
  }
});
