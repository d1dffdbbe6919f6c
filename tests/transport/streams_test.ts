/** Streams between two endpoints on the simulated network: flow control, limits, resets, sending order. */

import assert from "node:assert/strict";
import { StreamResetError } from "../../src/errors.ts";
import type { Stream } from "../../src/transport/stream.ts";
import { SimNetwork, withSeeds } from "../sim/network.ts";
import type { SimNodeOptions } from "../sim/node.ts";
import { open, pattern, Reader, Writer } from "../sim/traffic.ts";

const MIB = 2 ** 20;

function connected(server: SimNodeOptions = {}, client: SimNodeOptions = {}, defaults = {}, seed = 1) {
  const network = new SimNetwork(seed, defaults);
  const a = network.node(client);
  const b = network.node(server);
  const connection = a.establish(b);
  return { network, client: a, server: b, connection, remote: b.sessionWith(a)! };
}

// --- flow control ---

Deno.test("flow control: a reader that stops stops its sender and nothing else", () => {
  const { network, server, connection } = connected();
  const stalled = new Writer(open(connection), 8 * MIB, 1);
  network.runUntil(() => server.streams.length === 1);
  const sleeper = new Reader(server.streams[0], 1, true);
  network.run(2_000);
  assert.equal(stalled.stream.sending.sentOffset, MIB, "exactly the stream's window was sent");
  const before = stalled.written;
  for (let i = 0; i < 3; i++) {
    const other = new Writer(open(connection), 3 * MIB, 2);
    network.runUntil(() => server.streams.length === 2 + i);
    const reader = new Reader(server.streams[1 + i], 2);
    network.runUntil(() => other.isDone && reader.isDone, 10_000);
  }
  assert.equal(stalled.written, before);
  sleeper.resume();
  network.runUntil(() => stalled.isDone, 60_000);
  assert.equal(sleeper.read, 8 * MIB);
});

Deno.test("flow control: a slow reader loses nothing, whatever credit frames are lost", () => {
  withSeeds(10, (network) => {
    const server = network.node({
      transport: { streamWindow: 20_000, maxStreamWindow: 20_000, connectionWindow: 70_000 },
    });
    const client = network.node();
    const connection = client.establish(server);
    const writers = [1, 2, 3, 4].map((salt) => new Writer(open(connection), 150_000, salt));
    network.runUntil(() => server.streams.length === 4);
    const readers = server.streams.map((stream) => new Reader(stream, stream.id / 4 + 1, true));
    for (let i = 0; !writers.every(({ isDone }) => isDone); i++) {
      assert.ok(i < 20_000);
      const reader = readers[i % 4];
      reader.resume();
      reader.pause();
      network.run(5);
    }
    for (const reader of readers) {
      reader.resume();
      assert.equal(reader.read, 150_000);
    }
  }, { loss: 0.1, delay: 5 });
});

Deno.test("flow control: streams together stay within the connection's window", () => {
  const { network, server, connection } = connected({ transport: { connectionWindow: 300_000 } });
  const writers = [1, 2, 3].map((salt) => new Writer(open(connection), 200_000, salt));
  network.run(3_000);
  const sent = writers.reduce((sum, { stream }) => sum + stream.sending.sentOffset, 0);
  assert.equal(sent, 300_000);
  for (const stream of server.streams) new Reader(stream, stream.id / 4 + 1);
  network.runUntil(() => writers.every(({ isDone }) => isDone));
});

Deno.test("flow control: what nobody will read is credited, so that others are not starved", () => {
  const { network, server, connection } = connected({ transport: { connectionWindow: 100_000 } });
  // Each leaves half a window unread: given up by the writer, or by the reader.
  for (let i = 0; i < 20; i++) {
    const stream = open(connection);
    stream.write(pattern(0, 0, 50_000));
    network.runUntil(() => server.streams.length === i + 1);
    network.run(200);
    const remote = server.streams[i];
    assert.ok(remote.receiving.readable > 40_000);
    if (i % 2 === 0) stream.reset(1);
    else remote.stop(2);
    remote.finish();
    stream.stop(0);
    network.run(200);
  }
  assert.equal(connection.session!.streams.size, 0);
  const writer = new Writer(open(connection), MIB);
  network.runUntil(() => server.streams.length === 21);
  new Reader(server.streams[20]);
  network.runUntil(() => writer.isDone, 20_000);
});

Deno.test("flow control: windows grow when the path and the reader can use it, up to the maximum", () => {
  const transport = { streamWindow: 64 * 1024, connectionWindow: 128 * 1024, maxStreamWindow: MIB };
  const goodput = (maxConnectionWindow: number) => {
    const { network, server, connection } = connected(
      { transport: { ...transport, maxConnectionWindow } },
      {},
      {
        delay: 50,
      },
    );
    const writer = new Writer(open(connection), 6 * MIB);
    network.runUntil(() => server.streams.length === 1);
    const reader = new Reader(server.streams[0]);
    const begin = network.now;
    network.runUntil(() => writer.isDone);
    const { limit, consumed } = reader.stream.receiving.window;
    assert.ok(limit - consumed <= MIB);
    return 6 * MIB / (network.now - begin);
  };
  const grown = goodput(8 * MIB);
  const small = goodput(128 * 1024);
  assert.ok(grown > 3 * small, `${grown} and ${small} bytes per ms`);
});

Deno.test("flow control: a window does not grow for a reader that is slow", () => {
  const { network, server, connection } = connected();
  const writer = new Writer(open(connection), 4 * MIB);
  network.runUntil(() => server.streams.length === 1);
  const reader = new Reader(server.streams[0], 0, true);
  while (!writer.isDone) {
    network.run(400);
    reader.resume();
    reader.pause();
  }
  const { limit, consumed } = reader.stream.receiving.window;
  assert.ok(limit - consumed <= MIB);
});

// --- stream limits ---

Deno.test("stream limit: opens up to it, goes on when streams are done", () => {
  const { network, server, connection } = connected({ transport: { maxStreams: 3 } });
  const { streams } = connection.session!;
  let credits = 0;
  streams.onStreamCredit = () => credits++;
  const mine: Stream[] = [];
  for (let i = 0; i < 3; i++) mine.push(open(connection));
  assert.equal(streams.canOpen, false);
  network.run(1_000);
  assert.equal(server.streams.length, 3);
  assert.equal(credits, 0);
  mine[1].finish();
  server.streams[1].finish();
  network.runUntil(() => streams.canOpen, 2_000);
  assert.equal(credits, 1);
  open(connection);
  assert.equal(streams.canOpen, false);
});

Deno.test("stream limit: thousands of streams one after the other, with loss, none is left", () => {
  withSeeds(3, (network) => {
    const server = network.node({
      transport: { maxStreams: 8 },
      onStream: (stream) => {
        const reader = new Reader(stream);
        stream.onReadable = () => {
          while (stream.read() !== undefined);
          if (reader.isDone) stream.finish();
        };
        stream.onReadable();
      },
    });
    const client = network.node();
    const connection = client.establish(server);
    const { streams } = connection.session!;
    let done = 0;
    for (let opened = 0; opened < 1_000; opened++) {
      network.runUntil(() => streams.canOpen);
      const stream = open(connection);
      stream.write(pattern(0, 0, 100));
      stream.finish();
      stream.onReadable = () => {
        if (stream.ended) done++;
      };
    }
    network.runUntil(() => done >= 1_000 && streams.size === 0);
    network.run(1_000);
    assert.equal(server.sessionWith(client)!.session!.streams.size, 0);
  }, { loss: 0.05, delay: 1 });
});

// --- ends and resets ---

Deno.test("fin: an empty stream, one direction after the other", () => {
  const { network, server, connection, remote } = connected();
  const stream = open(connection);
  stream.finish();
  network.runUntil(() => server.streams.length === 1);
  const taken = server.streams[0];
  assert.equal(taken.read(), undefined);
  assert.ok(taken.ended);
  assert.equal(connection.session!.streams.size, 1);
  taken.write(pattern(1, 0, 10));
  taken.finish();
  network.runUntil(() => stream.receiving.readable === 10);
  assert.ok(!stream.ended);
  assert.deepEqual(stream.read(), pattern(1, 0, 10));
  assert.ok(stream.ended);
  network.run(1_000);
  assert.equal(connection.session!.streams.size, 0);
  assert.equal(remote.session!.streams.size, 0);
});

Deno.test("reset: the peer's reader is told the code, whatever is lost", () => {
  withSeeds(20, (network) => {
    const server = network.node();
    const client = network.node();
    const stream = open(client.establish(server));
    stream.write(pattern(0, 0, 200_000));
    network.runUntil(() => server.streams.length === 1);
    network.run(network.seed * 5);
    stream.abort(77);
    const remote = server.streams[0];
    network.runUntil(() => remote.readError !== undefined);
    assert.ok(remote.readError instanceof StreamResetError);
    assert.deepEqual([remote.readError.code, remote.readError.remote], [77, true]);
    network.runUntil(() => remote.writeError !== undefined);
    network.runUntil(() => client.endpoint.openStreams === 0 && server.endpoint.openStreams === 0, 20_000);
  }, { loss: 0.15 });
});

Deno.test("stop: the sender is told the code and sends no more", () => {
  withSeeds(20, (network) => {
    const server = network.node();
    const client = network.node();
    const writer = new Writer(open(client.establish(server)), 50 * MIB);
    network.runUntil(() => server.streams.length === 1);
    network.run(100);
    server.streams[0].stop(5);
    network.runUntil(() => writer.stream.writeError !== undefined);
    assert.equal((writer.stream.writeError as StreamResetError).code, 5);
    assert.equal(writer.stream.sending.buffered, 0, "what waited is let go");
    // The other direction goes on.
    server.streams[0].write(pattern(9, 0, 1000));
    server.streams[0].finish();
    const reader = new Reader(writer.stream, 9);
    network.runUntil(() => reader.isDone);
    network.run(2_000);
    assert.equal(client.sessionWith(server)!.session!.streams.size, 0);
    assert.equal(server.sessionWith(client)!.session!.streams.size, 0);
  }, { loss: 0.1 });
});

Deno.test("reset before anything was sent leaves nothing on either side", () => {
  const { network, client, server, connection } = connected();
  for (let i = 0; i < 10; i++) open(connection).abort(1);
  network.run(2_000);
  assert.equal(connection.session!.streams.size, 0);
  assert.equal(server.sessionWith(client)!.session!.streams.size, 0);
});

// --- sending order ---

/** How many bytes each of some streams got through in a time, all of them always having more to send. */
function shares(headers: { priority?: number; weight?: number }[], milliseconds = 3_000): number[] {
  const { network, server, connection } = connected(
    { transport: { streamWindow: 64 * MIB, maxStreamWindow: 64 * MIB, connectionWindow: 512 * MIB } },
    {},
    {
      delay: 5,
      bandwidth: 1_000,
      queue: 50_000,
    },
  );
  const writers = headers.map((header) => new Writer(open(connection, header), 64 * MIB));
  network.runUntil(() => server.streams.length === headers.length);
  network.run(500);
  const before = writers.map(({ stream }) => stream.sending.sentOffset);
  network.run(milliseconds);
  return writers.map(({ stream }, i) => stream.sending.sentOffset - before[i]);
}

Deno.test("sending order: streams of one priority share by weight", () => {
  const [light, usual, heavy] = shares([{ weight: 4 }, { weight: 16 }, { weight: 64 }]);
  assert.ok(Math.abs(usual / light - 4) < 0.6, `${usual} to ${light}`);
  assert.ok(Math.abs(heavy / usual - 4) < 0.6, `${heavy} to ${usual}`);
});

Deno.test("sending order: a higher priority goes first, a lower one keeps a sixteenth", () => {
  const [low, high, lowest] = shares([{ priority: 3 }, { priority: 0 }, { priority: 7 }], 6_000);
  const share = (low + lowest) / (high + low + lowest);
  assert.ok(share > 0.05 && share < 0.075, `${share} of the link for lower priorities`);
  assert.ok(low > 0 && lowest > 0);
});

Deno.test("sending order: a short urgent stream is not held up by bulk", () => {
  const { network, server, connection } = connected({}, {}, { delay: 5, bandwidth: 1_000, queue: 30_000 });
  new Writer(open(connection, { priority: 5 }), 4 * MIB);
  network.runUntil(() => server.streams.length === 1);
  new Reader(server.streams[0]);
  network.run(500);
  const urgent = new Writer(open(connection, { priority: 0 }), 2_000, 3);
  const begin = network.now;
  network.runUntil(() => server.streams.length === 2);
  const reader = new Reader(server.streams[1], 3);
  network.runUntil(() => reader.isDone && urgent.isDone);
  assert.ok(network.now - begin < 100, `${network.now - begin} ms`);
});
