/** Every byte arrives, once and in order, whatever the network does to packets. */

import assert from "node:assert/strict";
import type { Stream } from "../../src/transport/stream.ts";
import type { LinkOptions } from "../sim/link.ts";
import { type SimNetwork, withSeeds } from "../sim/network.ts";
import type { SimNode } from "../sim/node.ts";
import { Prng } from "../sim/prng.ts";
import { open, Reader, Writer } from "../sim/traffic.ts";

const SALT_BACK = 0x5bd1;

/** Takes a peer's stream: checks what comes, answers with as many bytes as the protocol number says. */
class Echo {
  readonly reader: Reader;
  readonly writer: Writer;
  constructor(stream: Stream, random: Prng) {
    this.reader = new Reader(stream, stream.id);
    this.writer = new Writer(stream, stream.protocol, stream.id ^ SALT_BACK, random);
  }
}

/** Several streams both ways at once, of random sizes, opened from both sides. */
function exchange(network: SimNetwork, streams: number, maxLength: number): void {
  const random = new Prng(network.seed);
  const done: { readonly isDone: boolean }[] = [];
  const onStream = (stream: Stream) => {
    const { reader, writer } = new Echo(stream, random);
    done.push(reader, writer);
  };
  const server = network.node({ onStream });
  const client = network.node({ onStream });
  client.establish(server);
  const lengths: [number, number][] = [];
  for (let i = 0; i < streams; i++) {
    const from = i % 2 === 0 ? client : server;
    const there = random.int(maxLength);
    const back = random.int(maxLength);
    lengths.push([there, back]);
    const stream = open(from.sessionWith(from === client ? server : client)!, {
      protocol: back,
      priority: random.int(8),
      weight: 1 + random.int(256),
    });
    done.push(new Writer(stream, there, stream.id, random), new Reader(stream, stream.id ^ SALT_BACK));
  }
  network.runUntil(() => done.length === 4 * streams && done.every(({ isDone }) => isDone));
  const read = done.reduce((sum, end) => sum + (end instanceof Reader ? end.read : 0), 0);
  assert.equal(read, lengths.reduce((sum, [there, back]) => sum + there + back, 0));
  assertNothingLeft(network, client, server);
}

/** Closing leaves no stream, session or timer behind. */
function assertNothingLeft(network: SimNetwork, ...nodes: SimNode[]): void {
  network.run(2_000);
  for (const { endpoint } of nodes) assert.equal(endpoint.openStreams, 0);
  for (const node of nodes) {
    node.endpoint.closeAll(0, "done", node.now);
    node.flush();
  }
  network.run(20_000);
  for (const { endpoint } of nodes) {
    assert.ok(endpoint.isIdle);
    assert.equal(endpoint.deadline, Infinity);
    assert.equal(endpoint.counters.internal_errors, 0);
  }
}

const paths: Record<string, LinkOptions> = {
  "a clean path": {},
  "no delay at all": { delay: 0 },
  "5 % loss": { loss: 0.05, delay: 5 },
  "reordering": { reorder: 0.05, delay: 20, reorderDelay: 40 },
  "loss 5 %, duplicates 2 %, reordering 5 %, jitter": {
    loss: 0.05,
    duplicate: 0.02,
    reorder: 0.05,
    jitter: 3,
    delay: 10,
  },
  "corruption 3 %": { corrupt: 0.03, delay: 2 },
  "30 % loss": { loss: 0.3, delay: 5 },
  "a narrow bottleneck": { bandwidth: 500, queue: 30_000, delay: 15 },
  "everything at once": {
    loss: 0.03,
    duplicate: 0.05,
    reorder: 0.1,
    corrupt: 0.02,
    jitter: 10,
    delay: 30,
    bandwidth: 2_000,
    queue: 60_000,
  },
};

for (const [name, defaults] of Object.entries(paths)) {
  Deno.test(`integrity: six streams both ways over ${name}`, () => {
    withSeeds(12, (network) => exchange(network, 6, 200_000), defaults);
  });
}

Deno.test("integrity: many short exchanges", () => {
  withSeeds(100, (network) => exchange(network, 3, 5_000), {
    loss: 0.08,
    duplicate: 0.05,
    reorder: 0.08,
    corrupt: 0.03,
  });
});

Deno.test("integrity: two hundred streams", () => {
  withSeeds(3, (network) => exchange(network, 200, 10_000), { loss: 0.02, delay: 5 });
});
