/**
 * Cheap cells of the figures in `docs/transport.md`, with fixed seeds: time is virtual, so they come out the same on
 * every machine.
 */

import assert from "node:assert/strict";
import { goodput, meanGoodput, overBound, requestTimes, shareNextToTcp, sharing } from "../sim/figures.ts";
import { Bottleneck, linksOf, PACKET } from "../sim/flows.ts";
import { SimNetwork } from "../sim/network.ts";
import { Prng } from "../sim/prng.ts";
import { open, Reader, Writer } from "../sim/traffic.ts";

/** Bytes per millisecond of 100 Mbit/s. */
const LINK = 12_500;

Deno.test("goodput: without loss nine tenths of the link and more, slow start included", () => {
  for (const [rtt, duration] of [[10, 3_000], [50, 10_000]]) {
    const share = goodput("hawser", { rtt, bandwidth: LINK }, 1, { warmUp: 0, duration }) / LINK;
    assert.ok(share >= 0.9, `${share} of the link at ${rtt} ms`);
  }
});

Deno.test("goodput: with loss at least what the Mathis formula gives Reno", () => {
  for (const [rtt, loss] of [[10, 0.01], [10, 0.03], [50, 0.03]]) {
    const path = { rtt, loss, bandwidth: LINK };
    const ratio = overBound(
      meanGoodput("hawser", path, 3, { warmUp: 50 * rtt, duration: 1_000 * rtt }),
      path,
    );
    assert.ok(ratio >= 1, `${ratio} of the bound at ${rtt} ms, loss ${loss}`);
  }
});

Deno.test("goodput: on a path that loses a tenth of all packets five times what the model of Reno gets", () => {
  const path = { rtt: 10, loss: 0.1, bandwidth: LINK };
  const span = { warmUp: 500, duration: 20_000 };
  const ratio = meanGoodput("hawser", path, 2, span) / meanGoodput("reno", path, 2, span);
  assert.ok(ratio > 4, `${ratio}`);
});

Deno.test("goodput: a path that reorders costs little, and its late packets undo what was done about them", () => {
  const path = { rtt: 20, bandwidth: LINK, reorder: 0.02, reorderDelay: 4 };
  const bottleneck = new Bottleneck(1, path);
  const flow = bottleneck.flow().sendForEver();
  bottleneck.run(5_000);
  const share = flow.received / 5_000 / LINK;
  assert.ok(share > 0.85, `${share} of the link`);
  assert.ok(flow.sender.recovery.spuriousLosses > 0);
  assert.ok(flow.sender.recovery.packetThreshold > 3);
});

Deno.test("goodput: real nodes with handshake and cipher get the same on the same link", () => {
  const path = { rtt: 10, bandwidth: 2_500 };
  const network = new SimNetwork(1);
  const server = network.node();
  const client = network.node();
  const [there, back] = linksOf(path, new Prng(1));
  network.link(client, server).options = there.options;
  network.link(server, client).options = back.options;
  const connection = client.establish(server);
  const begin = network.now;
  const length = 4_000_000;
  const writer = new Writer(open(connection), length);
  network.runUntil(() => server.streams.length === 1);
  new Reader(server.streams[0]);
  network.runUntil(() => writer.isDone);
  const duration = network.now - begin;
  const alone = goodput("hawser", path, 1, { warmUp: 0, duration });
  assert.ok(Math.abs(length / duration / alone - 1) < 0.02, `${length / duration} and ${alone} bytes/ms`);
});

Deno.test("sharing: two flows that begin one after the other come to the same", () => {
  const { jain, share } = sharing(2, { rtt: 10, bandwidth: LINK }, 1, { warmUp: 5_000, duration: 5_000 });
  assert.ok(jain >= 0.9, `Jain's index ${jain}`);
  assert.ok(share >= 0.9, `${share} of the link`);
});

Deno.test("sharing: a flow takes no more from a TCP flow than another one would, nearly", () => {
  for (const kind of ["reno", "cubic"] as const) {
    const path = { rtt: 20, loss: 0.005, bandwidth: LINK };
    const share = shareNextToTcp(kind, path, 1, { warmUp: 2_000, duration: 60_000 });
    assert.ok(share > 0.4 && share < 0.65, `${share} next to ${kind}`);
  }
});

Deno.test("slow start: HyStart++ ends it with fewer losses than the path holds packets", () => {
  const bottleneck = new Bottleneck(1, { rtt: 50, bandwidth: LINK });
  const flow = bottleneck.flow().sendForEver();
  bottleneck.run(1_000);
  const { recovery } = flow.sender;
  assert.ok(!recovery.congestion.inSlowStart);
  // Doubling until the queue overflows costs three times as many: 1263.
  assert.ok(recovery.lostPackets < 50 * LINK / PACKET, `${recovery.lostPackets} lost`);
  assert.ok(recovery.window > 50 * LINK, "the window fills the path");
});

Deno.test("priority: 64 KiB are answered within three round trips on a session that bulk keeps full", () => {
  for (const rtt of [10, 50]) {
    const times = requestTimes({ rtt, bandwidth: LINK }, 1, 10);
    for (const { idle } of times) assert.ok(idle <= 3, `${idle} round trips of ${rtt} ms`);
  }
});
