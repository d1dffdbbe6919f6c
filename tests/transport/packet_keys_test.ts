/** Key update (`protocol.md` 2.3, RFC 9001 §6). */

import assert from "node:assert/strict";
import { nextKey } from "../../src/crypto/mac.ts";
import { createAead } from "../../src/crypto/aead.ts";
import { DEFAULT_LIMITS, type EndpointLimits } from "../../src/transport/config.ts";
import { PacketKeys } from "../../src/transport/packet_keys.ts";
import { DATA_HEADER, readPacketNumber, TAG_LENGTH } from "../../src/wire/packet.ts";
import { type SimNetwork, withSeed, withSeeds } from "../sim/network.ts";
import type { SimNode } from "../sim/node.ts";
import { Prng } from "../sim/prng.ts";
import { open, Reader, Writer } from "../sim/traffic.ts";

const KEEP = 30;
const TEXT = new Uint8Array(20).fill(5);

/** One direction of a session: a sender and a receiver of packets. */
class Direction {
  next = 0;
  now = 0;
  readonly sender: PacketKeys;
  readonly receiver: PacketKeys;

  constructor(limits: Partial<EndpointLimits> = {}) {
    const all = { ...DEFAULT_LIMITS, ...limits };
    const [there, back] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
    this.sender = new PacketKeys(there, back, all, 0);
    this.receiver = new PacketKeys(back, there, all, 0);
  }

  /** A packet; `acked` is the highest number that the sender knows to have arrived. */
  packet(acked = this.next - 1): Uint8Array {
    this.sender.updateIfDue(this.next, acked, this.now);
    return sealed(this.sender, this.next++);
  }

  /** Opens a packet; the reason when it does not open. */
  open(packet: Uint8Array): string {
    const text = this.receiver.open(
      packet,
      readPacketNumber(packet)!,
      new Uint8Array(2000),
      this.now,
      () => KEEP,
    );
    if (text === undefined) return this.receiver.failure;
    assert.deepEqual(text, TEXT);
    return "opened";
  }

  /** The receiver's answer, which shows the sender that it has the new keys. */
  answer(number: number): void {
    this.receiver.updateIfDue(number, -1, this.now);
    const packet = sealed(this.receiver, number);
    assert.ok(this.sender.open(packet, number, new Uint8Array(2000), this.now, () => KEEP) !== undefined);
  }
}

function sealed(keys: PacketKeys, packetNumber: number): Uint8Array {
  const out = new Uint8Array(DATA_HEADER + TEXT.length + TAG_LENGTH);
  out.set(TEXT, DATA_HEADER);
  keys.seal(out, 7, packetNumber, TEXT.length);
  return out;
}

const phaseOf = (packet: Uint8Array): number => packet[1];

Deno.test("key update: the next key is BLAKE2s keyed with the one before, the phase bit tells", () => {
  const direction = new Direction({ keyUpdatePackets: 1 });
  const first = direction.packet();
  assert.equal(phaseOf(first), 0);
  assert.equal(direction.open(first), "opened");
  const second = direction.packet();
  assert.equal(phaseOf(second), 1);
  const nonce = new Uint8Array(12);
  nonce[4] = 1;
  const aead = createAead(nextKey(new Uint8Array(32).fill(1)));
  assert.deepEqual(aead.open(nonce, second.subarray(0, DATA_HEADER), second.subarray(DATA_HEADER)), TEXT);
  assert.equal(direction.open(second), "opened");
  assert.equal(direction.receiver.updates, 1);
});

Deno.test("key update: by count, by time, and never before the peer has the keys in use", () => {
  const byCount = new Direction({ keyUpdatePackets: 3 });
  assert.deepEqual([0, 0, 0, 0].map(() => phaseOf(byCount.packet(-1))), [0, 0, 0, 0]);
  assert.equal(phaseOf(byCount.packet(0)), 1);
  const byTime = new Direction({ keyUpdateInterval: 1_000 });
  byTime.now = 999;
  assert.equal(phaseOf(byTime.packet(0)), 0);
  byTime.now = 1_000;
  assert.equal(phaseOf(byTime.packet(-1)), 0, "nothing is acknowledged yet");
  assert.equal(phaseOf(byTime.packet(0)), 1);
});

Deno.test("key update: no second one before the peer followed, acknowledged and forgot the last keys", () => {
  const direction = new Direction({ keyUpdatePackets: 1 });
  assert.equal(direction.open(direction.packet()), "opened");
  assert.equal(direction.open(direction.packet()), "opened");
  for (let i = 0; i < 5; i++) assert.equal(phaseOf(direction.packet()), 1, "the peer has not followed");
  direction.answer(0);
  for (let i = 0; i < 5; i++) assert.equal(phaseOf(direction.packet(0)), 1, "nothing of this phase is acked");
  for (let i = 0; i < 5; i++) {
    assert.equal(phaseOf(direction.packet()), 1, "packets of phase 0 may still come");
  }
  direction.now = KEEP;
  assert.equal(phaseOf(direction.packet()), 0);
});

Deno.test("key update: the receiver of one follows with its own packets", () => {
  const direction = new Direction({ keyUpdatePackets: 1 });
  assert.equal(direction.open(direction.packet()), "opened");
  const answer = (number: number) => {
    direction.receiver.updateIfDue(number, -1, direction.now);
    return phaseOf(sealed(direction.receiver, number));
  };
  assert.equal(answer(0), 0);
  assert.equal(direction.open(direction.packet()), "opened");
  assert.deepEqual([answer(1), answer(2)], [1, 1]);
});

Deno.test("key update: overtaken packets open for three PTO, and are counted after", () => {
  const direction = new Direction({ keyUpdatePackets: 3 });
  const old = [direction.packet(), direction.packet(), direction.packet()];
  const fresh = [direction.packet(), direction.packet()];
  assert.deepEqual(fresh.map(phaseOf), [1, 1]);
  assert.equal(direction.open(fresh[1]), "opened");
  assert.equal(direction.open(old[2]), "opened");
  assert.equal(direction.open(fresh[0]), "opened", "of the new phase with a number below the first one seen");
  direction.now = KEEP - 1;
  assert.equal(direction.open(old[1]), "opened");
  direction.now = KEEP;
  assert.equal(direction.open(old[0]), "old_key_phase");
});

Deno.test("key update: a flipped bit changes nothing, however often", () => {
  const direction = new Direction();
  const packets = Array.from({ length: 50 }, () => direction.packet());
  for (const packet of packets) {
    const flipped = packet.slice();
    flipped[1] ^= 1;
    assert.equal(direction.open(flipped), "bad_packet");
    assert.equal(direction.open(packet), "opened");
  }
  assert.equal(direction.receiver.updates, 0);
});

Deno.test("key update: keys that are not updated wear out", () => {
  const direction = new Direction({ maxPacketsPerKey: 10, keyUpdatePackets: 5 });
  for (let i = 0; i < 10; i++) direction.packet(-1);
  assert.ok(!direction.sender.isExhausted(9));
  assert.ok(direction.sender.isExhausted(10));
  direction.packet(9);
  assert.ok(!direction.sender.isExhausted(19));
  assert.equal(DEFAULT_LIMITS.maxPacketsPerKey, 2 ** 32);
  assert.ok(DEFAULT_LIMITS.keyUpdatePackets <= DEFAULT_LIMITS.maxPacketsPerKey / 2);
});

/** Bytes both ways over one session; the readers check them. */
function exchange(network: SimNetwork, a: SimNode, b: SimNode, length: number): void {
  const connection = a.establish(b);
  const there = new Writer(open(connection), length, 1);
  const back = new Writer(open(b.sessionWith(a)!), length, 2);
  network.runUntil(() => a.streams.length === 1 && b.streams.length === 1);
  const readers = [new Reader(b.streams[0], 1), new Reader(a.streams[0], 2)];
  network.runUntil(() => there.isDone && back.isDone && readers.every((reader) => reader.isDone));
  for (const reader of readers) assert.equal(reader.read, length);
  for (const node of [a, b]) {
    assert.equal(node.ended.length, 0);
    // One that was held back for longer than its keys were.
    assert.ok(node.endpoint.counters.bad_packet <= 1);
  }
}

Deno.test("key updates at random moments under loss and reordering lose nothing", () => {
  let updates = 0;
  withSeeds(60, (network) => {
    const random = new Prng(network.seed);
    const limits = () => ({
      keyUpdatePackets: random.pick([1, 10, 100, Infinity]),
      keyUpdateInterval: random.pick([20, 200, 1_000]),
    });
    const a = network.node({ limits: limits() });
    const b = network.node({ limits: limits() });
    exchange(network, a, b, 200_000);
    updates += a.endpoint.counters.key_updates + b.endpoint.counters.key_updates;
    const difference = a.endpoint.counters.key_updates - b.endpoint.counters.key_updates;
    assert.ok(Math.abs(difference) <= 1, "both sides count the same updates");
  }, { delay: 10, jitter: 15, loss: 0.05, reorder: 0.2, reorderDelay: 200, duplicate: 0.05 });
  assert.ok(updates > 300, `${updates} updates`);
});

Deno.test("key update: a session whose peer never acknowledges ends before its keys wear out", () => {
  withSeed(1, (network) => {
    const server = network.node({ limits: { maxPacketsPerKey: 12, keyUpdatePackets: 8 } });
    const client = network.node();
    const connection = client.establish(server);
    // Nothing of the client arrives any more: no ACK, no new keys.
    network.link(client, server).cut = true;
    const stream = open(server.sessionWith(client)!);
    stream.write(new Uint8Array(500_000));
    network.runUntil(() => server.ended.length > 0, 20_000);
    network.run(100);
    const [{ end }] = server.ended;
    assert.match(end.reason, /used up/);
    assert.equal(connection.session!.isOpen, false);
  });
});
