import assert from "node:assert/strict";
import fc from "fast-check";
import { DecodeError } from "../../src/errors.ts";
import { formatAddress, parseAddress } from "../../src/wire/address.ts";

Deno.test("address: what is one, and back", () => {
  const good: [string, string, number][] = [
    ["127.0.0.1:4000", "127.0.0.1", 4000],
    ["host:1", "host", 1],
    ["a-b.example.com:65535", "a-b.example.com", 65535],
    ["_svc.example.:4000", "_svc.example.", 4000],
    ["[::1]:4000", "::1", 4000],
    ["[::]:4000", "::", 4000],
    ["[2001:db8::8:800:200c:417a]:9", "2001:db8::8:800:200c:417a", 9],
    ["[::ffff:10.0.0.1]:9", "::ffff:10.0.0.1", 9],
    ["[fe80::1%eth0]:9", "fe80::1%eth0", 9],
  ];
  for (const [text, host, port] of good) {
    assert.deepEqual(parseAddress(text), { host, port });
    assert.equal(formatAddress({ host, port }), text);
  }
});

Deno.test("address: what is none", () => {
  const bad = [
    ...[
      "",
      ":",
      "host",
      "host:",
      ":4000",
      "host:0",
      "host:65536",
      "host:99999999",
      "host:-1",
      "host:+1",
      "host:01",
    ],
    ...[
      "host:1e3",
      "host: 1",
      "host:1 ",
      " host:1",
      "ho st:1",
      "::1:4000",
      "[::1]",
      "[::1]4000",
      "[::1]:0",
      "[]:1",
    ],
    ...[
      "[host]:1",
      "[127.0.0.1]:1",
      "[::1:1",
      "::1]:1",
      "host/path:1",
      "udp://host:1",
      "-host:1",
      "hö:1",
      "a\n:1",
    ],
    ...["[:]:1", "[::g]:1", "[::1%]:1", `${"a".repeat(254)}:1`],
  ];
  for (const text of bad) assert.throws(() => parseAddress(text), DecodeError, text);
});

Deno.test("address: port 0 only where asked for", () => {
  assert.deepEqual(parseAddress("0.0.0.0:0", 0), { host: "0.0.0.0", port: 0 });
  assert.throws(() => parseAddress("0.0.0.0:00", 0), DecodeError);
});

Deno.test("address: any text gives an address that formats back, or DecodeError", () => {
  const parts = fc.constantFrom("[", "]", ":", "::", "1", "host", ".", "%", "fe80", "-", " ", "4000");
  fc.assert(fc.property(fc.oneof(fc.string(), fc.array(parts).map((list) => list.join(""))), (text) => {
    try {
      assert.equal(formatAddress(parseAddress(text)), text);
    } catch (error) {
      assert.ok(error instanceof DecodeError);
    }
  }));
});

Deno.test("address: an error does not carry control characters of a stranger's text", () => {
  assert.throws(() => parseAddress("\u001b[2J:1"), (error: Error) => !error.message.includes("\u001b"));
});
