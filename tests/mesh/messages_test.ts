/** Messages on a byte stream, however it is cut into pieces. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { DecodeError } from "../../src/errors.ts";
import { frameMessage, MessageReader } from "../../src/mesh/messages.ts";
import { concatBytes } from "../../src/wire/bytes.ts";

/** A reader of a stream that comes in pieces of these sizes, over and over. */
function readerOf(stream: Uint8Array, sizes: readonly number[], maxMessage = 1_000): MessageReader {
  let [at, turn] = [0, 0];
  return new MessageReader(() => {
    if (at >= stream.length) return undefined;
    const piece = stream.slice(at, at + sizes[turn++ % sizes.length]);
    at += piece.length;
    return piece;
  }, maxMessage);
}

const messages = fc.array(fc.uint8Array({ maxLength: 200, size: "max" }), { maxLength: 8 });
const sizes = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 5 });

Deno.test("messages: come out as they went in, and stay as they are while others follow", () => {
  fc.assert(fc.property(messages, sizes, (list, cuts) => {
    const reader = readerOf(concatBytes(list.map(frameMessage)), cuts);
    // Views are kept to the end: nothing may be written over them.
    assert.deepEqual(list.map(() => reader.message()), list);
    assert.equal(reader.message(), undefined);
    assert.equal(reader.hasRest, false);
  }));
});

Deno.test("messages: raw bytes between them come out in order", () => {
  fc.assert(fc.property(messages, sizes, (list, cuts) => {
    const parts = list.flatMap((message) => [frameMessage(message), message]);
    const reader = readerOf(concatBytes(parts), cuts);
    for (const message of list) {
      const announced = reader.message()!;
      assert.deepEqual(announced, message);
      const raw: Uint8Array[] = [];
      for (let left = message.length; left > 0;) {
        const bytes = reader.raw(left)!.slice();
        raw.push(bytes);
        left -= bytes.length;
      }
      assert.deepEqual(concatBytes(raw), message);
    }
  }));
});

Deno.test("messages: one that is longer than allowed is refused before it is there", () => {
  const reader = readerOf(frameMessage(new Uint8Array(1_001)), [3]);
  assert.throws(() => reader.message(), DecodeError);
});

Deno.test("messages: byte by byte costs a few times the bytes, not their square", () => {
  const length = 100_000;
  const reader = readerOf(frameMessage(new Uint8Array(length).fill(7)), [1], length);
  let moved = 0;
  const { set } = Uint8Array.prototype;
  Uint8Array.prototype.set = function (source, at) {
    moved += source.length;
    return set.call(this, source, at);
  };
  try {
    assert.deepEqual(reader.message(), new Uint8Array(length).fill(7));
  } finally {
    Uint8Array.prototype.set = set;
  }
  assert.ok(moved < 4 * length, `${moved} bytes moved`);
});
