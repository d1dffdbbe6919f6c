import assert from "node:assert/strict";
import { offerSecret, shareSecret } from "../../src/cli/share_secret.ts";
import { toHex } from "../../src/wire/bytes.ts";

const key = Uint8Array.from({ length: 32 }, (_, i) => i);
const reference = new TextEncoder().encode("reference");

Deno.test("shareSecret is keyed BLAKE2s of the context and the reference", () => {
  // From another implementation: Python's hashlib.blake2s(b"hawser share" + b"reference", key=bytes(range(32))).
  const expected = "193d50cc514e78ba9d3bdc5c3d3c2806f3b2439c585b490b1b89e9e10ea4fad3";
  assert.equal(toHex(shareSecret(key, reference)), expected);
});

Deno.test("shareSecret depends on the key and on the content", () => {
  assert.notDeepEqual(shareSecret(key.map((b) => b ^ 1), reference), shareSecret(key, reference));
  assert.notDeepEqual(shareSecret(key, reference.subarray(1)), shareSecret(key, reference));
});

Deno.test("offerSecret is keyed BLAKE2s of its context and the path", () => {
  // From another implementation: Python's hashlib.blake2s(b"hawser offer" + b"/srv/dir", key=bytes(range(32))).
  const expected = "22a78ab88bde1c11d9d07d0d0e3ac853bc119cf7655d3760c82b155537c12e1f";
  assert.equal(toHex(offerSecret(key, "/srv/dir")), expected);
});

Deno.test("offerSecret depends on the key and on the path, and is no shareSecret", () => {
  const path = "/srv/dir";
  assert.notDeepEqual(offerSecret(key.map((b) => b ^ 1), path), offerSecret(key, path));
  assert.notDeepEqual(offerSecret(key, "/srv/di"), offerSecret(key, path));
  assert.notDeepEqual(shareSecret(key, new TextEncoder().encode(path)), offerSecret(key, path));
});
