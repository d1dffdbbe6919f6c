/** Poly1305 of the small cipher by itself: no key of that is known to lead to the sums where limbs overflow. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { MAC_BLOCK, Poly1305Writer } from "../../src/crypto/poly1305_kernel.ts";
import { FunctionWriter } from "../../src/crypto/wasm_writer.ts";
import { fromHex, toHex } from "../../src/wire/bytes.ts";

const KEY_AT = 64;
const MESSAGE = 1024;
const TAG_AT = 0;

const memory = new WebAssembly.Memory({ initial: 1 });
const run = makeModule();

function makeModule(): (key: number, message: number, blocks: number, tag: number) => void {
  const [key, message, blocks, tag] = [0, 1, 2, 3];
  const write = new FunctionWriter(4);
  const mac = new Poly1305Writer(write);
  mac.begin(key, 0);
  write.get(message).set(mac.at);
  write.loop(() => {
    mac.block();
    write.get(blocks).constant(1).do("sub").tee(blocks);
  });
  mac.finish(key, 0, tag);
  const module = new WebAssembly.Module(write.module());
  return new WebAssembly.Instance(module, { env: { memory } }).exports.run as ReturnType<typeof makeModule>;
}

function tagOf(key: Uint8Array, message: Uint8Array): string {
  const bytes = new Uint8Array(memory.buffer);
  bytes.set(key, KEY_AT);
  bytes.set(message, MESSAGE);
  run(KEY_AT, MESSAGE, message.length / MAC_BLOCK, TAG_AT);
  return toHex(bytes.slice(TAG_AT, TAG_AT + 16));
}

/** The definition of RFC 8439 §2.5.1, for whole blocks. */
function definition(key: Uint8Array, message: Uint8Array): string {
  const number = (bytes: Uint8Array) => BigInt(`0x${toHex(bytes.slice().reverse())}`);
  const r = number(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  let sum = 0n;
  for (let at = 0; at < message.length; at += MAC_BLOCK) {
    sum = (sum + number(message.subarray(at, at + MAC_BLOCK)) + (1n << 128n)) * r % ((1n << 130n) - 5n);
  }
  const tag = (sum + number(key.subarray(16))) & ((1n << 128n) - 1n);
  return toHex(fromHex(tag.toString(16).padStart(32, "0"))!.reverse());
}

const zeros = (count: number) => "00".repeat(count);
const ones = (count: number) => "ff".repeat(count);

/** RFC 8439 A.3, tests 7 to 11: r, s, message, tag. */
const VECTORS = [
  [`02${zeros(15)}`, zeros(16), ones(16), `03${zeros(15)}`],
  [`02${zeros(15)}`, ones(16), `02${zeros(15)}`, `03${zeros(15)}`],
  [`01${zeros(15)}`, zeros(16), `${ones(16)}f0${ones(15)}11${zeros(15)}`, `05${zeros(15)}`],
  [`01${zeros(15)}`, zeros(16), `${ones(16)}fb${"fe".repeat(15)}${"01".repeat(16)}`, zeros(16)],
  [`02${zeros(15)}`, zeros(16), `fd${ones(15)}`, `fa${ones(15)}`],
] as const;

Deno.test("poly1305: vectors of RFC 8439 where sums reach the modulus", () => {
  for (const [r, s, message, tag] of VECTORS) {
    const key = fromHex(r + s)!;
    assert.equal(definition(key, fromHex(message)!), tag);
    assert.equal(tagOf(key, fromHex(message)!), tag);
  }
});

Deno.test("poly1305: as by its definition, limbs as large and as small as can be included", () => {
  const byte = fc.oneof(fc.constant(0xff), fc.constant(0), fc.nat(255));
  const bytes = (unit: number, blocks: number) =>
    fc.array(byte, { minLength: unit, maxLength: unit * blocks }).map((all) =>
      Uint8Array.from(all.slice(0, all.length - all.length % unit))
    );
  fc.assert(
    fc.property(bytes(32, 1), bytes(16, 20), (key, message) => {
      assert.equal(tagOf(key, message), definition(key, message));
    }),
    { numRuns: 3_000 },
  );
  const most = new Uint8Array(16 * 500).fill(0xff);
  assert.equal(tagOf(most.subarray(0, 32), most), definition(most.subarray(0, 32), most));
});
