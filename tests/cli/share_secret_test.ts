import assert from "node:assert/strict";
import { shareSecret } from "../../src/cli/share_secret.ts";
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
