import assert from "node:assert/strict";
import { bech32m } from "@scure/base";
import fc from "fast-check";
import { DecodeError, HawserError, InvalidArgumentError, UnsupportedVersionError } from "../../src/errors.ts";
import { encodeBlobRef, manifestRef, smallRef } from "../../src/wire/blob_ref.ts";
import { PostcardWriter } from "../../src/wire/postcard.ts";
import { decodeTicket, encodeTicket, type Ticket } from "../../src/wire/ticket.ts";
import { tickets } from "../support/wire_models.ts";

const ID = Uint8Array.from({ length: 32 }, (_, i) => i);
const PSK = new Uint8Array(32).fill(0x5a);
const REF = encodeBlobRef(smallRef("mesh://x", ID, 11));
const FULL: Ticket = {
  nodeId: ID,
  addresses: ["127.0.0.1:4000", "[::1]:4000", "host:4000"],
  psk: PSK,
  ref: REF,
};

function textOf(bytes: Uint8Array, prefix = "hawser"): string {
  return bech32m.encode(prefix, bech32m.toWords(bytes), false);
}

function bytesOf(text: string): Uint8Array {
  return bech32m.fromWords(bech32m.decode(text, false).words);
}

Deno.test("ticket: round trip, trimmed and in upper case, too", () => {
  fc.assert(fc.property(tickets, (ticket) => {
    const text = encodeTicket(ticket);
    assert.match(text, /^hawser1[a-z0-9]+$/);
    assert.deepEqual(decodeTicket(text), ticket);
    assert.deepEqual(decodeTicket(` ${text.toUpperCase()}\r\n`), ticket);
  }));
  assert.deepEqual(decodeTicket(encodeTicket(FULL)), FULL);
});

Deno.test("ticket: the text of a known one does not change between releases", () => {
  assert.equal(
    encodeTicket({ nodeId: ID, addresses: ["127.0.0.1:4000"] }),
    "hawser1qyqqzqsrqszsvpcgpy9qkrqdpc83qygjzv2p29shrqv35xcur50p7qgwxyerwt3s9cczuvf6xscrqvqqqq42zp9f",
  );
});

Deno.test("ticket: no length limit", () => {
  const chunks = Array.from({ length: 500 }, () => ({ hash: ID, size: 4 * 1024 * 1024 }));
  const ref = encodeBlobRef(manifestRef("", { kind: "replicated" }, chunks));
  assert.deepEqual(decodeTicket(encodeTicket({ ...FULL, ref })).ref, ref);
});

Deno.test("ticket: a changed, shortened or lengthened text is refused", () => {
  const text = encodeTicket(FULL);
  for (let i = 7; i < text.length; i++) {
    const other = text[i] === "q" ? "p" : "q";
    assert.throws(() => decodeTicket(text.slice(0, i) + other + text.slice(i + 1)), DecodeError);
    assert.throws(() => decodeTicket(text.slice(0, i)), DecodeError);
  }
  assert.throws(() => decodeTicket(`${text}q`), DecodeError);
});

Deno.test("ticket: what is none says why", () => {
  const text = encodeTicket(FULL);
  const bad: [string, RegExp][] = [
    ["", /does not start with/],
    ["hawser", /does not start with/],
    [text.slice(1), /does not start with/],
    [textOf(bytesOf(text), "other"), /does not start with/],
    [text[0].toUpperCase() + text.slice(1), /mixes/],
    [`${text.slice(0, 20)} ${text.slice(20)}`, /character 21/],
    [`${text.slice(0, 20)}b${text.slice(21)}`, /character 21/],
    [text.slice(0, -1), /checksum/],
    ["hawser1", /checksum/],
  ];
  for (const [input, message] of bad) {
    assert.throws(() => decodeTicket(input), { name: "DecodeError", message });
  }
});

Deno.test("ticket: an unknown version is told apart", () => {
  const bytes = bytesOf(encodeTicket(FULL));
  bytes[0] = 2;
  assert.throws(() => decodeTicket(textOf(bytes)), UnsupportedVersionError);
});

Deno.test("ticket: bytes after the last field are ignored", () => {
  const bytes = bytesOf(encodeTicket(FULL));
  assert.deepEqual(decodeTicket(textOf(new Uint8Array([...bytes, 1, 2, 3]))), FULL);
});

function raw(addresses: string[], psk: number[] = [0], ref: number[] = [0]): string {
  const writer = new PostcardWriter().u8(1).fixed(ID).varint(addresses.length);
  for (const address of addresses) writer.string(address);
  return textOf(writer.fixed(new Uint8Array(psk)).fixed(new Uint8Array(ref)).finish());
}

Deno.test("ticket: fields that are not what they should be are refused in both directions", () => {
  assert.equal(decodeTicket(raw(["a:1"])).addresses.length, 1);
  for (
    const addresses of [[], Array(17).fill("a:1"), [""], ["a"], ["a:0"], ["a:65536"], ["::1:5"], [
      "a:1",
      "b:x",
    ]]
  ) {
    assert.throws(() => decodeTicket(raw(addresses)), DecodeError);
    assert.throws(() => encodeTicket({ ...FULL, addresses }), InvalidArgumentError);
  }
  for (const [psk, ref] of [[[2], [0]], [[1, 5], []], [[0], [2]], [[0], [1, 1, 7]], [[0], [1, 0]]]) {
    assert.throws(() => decodeTicket(raw(["a:1"], psk, ref)), DecodeError);
  }
  assert.throws(() => decodeTicket(raw(["a:1"], [0], [1, 5, 0xb0, 0xb1, 0xb2, 0xb3, 9])), DecodeError);
  assert.throws(() => encodeTicket({ ...FULL, nodeId: new Uint8Array(31) }), InvalidArgumentError);
  assert.throws(() => encodeTicket({ ...FULL, psk: new Uint8Array(31) }), InvalidArgumentError);
  assert.throws(() => encodeTicket({ ...FULL, ref: new Uint8Array(3) }), InvalidArgumentError);
});

Deno.test("ticket: no error repeats the secret text", () => {
  const text = encodeTicket(FULL);
  const damaged = [
    text.slice(0, -1),
    text.slice(1),
    `${text}q`,
    `${text.slice(0, 30)}!${text.slice(31)}`,
    text.slice(0, 30) + text.slice(30).toUpperCase(),
  ];
  for (const input of damaged) {
    try {
      decodeTicket(input);
      assert.fail("decoded");
    } catch (error) {
      assert.ok(error instanceof DecodeError);
      assert.ok(!String(error.stack).includes(text.slice(12, 24)));
      assert.equal(error.cause, undefined);
    }
  }
});

Deno.test("ticket: garbage with a right checksum gives library errors only", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    if (bytes.length > 0) bytes[0] = 1;
    try {
      decodeTicket(textOf(bytes));
    } catch (error) {
      assert.ok(error instanceof HawserError);
    }
  }));
});
