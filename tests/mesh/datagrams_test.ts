/** Unreliable datagrams of sessions, on real sockets. */

import assert from "node:assert/strict";
import {
  InvalidArgumentError,
  LimitExceededError,
  SessionClosedError,
  UnsupportedError,
} from "../../src/errors.ts";
import { connectedPair, loopback as permissions, startNode, until } from "./nodes.ts";

const bytes = (length: number, value = 1) => new Uint8Array(length).fill(value);

Deno.test(
  "datagrams: both ways, empty ones too, and the array may be reused at once",
  { permissions },
  async () => {
    await using pair = await connectedPair();
    for (const [from, to] of [[pair.session, pair.accepted], [pair.accepted, pair.session]]) {
      const array = new Uint8Array(20);
      const lengths = [20, 0, 7];
      for (const [i, length] of lengths.entries()) from.sendDatagram(array.subarray(0, length).fill(i));
      const got: Uint8Array[] = [];
      for await (const datagram of to.datagrams()) {
        got.push(datagram);
        if (got.length === 3) break;
      }
      assert.deepEqual(got, lengths.map((length, i) => bytes(length, i)));
      assert.equal(from.metrics().datagrams.sent, 3);
      assert.equal(to.metrics().datagrams.received, 3);
    }
  },
);

Deno.test("datagrams: as long as they may be, and not a byte longer", { permissions }, async () => {
  await using pair = await connectedPair();
  const { session, accepted } = pair;
  // The search for the path's size goes up to 61,440 on loopback.
  await until(() => session.maxDatagramPayload > 60_000);
  const maximum = session.maxDatagramPayload;
  assert.equal(maximum, 61_440 - 32 - 5);
  assert.throws(() => session.sendDatagram(bytes(maximum + 1)), LimitExceededError);
  const incoming = accepted.datagrams();
  session.sendDatagram(bytes(maximum, 5));
  const { value } = await incoming.next();
  assert.equal(value.length, maximum);
  assert.ok(value.every((byte: number) => byte === 5));
});

Deno.test(
  "datagrams: those that nobody takes make room for newer ones, and are counted",
  { permissions },
  async () => {
    await using pair = await connectedPair({ transport: { datagramQueue: 10 * (100 + 64) } });
    const { session, accepted } = pair;
    for (let i = 0; i < 50; i++) session.sendDatagram(bytes(100, i));
    await until(() => accepted.metrics().datagrams.received === 50);
    assert.equal(accepted.metrics().datagrams.unread, 40);
    const first = accepted.datagrams();
    assert.equal((await first.next()).value[0], 40);
    // Another loop goes on where this one was left.
    await first.return!();
    assert.equal((await first.next()).done, true);
    const second = accepted.datagrams();
    assert.equal((await second.next()).value[0], 41);
  },
);

Deno.test("datagrams: loops end with the session, after what had arrived", { permissions }, async () => {
  await using pair = await connectedPair();
  const { session, accepted } = pair;
  session.sendDatagram(bytes(1, 1));
  await until(() => accepted.metrics().datagrams.received === 1);
  const waiting = session.datagrams().next();
  const left = session.datagrams();
  const leaving = left.next();
  await left.return!();
  assert.equal((await leaving).done, true);
  await session.close();
  assert.equal((await waiting).done, true);
  await accepted.closed;
  const rest: number[] = [];
  for await (const datagram of accepted.datagrams()) rest.push(datagram.length);
  assert.deepEqual(rest, [1]);
  assert.throws(() => session.sendDatagram(bytes(1)), SessionClosedError);
});

Deno.test("datagrams: a node that takes none says so to its peers", { permissions }, async () => {
  await using pair = await connectedPair({ transport: { datagramQueue: 0 } });
  assert.equal(pair.session.maxDatagramPayload, 0);
  assert.throws(() => pair.session.sendDatagram(bytes(1)), UnsupportedError);
  assert.equal(pair.session.isOpen, true);
  await assert.rejects(startNode({ transport: { datagramQueue: NaN } }), InvalidArgumentError);
});
