/** Worlds of the simulated network: some run here, and each check of theirs is shown to find what it looks for. */

import assert from "node:assert/strict";
import { Connection } from "../../src/transport/connection.ts";
import { Datagrams } from "../../src/transport/datagrams.ts";
import { Endpoint } from "../../src/transport/endpoint.ts";
import { Liveness } from "../../src/transport/liveness.ts";
import { ReceiveHalf } from "../../src/transport/receive_half.ts";
import { SendHalf } from "../../src/transport/send_half.ts";
import { Stream } from "../../src/transport/stream.ts";
import { StreamSet } from "../../src/transport/streams.ts";
import type { LinkOptions } from "./link.ts";
import { runWorld, type World } from "./world/world.ts";

/** Worlds that the tests of both runtimes run; `deno task sim` runs more. */
const WORLDS = 30;

Deno.test("worlds: every stream arrives or fails on both sides, no session dies in vain, nothing is left", () => {
  const ends = { closed: 0, replaced: 0, silent: 0, unreached: 0 };
  let bytes = 0;
  let messages = 0;
  for (let seed = 1; seed <= WORLDS; seed++) {
    const result = runSeed(seed);
    bytes += result.bytes;
    messages += result.messages;
    for (const end of Object.keys(ends) as (keyof typeof ends)[]) ends[end] += result.ends[end];
  }
  assert.ok(bytes > 1e6, `${bytes} bytes arrived`);
  assert.ok(messages > 100, `${messages} datagrams arrived`);
  for (const [end, times] of Object.entries(ends)) {
    if (end !== "unreached") assert.ok(times > 0, `no session was ${end}`);
  }
});

Deno.test("worlds: the same seed is the same world, datagram by datagram", () => {
  for (const seed of [3, 14, 15]) assert.equal(digestOf(seed), digestOf(seed), `seed ${seed}`);
  assert.notEqual(digestOf(3), digestOf(14));
});

Deno.test("worlds: of two sessions with a peer that end at once, each is judged by its own streams", () => {
  // One has streams and asks for a sign of life; the other, idle one need not.
  runSeed(6228);
});

/** Runs a world; one that fails tells how to see it again. */
function runSeed(seed: number): ReturnType<typeof runWorld> {
  try {
    return runWorld(seed);
  } catch (cause) {
    throw new Error(`see it again: deno task sim --seed ${seed} --trace`, { cause });
  }
}

/** A number from the length, the time and the first bytes of everything that is sent. */
function digestOf(seed: number): number {
  let digest = 0;
  const mix = (value: number) => digest = Math.imul(digest ^ value, 0x9e37_79b1) ^ (digest >>> 15);
  runWorld(seed, {
    prepare: ({ network }) => {
      network.tap = ({ at, datagram }) => {
        mix(datagram.length);
        mix(Math.round(at * 1_000));
        for (let i = datagram.length - 8; i < datagram.length; i++) mix(datagram[i]);
      };
    },
  });
  return digest;
}

// --- spoilt worlds: each fault must be found ---

/** Replaces a method until the returned function is called. */
function spoil<T, K extends keyof T>(prototype: T, name: K, make: (original: T[K]) => T[K]): () => void {
  const original = prototype[name];
  prototype[name] = make(original);
  return () => void (prototype[name] = original);
}

/** That worlds with a spoilt method fail, and with what. Few calls of the method are to be spoilt, late ones. */
function finds(name: string, pattern: RegExp, begin: () => () => void): void {
  Deno.test(`worlds: ${name} is found`, () => {
    const restore = begin();
    try {
      assert.throws(() => {
        for (let seed = 1; seed <= WORLDS; seed++) runWorld(seed);
      }, pattern);
    } finally {
      restore();
    }
  });
}

/** True once, at the n-th call. */
function at(n: number): () => boolean {
  return () => n-- === 0;
}

finds("a byte that is missing in a stream", /are not those written there|Decode stream header/, () => {
  const isDue = at(500);
  return spoil(ReceiveHalf.prototype, "read", (read) =>
    function (this: ReceiveHalf) {
      const piece = read.call(this);
      // Not the header of a stream.
      return piece !== undefined && piece.length > 100 && isDue() ? piece.subarray(1) : piece;
    });
});

finds("a byte that is missing at a stream's end", /took \d+ bytes for the whole/, () => {
  return spoil(Stream.prototype, "read", (read) =>
    function (this: Stream) {
      const piece = read.call(this);
      return piece !== undefined && this.ended && piece.length > 1 ? piece.subarray(0, -1) : piece;
    });
});

finds("a piece that comes twice", /are not those written there/, () => {
  const isDue = at(500);
  return spoil(ReceiveHalf.prototype, "read", (read) =>
    function (this: ReceiveHalf) {
      const piece = read.call(this);
      if (piece !== undefined && isDue()) this.unread(piece.slice());
      return piece;
    });
});

finds("a flipped bit", /are not those written there/, () => {
  const isDue = at(200);
  return spoil(SendHalf.prototype, "copy", (copy) =>
    function (this: SendHalf, offset, length, out, to) {
      copy.call(this, offset, length, out, to);
      if (length > 0 && isDue()) out[to] ^= 1;
    });
});

finds("an acknowledged piece that is lost", /streams that do not end|the reader did not get it/, () => {
  const isDue = at(300);
  return spoil(StreamSet.prototype, "onStreamFrame", (take) =>
    function (this: StreamSet, ...frame) {
      return frame[2].length > 0 && isDue() ? true : take.apply(this, frame);
    });
});

finds("data that is lost for good", /streams that do not end/, () => {
  return spoil(SendHalf.prototype, "onLost", () =>
    function (this: SendHalf, offset, length, fin) {
      this.onAcked(offset, length, fin);
    });
});

finds(
  "acknowledged data that is dropped when the session ends",
  /the reader did not get it|for the whole/,
  () => {
    return spoil(ReceiveHalf.prototype, "abandon", (abandon) =>
      function (this: ReceiveHalf) {
        abandon.call(this);
        while (this.read() !== undefined);
      });
  },
);

finds("a reset that the reader does not learn of", /streams that do not end|failed on one side/, () => {
  return spoil(StreamSet.prototype, "onResetStream", () => function () {});
});

finds("a reset with another code", /reset with code/, () => {
  return spoil(
    StreamSet.prototype,
    "onResetStream",
    (reset) =>
      function (this: StreamSet, id, code, finalSize) {
        reset.call(this, id, code + 1, finalSize);
      },
  );
});

finds("a datagram that comes twice", /datagram \d+ came twice/, () => {
  return spoil(Datagrams.prototype, "receive", (receive) =>
    function (this: Datagrams, data, copyBelow) {
      receive.call(this, data, copyBelow);
      receive.call(this, data, copyBelow);
    });
});

finds("a session that dies though packets come", /a packet came only/, () => {
  return spoil(Liveness.prototype, "idleDeadline", (deadline) =>
    function (this: Liveness, pto) {
      return deadline.call(this, pto) / 2 + 500;
    });
});

finds("a session that asks for no sign of life", /asked for no sign of life/, () => {
  return spoil(Connection.prototype, "poll", (poll) =>
    function (this: Connection, out, now) {
      const { session } = this;
      const isSilent = session !== undefined && now - session.lastReceivedAt > 800;
      return isSilent ? 0 : poll.call(this, out, now);
    });
});

finds("a session that is ended by nobody", /nobody closed it/, () => {
  const isDue = at(800);
  return spoil(Connection.prototype, "onData", (take) =>
    function (this: Connection, packet, from, now) {
      take.call(this, packet, from, now);
      if (isDue()) this.session?.close(1, "for no reason", now);
    });
});

finds("a session that is left", /after everything was closed: connections left/, () => {
  return spoil(Endpoint.prototype, "closeAll", () => function () {});
});

Deno.test("worlds: a link that forges packets is no danger", () => {
  const bad: LinkOptions = { corrupt: 0.5, delay: 5 };
  runWorld(2, { prepare: (world: World) => void Object.assign(world.network.defaults, bad) });
});
