/**
 * A peer with keys and ill will at a live node that serves others at the same time: its session may end, theirs go on,
 * and nothing of it is left.
 *
 * @module
 */

import assert from "node:assert/strict";
import { datagramsDropped } from "../../src/transport/counters.ts";
import { SimNetwork } from "../sim/network.ts";
import { Prng } from "../sim/prng.ts";
import { RawPeer } from "../sim/raw_peer.ts";
import { open, Reader, Writer } from "../sim/traffic.ts";
import { hostilePacket } from "./session.ts";
import type { Feed, FuzzTarget } from "./target.ts";

/** Packets of the hostile peer in one case. */
const PACKETS = 60;
/** Bytes that the honest peer sends meanwhile. */
const STREAM = 20_000;
/** Datagrams that the node sends in answer to one at most: a first window, with what the honest peer gets. */
const MAX_ANSWERS = 40;
/** Time after which a session that nobody uses is over. */
const LONG = 120_000;

// What the first byte of an input tells besides the frames behind it.
const REPEATS = 0x04;
const DAMAGES = 0x08;
const PAUSES = [0, 1, 4, 20];

function run(seed: number, feed: Feed): void {
  const chance = new Prng(seed);
  const random = chance.fork();
  const network = new SimNetwork(chance.int(2 ** 32), { delay: 2 });
  const server = network.node();
  const honest = network.node();
  const connection = honest.establish(server);
  const writer = new Writer(open(connection), STREAM);
  network.runUntil(() => server.streams.length === 1);
  const reader = new Reader(server.streams.splice(0)[0]);
  const peer = new RawPeer(server, {}, chance.fork()).open();
  let packetNumber = 0;
  for (let i = 0; i < PACKETS; i++) {
    const input = feed.next(() => {
      const known = { initiator: false, opened: 0, nextPacketNumber: Math.max(0, peer.inbox.length - 1) };
      const control = random.int(4) | (random.chance(0.1) ? REPEATS : 0) | (random.chance(0.1) ? DAMAGES : 0);
      return Uint8Array.from([control, ...hostilePacket(random, known)]);
    });
    if (input === undefined) break;
    const control = input[0] ?? 0;
    const packet = peer.packet([input.subarray(1)], packetNumber++);
    if (control & DAMAGES) packet[packet.length - 1] ^= 1;
    const { counters } = server.endpoint;
    const before = [counters.datagramsSent, datagramsDropped(counters)];
    for (let times = control & REPEATS ? 2 : 1; times > 0; times--) peer.deliver(packet);
    const answers = counters.datagramsSent - before[0];
    assert.ok(answers <= MAX_ANSWERS, `${answers} datagrams in answer to one`);
    const least = (control & DAMAGES ? 1 : 0) + (control & REPEATS ? 1 : 0);
    assert.ok(
      datagramsDropped(counters) - before[1] >= least,
      "what is damaged or repeated counts as dropped",
    );
    network.run(PAUSES[control & 3]);
    assert.equal(counters.internal_errors, 0);
    // An application that takes whatever comes, and answers.
    for (const stream of server.streams) {
      while (stream.read() !== undefined);
      if (stream.writable) stream.write(new Uint8Array(100));
    }
  }
  network.runUntil(() => reader.isDone && writer.isDone, 60_000);
  assert.ok(connection.session!.isOpen, "the honest peer lost its session");
  for (const stream of server.streams) stream.abort(0);
  network.run(LONG);
  const { endpoint } = server;
  assert.ok(endpoint.size <= 1 && endpoint.timerCount <= endpoint.size, "something of the peer is left");
  endpoint.closeAll(0, "", network.now);
  network.run(LONG);
  assert.ok(endpoint.isIdle && endpoint.timerCount === 0 && endpoint.deadline === Infinity);
}

/** See the module. */
export const PEER: FuzzTarget = { name: "peer", share: 8, inputsPerCase: PACKETS, run };
