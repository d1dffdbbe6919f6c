/** Streams of a session through Web Streams: bytes, back-pressure, every way to end. */
import assert from "node:assert/strict";
import {
  InvalidArgumentError,
  NodeClosedError,
  SessionClosedError,
  StreamResetError,
} from "../../src/errors.ts";
import { ErrorCode, type MeshStream, type Session } from "../../src/mesh/mod.ts";
import {
  bytesOf,
  closeAll,
  connectedPair,
  loopback as permissions,
  startNode,
  targetOf,
  until,
} from "./nodes.ts";

/** Opens a stream at one end and gives both ends of it. */
async function openPair(from: Session, to: Session): Promise<[MeshStream, MeshStream]> {
  const opened = await from.openStream();
  const { value } = await to.streams().next();
  return [opened, value];
}

function patternBytes(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + seed) % 251);
}

/** A source of `count` pieces of `size` bytes that counts what was taken. */
function countingSource(
  count: number,
  size: number,
): { stream: ReadableStream<Uint8Array>; taken: () => number } {
  let taken = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (taken++ === count) controller.close();
      else controller.enqueue(new Uint8Array(size).fill(taken));
    },
  }, { highWaterMark: 0 });
  return { stream, taken: () => taken };
}

Deno.test("stream: pipeTo both ways at once, many streams, either side opens", { permissions }, async () => {
  await using pair = await connectedPair();
  const { session, accepted } = pair;
  const echoing = [session, accepted].map(async (end) => {
    let count = 0;
    const echoes: Promise<void>[] = [];
    for await (const stream of end.streams()) {
      echoes.push(stream.readable.pipeTo(stream.writable));
      if (++count === 8) break;
    }
    await Promise.all(echoes);
  });
  await Promise.all([session, accepted].flatMap((end) =>
    Array.from({ length: 8 }, async (_, i) => {
      const stream = await end.openStream({ priority: i % 8, weight: 1 + i });
      const sent = patternBytes(200_000 + i, i);
      const writing = new Blob([sent as BlobPart]).stream().pipeTo(stream.writable);
      assert.deepEqual(await bytesOf(stream.readable), sent);
      await writing;
    })
  ));
  await Promise.all(echoing);
  assert.equal(session.metrics().streams, 0);
  assert.equal(accepted.metrics().streams, 0);
});

Deno.test(
  "stream: a reader that stops reading stops the writer of that stream only",
  { permissions },
  async () => {
    await using pair = await connectedPair();
    const [slow, slowEnd] = await openPair(pair.session, pair.accepted);
    const source = countingSource(100, 256 * 1024);
    const piping = source.stream.pipeTo(slow.writable);
    // Credit of one stream and the send buffer: a few megabytes are taken, then nothing more.
    let before = -1;
    while (before !== source.taken()) {
      before = source.taken();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert(before < 20, `${before} pieces taken`);
    const [quick, quickEnd] = await openPair(pair.session, pair.accepted);
    const sent = patternBytes(3_000_000, 3);
    const writing = new Blob([sent as BlobPart]).stream().pipeTo(quick.writable);
    assert.deepEqual(await bytesOf(quickEnd.readable), sent);
    await writing;
    assert.equal(source.taken(), before);
    const rest = await bytesOf(slowEnd.readable);
    assert.equal(rest.length, 100 * 256 * 1024);
    await piping;
  },
);

Deno.test("stream: an array may be reused once its write resolved", { permissions }, async () => {
  await using pair = await connectedPair();
  const [near, far] = await openPair(pair.session, pair.accepted);
  const writer = near.writable.getWriter();
  const reading = bytesOf(far.readable);
  const array = new Uint8Array(1000);
  for (let i = 0; i < 10; i++) await writer.write(array.fill(i));
  array.fill(99);
  await writer.close();
  const got = await reading;
  assert.deepEqual(Array.from({ length: 10 }, (_, i) => got[i * 1000]), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

Deno.test("stream: cancelling the reader stops the peer's writer", { permissions }, async () => {
  await using pair = await connectedPair();
  const [near, far] = await openPair(pair.session, pair.accepted);
  const writer = near.writable.getWriter();
  await writer.write(new Uint8Array(10));
  await far.readable.cancel();
  // The writer does nothing meanwhile: it is told all the same.
  await assert.rejects(writer.closed, (error: StreamResetError) => {
    assert(error instanceof StreamResetError);
    assert.equal(error.code, ErrorCode.CANCELLED);
    assert.equal(error.remote, true);
    return true;
  });
  await assert.rejects(writer.write(new Uint8Array(1)), StreamResetError);
});

Deno.test("stream: aborting the writer fails the peer's reader", { permissions }, async () => {
  await using pair = await connectedPair();
  const [near, far] = await openPair(pair.session, pair.accepted);
  const writer = near.writable.getWriter();
  await writer.write(new Uint8Array(10));
  const reader = far.readable.getReader();
  assert.equal((await reader.read()).value!.length, 10);
  const next = reader.read();
  await writer.abort();
  await assert.rejects(next, StreamResetError);
});

Deno.test("stream: a failing source aborts the pipe at the other end", { permissions }, async () => {
  await using pair = await connectedPair();
  const [near, far] = await openPair(pair.session, pair.accepted);
  const source = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new Uint8Array(100));
    },
    pull(controller) {
      controller.error(new Error("disk gone"));
    },
  });
  const reading = bytesOf(far.readable);
  await Promise.all([
    assert.rejects(source.pipeTo(near.writable), /disk gone/),
    assert.rejects(reading, StreamResetError),
  ]);
});

Deno.test("stream: pipeTo ends with its signal", { permissions }, async () => {
  await using pair = await connectedPair();
  const [near, far] = await openPair(pair.session, pair.accepted);
  const controller = new AbortController();
  const idle = new ReadableStream<Uint8Array>({ start: (c) => c.enqueue(new Uint8Array(5)) });
  const piping = idle.pipeTo(near.writable, { signal: controller.signal });
  const reader = far.readable.getReader();
  await reader.read();
  controller.abort(new Error("enough"));
  await Promise.all([assert.rejects(piping, /enough/), assert.rejects(reader.read(), StreamResetError)]);
});

Deno.test("stream: abort gives up both directions on both ends", { permissions }, async () => {
  await using pair = await connectedPair();
  const [near, far] = await openPair(pair.session, pair.accepted);
  const [mine, theirs] = [near.readable.getReader().read(), far.readable.getReader().read()];
  const [myWriter, theirWriter] = [near.writable.getWriter(), far.writable.getWriter()];
  near.abort(0x4242);
  for (const wait of [mine, myWriter.closed, theirs, theirWriter.closed]) {
    await assert.rejects(wait, (error: StreamResetError) => {
      assert(error instanceof StreamResetError);
      assert.equal(error.code, 0x4242);
      return true;
    });
  }
  await until(() => pair.session.metrics().streams === 0 && pair.accepted.metrics().streams === 0);
});

Deno.test("stream: bytes that arrived before the end are read after it", { permissions }, async () => {
  await using pair = await connectedPair();
  const [near, far] = await openPair(pair.session, pair.accepted);
  const writer = near.writable.getWriter();
  await writer.write(patternBytes(100_000, 1));
  await writer.close();
  assert.deepEqual(await bytesOf(far.readable), patternBytes(100_000, 1));
});

Deno.test("stream: the end of the session ends every wait on it", { permissions }, async () => {
  await using pair = await connectedPair();
  const [near, far] = await openPair(pair.session, pair.accepted);
  const waits = [
    near.readable.getReader().read(),
    far.readable.getReader().read(),
    near.writable.getWriter().closed,
    far.writable.getWriter().closed,
  ];
  const noMore = [pair.session.streams().next(), pair.accepted.streams().next()];
  await pair.session.close(7, "over");
  for (const wait of waits) {
    await assert.rejects(wait, (error: SessionClosedError) => {
      assert(error instanceof SessionClosedError);
      assert.equal(error.code, 7);
      return true;
    });
  }
  for (const wait of noMore) assert.equal((await wait).done, true);
  await assert.rejects(pair.session.openStream(), SessionClosedError);
  await assert.rejects(pair.accepted.openStream(), SessionClosedError);
});

Deno.test("serve: takes the streams of its protocol from every session", { permissions }, async () => {
  const server = await startNode();
  const seen: [number, string][] = [];
  const echoes: Promise<void>[] = [];
  const unserve = server.serve(0x77, (stream, session) => {
    seen.push([stream.protocol, session.peerName]);
    echoes.push(stream.readable.pipeTo(stream.writable));
  });
  assert.throws(() => server.serve(0x77, () => {}), InvalidArgumentError);
  const clients = [await startNode(), await startNode()];
  for (const client of clients) {
    const session = await client.connect(targetOf(server));
    const stream = await session.openStream({ protocol: 0x77 });
    const writer = stream.writable.getWriter();
    await writer.write(new Uint8Array([1]));
    const closing = writer.close();
    assert.deepEqual(await bytesOf(stream.readable), new Uint8Array([1]));
    await closing;
  }
  assert.deepEqual(seen, clients.map((client) => [0x77, client.name]));
  unserve();
  const undoOther = server.serve(0x77, () => {});
  // Undoing twice does not undo what another has put there since.
  unserve();
  assert.throws(() => server.serve(0x77, () => {}), InvalidArgumentError);
  undoOther();
  await Promise.all(echoes);
  await closeAll(...clients, server);
});

Deno.test("serve: a protocol that nobody serves is refused", { permissions }, async () => {
  await using pair = await connectedPair();
  const stream = await pair.session.openStream({ protocol: 0x0e00 });
  await assert.rejects(stream.readable.getReader().read(), (error: StreamResetError) => {
    assert(error instanceof StreamResetError);
    assert.equal(error.code, ErrorCode.UNKNOWN_PROTOCOL);
    return true;
  });
  assert.equal(pair.session.isOpen, true);
  await until(() => pair.accepted.metrics().streams === 0);
});

Deno.test("serve: a handler that throws loses its stream and nothing else", { permissions }, async () => {
  await using pair = await connectedPair();
  pair.server.serve(0x78, () => {
    throw new Error("broken");
  });
  const [bad, good] = [await pair.session.openStream({ protocol: 0x78 }), await pair.session.openStream()];
  const writer = good.writable.getWriter();
  await writer.write(new Uint8Array([5]));
  const closing = writer.close();
  await assert.rejects(bad.readable.getReader().read(), (error: StreamResetError) => {
    assert.equal(error.code, ErrorCode.INTERNAL_ERROR);
    return true;
  });
  const { value } = await pair.accepted.streams().next();
  assert.deepEqual(await bytesOf(value.readable), new Uint8Array([5]));
  await closing;
  assert.equal(pair.server.metrics().counters.internal_errors, 0);
});

Deno.test("streams(): once its loop is left, streams are refused", { permissions }, async () => {
  await using pair = await connectedPair();
  const [first, second] = [await pair.session.openStream(), await pair.session.openStream()];
  await until(() => pair.accepted.metrics().streams === 2);
  for await (const stream of pair.accepted.streams()) {
    stream.abort();
    break;
  }
  const third = await pair.session.openStream();
  const codes = await Promise.all(
    [first, second, third].map((stream) =>
      stream.readable.getReader().read().then(() => undefined, (error: StreamResetError) => error.code)
    ),
  );
  assert.deepEqual(codes, [ErrorCode.CANCELLED, ErrorCode.UNKNOWN_PROTOCOL, ErrorCode.UNKNOWN_PROTOCOL]);
});

Deno.test("openStream: waits for the peer's limit, in order, under a signal", { permissions }, async () => {
  await using pair = await connectedPair({ transport: { maxStreams: 2 } });
  const { session, accepted } = pair;
  const open = [await openPair(session, accepted), await openPair(session, accepted)];
  const controller = new AbortController();
  const aborted = session.openStream({ signal: controller.signal });
  const third = session.openStream();
  const fourth = session.openStream();
  await assert.rejects(session.openStream({ signal: AbortSignal.abort(new Error("before")) }), /before/);
  controller.abort(new Error("meanwhile"));
  await assert.rejects(aborted, /meanwhile/);
  for (const [near, far] of open) {
    near.abort();
    far.abort();
  }
  assert((await third).id < (await fourth).id);
  const fifth = session.openStream();
  await session.close();
  await assert.rejects(fifth, SessionClosedError);
});

Deno.test("openStream: priority and weight out of range are refused", { permissions }, async () => {
  await using pair = await connectedPair();
  for (
    const options of [{ priority: -1 }, { priority: 8 }, { priority: 1.5 }, { weight: 0 }, { weight: 257 }]
  ) {
    await assert.rejects(pair.session.openStream(options), InvalidArgumentError);
  }
  assert.equal(pair.session.metrics().streams, 0);
});

Deno.test("close: waits for what is on its way", { permissions }, async () => {
  const server = await startNode();
  const client = await startNode();
  const incoming = server.incoming();
  const session = await client.connect(targetOf(server));
  const accepted = (await incoming.next()).value as Session;
  const [near, far] = await openPair(session, accepted);
  const sent = patternBytes(4_000_000, 5);
  const writing = new Blob([sent as BlobPart]).stream().pipeTo(near.writable);
  const reading = bytesOf(far.readable);
  await far.writable.close();
  const closing = client.close({ drainTimeout: Infinity });
  await assert.rejects(client.connect(targetOf(server), { fresh: true }), NodeClosedError);
  assert.deepEqual(await reading, sent);
  await writing;
  await near.readable.cancel();
  await Promise.all([closing, client.closed]);
  assert.equal((await accepted.closed).reason, "node closed");
  await server.close();
});

Deno.test("close: a signal or its time ends the wait for streams", { permissions }, async () => {
  const ways = [{ signal: AbortSignal.abort() }, { drainTimeout: 30 }, { drainTimeout: 0 }];
  for (const options of ways) {
    const pair = await connectedPair();
    const [near] = await openPair(pair.session, pair.accepted);
    const reading = near.readable.getReader().read();
    await Promise.all([pair.server.close(options), assert.rejects(reading, SessionClosedError)]);
    await closeAll(pair.client);
  }
});

Deno.test("close: a peer that comes back at once does not keep the node alive", { permissions }, async () => {
  const server = await startNode();
  const client = await startNode();
  const incoming = server.incoming();
  let session = await client.connect(targetOf(server));
  await incoming.next();
  const controller = new AbortController();
  const comingBack = (async () => {
    for (;;) {
      await session.closed;
      session = await client.connect(targetOf(server), { signal: controller.signal });
    }
  })();
  comingBack.catch(() => {});
  await server.close();
  controller.abort(new Error("test is over"));
  await assert.rejects(comingBack, /test is over/);
  assert.equal(server.metrics().counters.sessionsEstablished, 1);
  assert(server.metrics().counters.not_accepting > 0);
  await closeAll(client);
});

Deno.test("close: twice is once, closed tells, incoming ends", { permissions }, async () => {
  const node = await startNode();
  const incoming = node.incoming();
  const waiting = incoming.next();
  assert.equal(node.close(), node.close());
  await node.closed;
  assert.equal((await waiting).done, true);
  assert.equal((await node.incoming().next()).done, true);
  await assert.rejects(node.connect({ id: new Uint8Array(32), addresses: ["127.0.0.1:1"] }), NodeClosedError);
});

Deno.test("metrics: figures of the node and of each session", { permissions }, async () => {
  await using pair = await connectedPair();
  const [near, far] = await openPair(pair.session, pair.accepted);
  const writing = new Blob([new Uint8Array(2_000_000)]).stream().pipeTo(near.writable);
  await bytesOf(far.readable);
  await writing;
  const { driver, counters, sessions } = pair.client.metrics();
  assert.match(driver, /listenDatagram|node:dgram/);
  assert(counters.bytesSent > 2_000_000);
  assert(counters.datagramsSent > 0);
  assert.equal(counters.internal_errors, 0);
  assert.equal(sessions.length, 1);
  const [figures] = sessions;
  assert.equal(figures.peer, pair.server.name);
  assert(figures.smoothedRtt > 0 && figures.minRtt > 0 && figures.congestionWindow > 0);
  assert(figures.datagramSize >= 1200);
  assert.equal(figures.streams, 1);
  await closeAll(pair.client, pair.server);
  assert.deepEqual(pair.client.metrics().sessions, []);
  assert.equal(pair.client.metrics().counters.sessionsEnded, 1);
});

Deno.test("stream: a peer that wants no more is still heard", { permissions }, async () => {
  await using pair = await connectedPair();
  const [ours, theirs] = await openPair(pair.session, pair.accepted);
  const writer = ours.writable.getWriter();
  const refused = assert.rejects(writer.closed, StreamResetError);
  await theirs.readable.cancel();
  await refused;
  const answer = theirs.writable.getWriter();
  await answer.write(new Uint8Array([7, 8]));
  const closing = answer.close();
  assert.deepEqual(await bytesOf(ours.readable), new Uint8Array([7, 8]));
  await closing;
});
