/** What happens to links, addresses and sockets while a simulated network runs. */

import assert from "node:assert/strict";
import { Link } from "./link.ts";
import { SimNetwork } from "./network.ts";
import { Prng } from "./prng.ts";
import { open, Reader, Writer } from "./traffic.ts";

const datagram = new Uint8Array(1000);

Deno.test("link: losses come in bursts as long and as often as asked", () => {
  const link = new Link({ delay: 1, burst: { begin: 0.01, end: 0.2 } }, new Prng(3));
  let bursts = 0;
  let wasLost = false;
  for (let now = 0; now < 50_000; now++) {
    const isLost = link.send(datagram, now).length === 0;
    if (isLost && !wasLost) bursts++;
    wasLost = isLost;
  }
  const { lost } = link.counts;
  assert.ok(Math.abs(lost / 50_000 - 0.01 / 0.21) < 0.01, `${lost} lost`);
  assert.ok(Math.abs(lost / bursts - 5) < 1, `${lost / bursts} in a burst`);
});

Deno.test("link: in the bad state some datagrams may pass", () => {
  const link = new Link({ burst: { begin: 1, end: 0, loss: 0.5 } }, new Prng(4));
  for (let now = 0; now < 10_000; now++) link.send(datagram, now);
  assert.ok(link.counts.lost > 4_700 && link.counts.lost < 5_300, `${link.counts.lost} lost`);
});

Deno.test("network: partitions begin and end as scheduled, one way or both, also when they overlap", () => {
  const network = new SimNetwork(1);
  const a = network.node();
  const b = network.node();
  network.partition([a], [b], { after: 10, lasts: 10, oneWay: true });
  network.partition([b], [a], { after: 15, lasts: 10 });
  const passes = (from: typeof a, to: typeof a) =>
    network.link(from, to).send(datagram, network.now).length > 0;
  const seen: [number, boolean, boolean][] = [];
  for (const at of [5, 12, 17, 22, 27]) {
    network.run(1_000 + at - network.now);
    seen.push([at, passes(a, b), passes(b, a)]);
  }
  assert.deepEqual(seen, [
    [5, true, true],
    [12, false, true],
    [17, false, false],
    [22, false, false],
    [27, true, true],
  ]);
});

Deno.test("network: after a rebinding datagrams come from the new address, and nothing reaches the old one", () => {
  const network = new SimNetwork(2, { delay: 5 });
  const server = network.node();
  const client = network.node();
  const old = client.address;
  const sources: number[] = [];
  network.tap = ({ from }) => void (from === client && sources.push(client.address.port));
  client.connect(server);
  network.run(7);
  // The response is on its way.
  client.rebind();
  network.run(100);
  assert.equal(client.endpoint.counters.datagramsReceived, 0);
  client.connect(server);
  network.run(100);
  assert.ok(client.endpoint.counters.datagramsReceived > 0);
  assert.deepEqual([...new Set(sources)], [old.port, old.port + 1000]);
  assert.equal(network.link(client, server), network.links(server, client)[1]);
});

Deno.test("node: a socket's small buffer overflows while the event loop stands still, and only then", () => {
  const network = new SimNetwork(3, { delay: 5 });
  const server = network.node({ socketBuffer: 10_000 });
  const client = network.node();
  const connection = client.establish(server);
  const writer = new Writer(open(connection), 300_000);
  network.runUntil(() => server.streams.length > 0);
  const reader = new Reader(server.streams[0]);
  assert.equal(server.socket.overflowed, 0);
  server.stall(2_000);
  network.run(1_000);
  assert.ok(server.socket.bytes > 0 && server.socket.bytes <= 10_000, `${server.socket.bytes} bytes wait`);
  assert.ok(server.socket.overflowed > 0);
  network.runUntil(() => writer.isDone && reader.isDone);
  assert.equal(reader.read, 300_000);
  assert.equal(server.socket.length, 0);
});

Deno.test("node: an event loop that is busy with each datagram takes so many per second", () => {
  const network = new SimNetwork(4, { delay: 5 });
  const server = network.node({ readTime: 2, socketBuffer: 60_000 });
  const client = network.node();
  for (let i = 0; i < 100; i++) network.send(client, datagram, server.address);
  network.run(105);
  assert.equal(server.endpoint.counters.datagramsReceived, 50 + 1);
  assert.equal(server.socket.overflowed, 100 - 1 - 60);
  network.run(1_000);
  assert.equal(server.endpoint.counters.datagramsReceived, 61);
});
