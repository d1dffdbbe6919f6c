/**
 * What every UDP driver does, whatever the runtime: the same tests for all of them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { SocketError } from "../../src/errors.ts";
import type { UdpAddress, UdpHandlers, UdpSocket } from "../../src/runtime/udp.ts";

/** Binds a socket. */
export type Bind = (hostname: string, port: number) => Promise<UdpSocket>;

/** Collects what a socket is told. */
export class Collector implements UdpHandlers {
  readonly datagrams: { bytes: Uint8Array; from: UdpAddress }[] = [];
  readonly failures: Error[] = [];
  readonly tooBig: { length: number; to: UdpAddress }[] = [];
  drains = 0;
  /** Datagrams that no end of a batch followed yet. */
  unanswered = 0;
  batches = 0;
  #wake: (() => void) | undefined;

  onDatagram(datagram: Uint8Array, from: UdpAddress): void {
    this.datagrams.push({ bytes: datagram.slice(), from });
    this.unanswered++;
    // The bytes are this call's only: whoever looks later finds something else.
    datagram.fill(0xdd);
    this.#wake?.();
  }
  onBatchEnd(): void {
    this.unanswered = 0;
    this.batches++;
    this.#wake?.();
  }
  onDrain(): void {
    this.drains++;
    this.#wake?.();
  }
  onTooBig(length: number, to: UdpAddress): void {
    this.tooBig.push({ length, to });
    this.#wake?.();
  }
  onFailure(error: Error): void {
    this.failures.push(error);
    this.#wake?.();
  }
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#wake = resolve);
  }
}

/** Two sockets and what they were told. */
interface Pair extends AsyncDisposable {
  readonly a: UdpSocket;
  readonly b: UdpSocket;
  readonly atA: Collector;
  readonly atB: Collector;
}

async function pair(bind: Bind, host = "127.0.0.1"): Promise<Pair> {
  const [a, b] = [await bind(host, 0), await bind(host, 0)];
  const [atA, atB] = [new Collector(), new Collector()];
  a.start(atA);
  b.start(atB);
  const close = async () => {
    await Promise.all([a.close(), b.close()]);
    assert.deepEqual([...atA.failures, ...atB.failures], []);
  };
  return { a, b, atA, atB, [Symbol.asyncDispose]: close };
}

/** Puts a datagram on its way, after room for it was waited for. Without a flush. */
async function put(socket: UdpSocket, told: Collector, bytes: Uint8Array, to: UdpAddress): Promise<void> {
  let buffer = socket.acquire();
  while (buffer === undefined) {
    const { drains } = told;
    await told.until(() => told.drains > drains);
    buffer = socket.acquire();
  }
  buffer.set(bytes);
  socket.send(buffer, bytes.length, to);
}

/** A datagram that tells its number in the first four bytes. */
function numbered(number: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size).fill(number % 251);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

const numbersOf = ({ datagrams }: Collector): number[] =>
  datagrams.map(({ bytes }) => new DataView(bytes.buffer).getUint32(0));

/** Registers the tests of a driver. */
export function udpSocketTests(name: string, bind: Bind, permissions: Deno.PermissionOptions): void {
  const test = (what: string, body: () => Promise<void>) =>
    Deno.test(`udp, ${name}: ${what}`, { permissions }, body);

  for (const [host, most] of [["127.0.0.1", 65_507], ["::1", 65_487]] as const) {
    test(`datagrams of every size reach ${host}`, async () => {
      await using sockets = await pair(bind, host);
      const { a, b, atA, atB } = sockets;
      assert.equal(a.driver, name);
      assert.equal(a.address.hostname, host);
      assert(a.address.port > 0);
      assert(a.receiveBuffer >= 128 * 1024);
      for (const size of [1, 1200, 1452, 16_384, 61_440, most]) {
        await put(a, atA, new Uint8Array(size).fill(size % 251), b.address);
        a.flush();
        await atB.until(() => atB.datagrams.length > 0 && atB.unanswered === 0);
        const { bytes, from } = atB.datagrams.pop()!;
        assert.deepEqual(bytes, new Uint8Array(size).fill(size % 251));
        assert.deepEqual({ hostname: from.hostname, port: from.port }, {
          hostname: host,
          port: a.address.port,
        });
        await put(b, atB, bytes.subarray(0, 1), from);
        b.flush();
        await atA.until(() => atA.datagrams.length > 0);
        atA.datagrams.pop();
      }
    });
  }

  test("what arrives before the start is kept for it", async () => {
    await using sockets = await pair(bind);
    const { a, b, atA, atB } = sockets;
    const late = await bind("127.0.0.1", 0);
    await put(a, atA, numbered(7, 1200), late.address);
    await put(a, atA, numbered(8, 1200), late.address);
    await put(a, atA, numbered(9, 1200), b.address);
    a.flush();
    // By then the others are there, too.
    await atB.until(() => atB.datagrams.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 0));
    const atLate = new Collector();
    late.start(atLate);
    await atLate.until(() => atLate.datagrams.length === 2 && atLate.unanswered === 0);
    assert.deepEqual(numbersOf(atLate), [7, 8]);
    await late.close();
    assert.deepEqual(atLate.failures, []);
  });

  test("many datagrams at once arrive whole, in order, each at its own", async () => {
    await using sockets = await pair(bind);
    const { a, b, atA, atB } = sockets;
    const other = await bind("127.0.0.1", 0);
    const atOther = new Collector();
    other.start(atOther);
    const sizes = [1200, 1200, 1200, 700, 1200, 5, 5, 5, 1452, 1452, 4, 1400];
    const expected: number[] = [];
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < sizes.length; i++) {
        const number = round * sizes.length + i;
        if (i === 6) await put(a, atA, numbered(number, sizes[i]), other.address);
        else {
          expected.push(number);
          await put(a, atA, numbered(number, sizes[i]), b.address);
        }
      }
      a.flush();
      // No more at once than any system's queue holds.
      await atB.until(() => atB.datagrams.length === expected.length);
    }
    await atOther.until(() => atOther.datagrams.length === 20);
    assert.deepEqual(numbersOf(atB), expected);
    for (const { bytes } of [...atB.datagrams, ...atOther.datagrams]) {
      const number = new DataView(bytes.buffer).getUint32(0);
      assert.deepEqual(bytes, numbered(number, sizes[number % sizes.length]));
    }
    await other.close();
  });

  test("a buffer that is given back is there again", async () => {
    await using sockets = await pair(bind);
    const { a, b, atB } = sockets;
    for (let i = 0; i < 1000; i++) {
      const buffer = a.acquire()!;
      assert(buffer.length >= 65_507);
      a.release(buffer);
    }
    const buffer = a.acquire()!;
    buffer[0] = 42;
    a.send(buffer, 1, b.address);
    a.flush();
    await atB.until(() => atB.datagrams.length === 1);
    assert.deepEqual([...atB.datagrams[0].bytes], [42]);
  });

  test("a burst larger than the queue loses datagrams, never their order nor the socket", async () => {
    await using sockets = await pair(bind);
    const { a, b, atA, atB } = sockets;
    const count = Math.ceil(4 * a.receiveBuffer / 16_384);
    for (let number = 0; number < count; number++) {
      await put(a, atA, numbered(number, 16_384), b.address);
    }
    a.flush();
    await atB.until(() => atB.datagrams.length > 0);
    // A last word, again until it comes through: then everything before it has arrived or never will.
    while (!numbersOf(atB).includes(count)) {
      await put(a, atA, numbered(count, 4), b.address);
      a.flush();
      const { batches } = atB;
      await atB.until(() => atB.batches > batches);
    }
    const numbers = numbersOf(atB).filter((number) => number < count);
    assert.deepEqual(numbers, [...new Set(numbers)].sort((x, y) => x - y));
    for (const { bytes } of atB.datagrams) {
      const number = new DataView(bytes.buffer).getUint32(0);
      assert.deepEqual(bytes, numbered(number, number === count ? 4 : 16_384));
    }
  });

  test("a peer that is not there is no failure", async () => {
    await using sockets = await pair(bind);
    const { a, b, atA, atB } = sockets;
    const gone = await bind("127.0.0.1", 0);
    const { address } = gone;
    await gone.close();
    for (let i = 0; i < 5; i++) {
      await put(a, atA, new Uint8Array(10), address);
      a.flush();
    }
    await put(b, atB, new Uint8Array([1]), a.address);
    b.flush();
    await atA.until(() => atA.datagrams.length === 1);
  });

  test("a datagram too big for the path is told, those around it arrive", async () => {
    await using sockets = await pair(bind);
    const { a, b, atA, atB } = sockets;
    await put(a, atA, numbered(1, 1000), b.address);
    const buffer = a.acquire()!;
    a.send(buffer, 65_520, b.address);
    await put(a, atA, numbered(2, 1000), b.address);
    a.flush();
    await atA.until(() => atA.tooBig.length === 1);
    assert.equal(atA.tooBig[0].length, 65_520);
    assert.equal(atA.tooBig[0].to.port, b.address.port);
    await atB.until(() => atB.datagrams.length === 2);
    assert.deepEqual(numbersOf(atB), [1, 2]);
  });

  test("what was sent before close still leaves; close twice is once", async () => {
    const [a, b] = [await bind("127.0.0.1", 0), await bind("127.0.0.1", 0)];
    const [atA, atB] = [new Collector(), new Collector()];
    a.start(atA);
    b.start(atB);
    for (let i = 0; i < 10; i++) await put(a, atA, numbered(i, 8), b.address);
    await Promise.all([a.close(), a.close()]);
    await atB.until(() => atB.datagrams.length === 10);
    await b.close();
    assert.deepEqual(numbersOf(atB), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.deepEqual([...atA.failures, ...atB.failures], []);
  });

  test("closing ends a wait for datagrams and frees the address", async () => {
    const socket = await bind("127.0.0.1", 0);
    const told = new Collector();
    socket.start(told);
    const { port } = socket.address;
    await assert.rejects(bind("127.0.0.1", port), (error: SocketError) => {
      assert(error instanceof SocketError);
      assert.match(
        error.message,
        new RegExp(`^Bind UDP socket at 127.0.0.1:${port}: .*(in use|EADDRINUSE)`, "i"),
      );
      return true;
    });
    await socket.close();
    const again = await bind("127.0.0.1", port);
    assert.equal(again.address.port, port);
    again.start(new Collector());
    await again.close();
    assert.deepEqual(told.failures, []);
  });
}
