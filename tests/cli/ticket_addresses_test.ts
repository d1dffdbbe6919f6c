import assert from "node:assert/strict";
import { listenFor, parseListenAddress, ticketAddresses } from "../../src/cli/ticket_addresses.ts";
import type { NetworkAddress } from "../../src/runtime/process.ts";

const interfaces: NetworkAddress[] = [
  { address: "127.0.0.1", family: "IPv4", internal: true },
  { address: "::1", family: "IPv6", internal: true },
  { address: "192.168.1.20", family: "IPv4", internal: false },
  { address: "10.0.0.5", family: "IPv4", internal: false },
  { address: "2001:db8::20", family: "IPv6", internal: false },
  { address: "fe80::1", family: "IPv6", internal: false },
];

Deno.test("ticketAddresses: all interfaces stand for 0.0.0.0, loopback last", () => {
  assert.deepEqual(ticketAddresses(["0.0.0.0:4711"], interfaces), [
    "192.168.1.20:4711",
    "10.0.0.5:4711",
    "127.0.0.1:4711",
  ]);
  assert.deepEqual(ticketAddresses(["[::]:4711"], interfaces), [
    "192.168.1.20:4711",
    "10.0.0.5:4711",
    "[2001:db8::20]:4711",
    "[::1]:4711",
    "127.0.0.1:4711",
  ]);
  assert.deepEqual(ticketAddresses(["0.0.0.0:4711"], []), ["127.0.0.1:4711"]);
});

Deno.test("ticketAddresses: a set address stands for itself", () => {
  assert.deepEqual(ticketAddresses(["10.0.0.5:1", "127.0.0.1:2"], interfaces), ["10.0.0.5:1", "127.0.0.1:2"]);
  assert.deepEqual(ticketAddresses(["[::1]:9"], interfaces), ["[::1]:9"]);
});

Deno.test("ticketAddresses: a machine with many interfaces does not make an endless ticket", () => {
  const many = Array.from({ length: 40 }, (_, i): NetworkAddress => {
    return { address: `10.0.0.${i}`, family: "IPv4", internal: false };
  });
  const addresses = ticketAddresses(["0.0.0.0:1"], many);
  assert.equal(addresses.length, 16);
  assert.equal(addresses.at(-1), "127.0.0.1:1");
});

Deno.test("listenFor binds no wider than the addresses need", () => {
  assert.equal(listenFor(["127.0.0.1:1"]), "127.0.0.1:0");
  assert.equal(listenFor(["localhost:1", "127.9.9.9:1"]), "127.0.0.1:0");
  assert.equal(listenFor(["[::1]:1"]), "[::1]:0");
  assert.equal(listenFor(["10.0.0.1:1", "127.0.0.1:1"]), "0.0.0.0:0");
  assert.equal(listenFor(["example.org:1"]), "0.0.0.0:0");
  assert.equal(listenFor(["[2001:db8::1]:1"]), "[::]:0");
  assert.equal(listenFor(["[2001:db8::1]:1", "10.0.0.1:1"]), "0.0.0.0:0");
});

Deno.test("parseListenAddress takes host:port and refuses everything else", () => {
  assert.equal(parseListenAddress("127.0.0.1:0"), "127.0.0.1:0");
  assert.equal(parseListenAddress("[::1]:4711"), "[::1]:4711");
  assert.equal(parseListenAddress(":4711"), "0.0.0.0:4711");
  assert.equal(parseListenAddress("localhost:65535"), "localhost:65535");
  for (
    const wrong of [
      "",
      "4711",
      "a:b",
      "a:65536",
      "::1:4711",
      "http://x:1",
      "a b:1",
      "[::1]",
      "a:-1",
      "a:1 2",
      "0.0.0.0:04",
    ]
  ) {
    assert.throws(() => parseListenAddress(wrong), { name: "DecodeError" }, wrong);
  }
});
