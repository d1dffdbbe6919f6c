/** Both sides connect at once, or one of them restarts meanwhile (`protocol.md` 2.1): no stream is lost. */

import assert from "node:assert/strict";
import { SessionReplacedError } from "../../src/errors.ts";
import { CROSSING_TIME, FADING_IDLE_TIMEOUT } from "../../src/transport/config.ts";
import type { Connection } from "../../src/transport/connection.ts";
import type { Stream } from "../../src/transport/stream.ts";
import { compareBytes } from "../../src/wire/bytes.ts";
import { PacketType } from "../../src/wire/packet.ts";
import type { LinkOptions } from "../sim/link.ts";
import { type SimNetwork, withSeed, withSeeds } from "../sim/network.ts";
import type { SimNode, SimNodeOptions } from "../sim/node.ts";
import { Prng } from "../sim/prng.ts";
import { open, pattern, Reader, Writer } from "../sim/traffic.ts";

/** Bytes of each stream. */
const LENGTH = 3_000;

/** A node that opens streams to the other side whenever it likes, and reads those of the other side to the end. */
class Side {
  readonly node: SimNode;
  readonly writers: Writer[] = [];
  readonly readers: Reader[] = [];
  /** The connect failed. */
  failed = false;

  constructor(network: SimNetwork, options: SimNodeOptions = {}) {
    this.node = network.node({ ...options, onStream: (stream: Stream) => this.#read(stream) });
  }

  /** Connects, if nobody has connected to us by then; opens a stream as soon as a session stands. */
  connect(peer: Side): void {
    if (this.node.sessionWith(peer.node) !== undefined) return this.write(peer);
    const connection = this.node.connect(peer.node);
    const { events } = connection;
    connection.events = {
      ...events,
      onEstablished: () => this.writeOn(connection),
      onOvertaken: (by) => {
        events.onOvertaken?.(by);
        this.writeOn(by);
      },
      onEnd: (end) => {
        events.onEnd?.(end);
        if (connection.session === undefined) this.failed = true;
      },
    };
  }

  /** Opens a stream where new ones go. */
  write(peer: Side): void {
    const connection = this.node.sessionWith(peer.node);
    if (connection !== undefined) this.writeOn(connection);
  }

  writeOn(connection: Connection): void {
    this.writers.push(new Writer(open(connection), LENGTH));
  }

  /** Whether every stream that this side opened was acknowledged to its end, and every one that came was read. */
  get isDone(): boolean {
    return this.writers.every((writer) => writer.isDone) && this.readers.every((reader) => reader.isDone);
  }

  #read(stream: Stream): void {
    this.readers.push(new Reader(stream));
    // The other direction ends, too.
    stream.finish();
  }
}

/** Both connect within `lag`, open streams meanwhile, and end up with one session. Whether two came to stand. */
function crossing(network: SimNetwork, lag: number, options: SimNodeOptions = {}): boolean {
  const random = new Prng(network.seed);
  const a = new Side(network, options);
  const b = new Side(network, options);
  const sides = [a, b];
  const other = (side: Side) => side === a ? b : a;
  // What confirms a handshake is often lost at first: so both come through before either side knows of the other's.
  const end = network.now + 400;
  network.tap = ({ datagram, at }) => datagram[0] !== PacketType.DATA || at > end || !random.chance(0.8);
  a.connect(b);
  network.after(lag, () => b.connect(a));
  for (let i = 0; i < 6; i++) {
    network.after(random.int(600), () => a.write(b));
    network.after(random.int(600), () => b.write(a));
  }
  network.run(700);
  const opened = () => a.writers.length + b.writers.length;
  const isOver = () =>
    sides.every((side) =>
      side.isDone && (side.failed || side.node.sessionWith(other(side).node) !== undefined)
    );
  network.runUntil(() => isOver() && opened() === a.readers.length + b.readers.length, 25_000);
  for (const { writers } of sides) {
    for (const { stream } of writers) assert.equal(stream.error, undefined);
  }
  assert.equal(b.readers.length, a.writers.length, "every stream came exactly once");
  assert.equal(a.readers.length, b.writers.length, "every stream came exactly once");
  for (const reader of [...a.readers, ...b.readers]) assert.equal(reader.read, LENGTH);
  // With so much loss a connect may time out.
  if (sides.some(({ failed }) => failed)) return false;
  assertAgreement(network, a.node, b.node);
  return a.node.endpoint.counters.sessions_crossed + b.node.endpoint.counters.sessions_crossed > 0;
}

/** Both know the same session as the one that stands, and after a while no other. */
function assertAgreement(network: SimNetwork, a: SimNode, b: SimNode): void {
  const ours = a.sessionWith(b);
  const theirs = b.sessionWith(a);
  assert.ok(ours !== undefined && theirs !== undefined);
  assert.notEqual(ours.isInitiator, theirs.isInitiator, "both keep the same session");
  // One with streams lives on, the other one goes.
  const stream = open(ours);
  stream.write(pattern(0, 0, 10));
  network.run(FADING_IDLE_TIMEOUT + 10_000);
  for (const node of [a, b]) assert.equal(node.endpoint.size, 1);
  assert.equal(a.sessionWith(b), ours);
  assert.equal(b.sessionWith(a), theirs);
  const ended = [...a.ended, ...b.ended].filter(({ connection }) => connection.session !== undefined);
  for (const { end } of ended) assert.ok(end.error instanceof SessionReplacedError);
}

const GOOD: LinkOptions = { delay: 10 };
const BAD: LinkOptions = {
  delay: 10,
  jitter: 20,
  loss: 0.25,
  reorder: 0.3,
  reorderDelay: 300,
  duplicate: 0.1,
};

Deno.test("simultaneous open: one session stands on both sides, whoever is first, and no stream is lost", () => {
  withSeeds(30, (network) => void crossing(network, (network.seed % 10) * 5), GOOD);
});

Deno.test("simultaneous open: over a bad path no stream is lost, and every one comes exactly once", () => {
  let crossed = 0;
  withSeeds(300, (network) => void (crossing(network, network.seed % 60) && crossed++), BAD);
  assert.ok(crossed >= 20, `two sessions came to stand in ${crossed} of 300 runs`);
});

Deno.test("simultaneous open: the session that has to go goes, with keep-alive or without an idle time-out", () => {
  for (const transport of [{ keepAlive: true }, { idleTimeout: 0 }, { idleTimeout: 0, keepAlive: true }]) {
    let crossed = 0;
    withSeeds(40, (network) => void (crossing(network, network.seed % 60, { transport }) && crossed++), BAD);
    assert.ok(crossed > 0);
  }
});

/** A pair with two sessions: `smaller` and `larger` by key, each with the one that it began. */
function crossed(network: SimNetwork) {
  const nodes = [network.node(), network.node()];
  const [smaller, larger] = compareBytes(nodes[0].id, nodes[1].id) < 0 ? nodes : nodes.reverse();
  // Responses arrive, what confirms the handshakes is held back.
  const held: (() => void)[] = [];
  network.tap = ({ from, to, datagram }) => {
    if (datagram[0] !== PacketType.DATA) return true;
    held.push(() => network.send(from, datagram, to));
    return false;
  };
  const theirs = larger.connect(smaller);
  network.run(5);
  // Its initiation is older than the larger one's arrival: neither knows of the other's.
  const ours = smaller.connect(larger);
  network.runUntil(() => ours.session !== undefined && theirs.session !== undefined);
  const streams = [open(ours), open(theirs)];
  for (const stream of streams) stream.write(new Uint8Array(100));
  smaller.flush();
  larger.flush();
  network.tap = undefined;
  for (const send of held) send();
  return { smaller, larger, ours, theirs, streams };
}

Deno.test("simultaneous open: streams on both sessions go on, new ones go to that of the smaller key", () => {
  withSeed(3, (network) => {
    const { smaller, larger, ours, theirs, streams } = crossed(network);
    network.run(500);
    assert.equal(smaller.sessionWith(larger), ours);
    assert.equal(larger.sessionWith(smaller)!.isInitiator, false);
    assert.equal(theirs.successor, larger.sessionWith(smaller));
    assert.equal(ours.successor, undefined);
    for (const node of [smaller, larger]) {
      assert.equal(node.endpoint.counters.sessions_crossed, 1);
      assert.equal(node.endpoint.openStreams, 2);
      assert.equal(node.streams.length, 1);
    }
    // An hour later the fading one is still there, for its stream is.
    network.run(3_600_000);
    streams[1].write(new Uint8Array(100));
    network.run(500);
    assert.equal(smaller.streams[0].receiving.readable, 200);
    // The one that stands is closed: the other one is left, and stands.
    ours.session!.close(0, "", network.now);
    network.run(1_000);
    assert.equal(larger.sessionWith(smaller), theirs);
    assert.equal(theirs.successor, undefined);
  }, { delay: 10 });
});

Deno.test("a peer that restarts and connects to who had connected to it is back at once, and its session stands", () => {
  for (const age of [50, CROSSING_TIME + 1_000]) {
    withSeeds(10, (network) => {
      const server = network.node();
      const client = network.node();
      const old = server.establish(client);
      const stream = open(old);
      stream.write(new Uint8Array(1_000));
      network.run(age);
      client.restart();
      const connection = client.connect(server);
      network.runUntil(() => connection.session !== undefined && server.incoming.length === 1, 3_000);
      network.run(200);
      assert.equal(server.sessionWith(client), server.incoming[0]);
      // Soon after a handshake of ours it might be a crossing: then the old session waits for its silence to tell.
      network.runUntil(() => old.phase === "gone", age > CROSSING_TIME ? 0 : 2 * FADING_IDLE_TIMEOUT);
      assert.ok(stream.error !== undefined);
      if (age > CROSSING_TIME) assert.ok(stream.error instanceof SessionReplacedError);
    }, { loss: 0.02, jitter: 5 });
  }
});

Deno.test("a further handshake of the same peer replaces both sessions of a crossing", () => {
  withSeed(5, (network) => {
    const { smaller, larger, streams } = crossed(network);
    network.run(CROSSING_TIME + 1_000);
    larger.restart();
    larger.establish(smaller);
    network.run(1_000);
    for (const stream of streams.slice(0, 1)) assert.ok(stream.error instanceof SessionReplacedError);
    assert.equal(smaller.endpoint.size, 1);
    assert.equal(smaller.endpoint.counters.sessionsEnded, 2);
  }, { delay: 10 });
});
