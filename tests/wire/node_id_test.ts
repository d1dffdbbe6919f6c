import assert from "node:assert/strict";
import fc from "fast-check";
import { DecodeError, InvalidArgumentError } from "../../src/errors.ts";
import { decodeNodeId, encodeNodeId, shortNodeId } from "../../src/wire/node_id.ts";

const ids = fc.uint8Array({ minLength: 32, maxLength: 32 });

Deno.test("node id: 52 characters, and back in either case", () => {
  fc.assert(fc.property(ids, (id) => {
    const text = encodeNodeId(id);
    assert.match(text, /^[a-z2-7]{52}$/);
    assert.deepEqual(decodeNodeId(text), id);
    assert.deepEqual(decodeNodeId(` ${text.toUpperCase()}\n`), id);
    assert.equal(shortNodeId(id), text.slice(0, 10));
  }));
});

Deno.test("node id: a known one", () => {
  const id = Uint8Array.from({ length: 32 }, (_, i) => i);
  assert.equal(encodeNodeId(id), "aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq");
});

Deno.test("node id: only one text per id, everything else is refused", () => {
  const good = "a".repeat(52);
  // The last character carries one bit; with others set it would be a second name of the same id.
  for (
    const text of [
      "",
      "a",
      good.slice(1),
      `${good}a`,
      `${good.slice(1)}1`,
      `${good.slice(1)}=`,
      `${good.slice(1)}b`,
    ]
  ) {
    assert.throws(() => decodeNodeId(text), DecodeError, text);
  }
  fc.assert(fc.property(fc.string({ minLength: 52, maxLength: 52 }), (text) => {
    try {
      assert.equal(encodeNodeId(decodeNodeId(text)), text.trim().toLowerCase());
    } catch (error) {
      assert.ok(error instanceof DecodeError);
    }
  }));
});

Deno.test("node id: an id of another length is the caller's error", () => {
  for (const length of [0, 31, 33]) {
    assert.throws(() => encodeNodeId(new Uint8Array(length)), InvalidArgumentError);
  }
});
