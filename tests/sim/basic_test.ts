/** The simulated network itself: the same seed gives the same run, links do what their options say. */

import assert from "node:assert/strict";
import { toHex } from "../../src/wire/bytes.ts";
import { Link } from "./link.ts";
import { SimNetwork, withSeed } from "./network.ts";
import { Prng } from "./prng.ts";
import { open, Reader, Writer } from "./traffic.ts";

const datagram = new Uint8Array(1000);

Deno.test("a failing simulation tells its seed", () => {
  const fail = () => withSeed(4711, () => assert.fail("went wrong"));
  assert.throws(fail, (error: Error) => error.message === "seed 4711: went wrong");
});

Deno.test("the same seed gives the same datagrams at the same times, another seed others", () => {
  const trace = (seed: number) => {
    const network = new SimNetwork(seed, { delay: 8, jitter: 4, loss: 0.05, reorder: 0.05, duplicate: 0.05 });
    const sightings: string[] = [];
    network.tap = ({ from, at, datagram }) =>
      void sightings.push(`${from.address.port} ${at} ${toHex(datagram)}`);
    const server = network.node();
    const client = network.node();
    const connection = client.establish(server);
    const writer = new Writer(open(connection), 50_000);
    network.runUntil(() => server.streams.length > 0);
    new Reader(server.streams[0]);
    network.runUntil(() => writer.isDone);
    return sightings;
  };
  const once = trace(1).join("\n");
  assert.ok(once === trace(1).join("\n"), "seed 1 runs differently the second time");
  assert.ok(once !== trace(2).join("\n"), "seed 2 runs as seed 1 does");
});

Deno.test("link: delay, and order kept under jitter", () => {
  const link = new Link({ delay: 5, jitter: 3 }, new Prng(1));
  let last = 0;
  for (let now = 0; now < 100; now++) {
    const [{ at }, ...others] = link.send(datagram, now);
    assert.equal(others.length, 0);
    assert.ok(at >= now + 5 && at <= now + 8, `sent at ${now}, arrives at ${at}`);
    assert.ok(at >= last);
    last = at;
  }
});

Deno.test("link: loss, duplication, corruption and reordering come about as often as asked", () => {
  const link = new Link({ delay: 1, loss: 0.1, duplicate: 0.1, corrupt: 0.1, reorder: 0.1 }, new Prng(7));
  let last = 0;
  let overtaken = 0;
  for (let now = 0; now < 10_000; now++) {
    for (const { at } of link.send(datagram, now)) {
      if (at < last) overtaken++;
      last = Math.max(last, at);
    }
  }
  const { lost, delivered, corrupted } = link.counts;
  assert.ok(lost > 800 && lost < 1200, `${lost} lost`);
  assert.ok(delivered > 9_600 && delivered < 10_200, `${delivered} delivered`);
  assert.ok(corrupted > 800 && corrupted < 1200, `${corrupted} corrupted`);
  assert.ok(overtaken > 300, `${overtaken} overtaken`);
});

Deno.test("link: bandwidth with a queue that overflows, MTU, cut", () => {
  const link = new Link({ delay: 1, bandwidth: 100, queue: 3000, mtu: 1400 }, new Prng(1));
  const times = [0, 0, 0, 0].flatMap((now) => link.send(datagram, now)).map(({ at }) => at);
  assert.deepEqual(times, [11, 21, 31]);
  assert.equal(link.counts.overflowed, 1);
  assert.deepEqual(link.send(new Uint8Array(1401), 100), []);
  assert.equal(link.counts.tooBig, 1);
  link.cut = true;
  assert.deepEqual(link.send(datagram, 200), []);
  assert.equal(link.counts.lost, 1);
});
