import assert from "node:assert/strict";
import fc from "fast-check";
import { ProtocolError } from "../../src/errors.ts";
import { ReassemblyBudget } from "../../src/transport/reassembly_budget.ts";
import { ReceiveHalf } from "../../src/transport/receive_half.ts";
import { ReceiveWindow } from "../../src/transport/receive_window.ts";
import { concatBytes } from "../../src/wire/bytes.ts";
import { pattern } from "../sim/traffic.ts";

function make(credit = 1_000_000): { half: ReceiveHalf; budget: ReassemblyBudget } {
  const budget = new ReassemblyBudget();
  return { half: new ReceiveHalf(new ReceiveWindow(credit, credit), budget), budget };
}

function readAll(half: ReceiveHalf): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (let piece = half.read(); piece !== undefined; piece = half.read()) pieces.push(piece);
  return concatBytes(pieces);
}

Deno.test("receive half: random pieces, overlapping and repeated, come out once and in order", () => {
  const LENGTH = 6_000;
  const piece = fc.tuple(fc.nat(LENGTH), fc.oneof(fc.nat(20), fc.nat(2_000)), fc.boolean());
  const step = fc.oneof(piece, piece, fc.constant("read" as const));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.boolean(), (steps, finFirst) => {
      const { half, budget } = make();
      const have = new Uint8Array(LENGTH);
      let read = 0;
      let highest = 0;
      const take = (offset: number, end: number, copyOut: boolean) => {
        const data = pattern(3, offset, end - offset);
        const rise = half.receive(offset, data, end === LENGTH && finFirst, copyOut);
        assert.equal(rise, Math.max(0, end - highest));
        highest = Math.max(highest, end);
        have.fill(1, offset, end);
        // What is copied out does not see what becomes of the packet.
        half.settle();
        if (copyOut) data.fill(0xee);
      };
      for (const item of steps) {
        if (item === "read") {
          const bytes = readAll(half);
          assert.deepEqual(bytes, pattern(3, read, bytes.length));
          read += bytes.length;
        } else {
          const [offset, length, copyOut] = item;
          take(offset, Math.min(LENGTH, offset + length), copyOut);
        }
        let inOrder = have.indexOf(0);
        if (inOrder < 0) inOrder = LENGTH;
        assert.equal(half.readable, inOrder - read);
        assert.equal(half.highest, highest);
      }
      take(0, LENGTH, false);
      half.receive(LENGTH, new Uint8Array(), true, false);
      assert.deepEqual(readAll(half), pattern(3, read, LENGTH - read));
      assert.ok(half.ended);
      assert.deepEqual([budget.pieces, budget.bytes], [0, 0]);
    }),
    { numRuns: 300 },
  );
});

Deno.test("receive half: states with an end, read before or after it", () => {
  const { half } = make();
  half.receive(0, pattern(0, 0, 10), false, false);
  assert.equal(half.state, "recv");
  half.receive(20, pattern(0, 20, 5), true, false);
  assert.equal(half.state, "size_known");
  half.receive(10, pattern(0, 10, 10), false, false);
  assert.equal(half.state, "data_recvd");
  assert.equal(readAll(half).length, 25);
  assert.equal(half.state, "data_read");
  assert.equal(half.receive(0, pattern(0, 0, 25), true, false), 0);
  assert.equal(half.onReset(1, 25), 0, "late: changes nothing");
  assert.equal(half.state, "data_read");
});

Deno.test("receive half: a reset drops what waits", () => {
  const { half, budget } = make();
  half.receive(0, pattern(0, 0, 10), false, false);
  half.receive(50, pattern(0, 50, 10), false, false);
  assert.equal(half.onReset(9, 70), 10);
  assert.deepEqual([half.state, half.resetCode, half.readable], ["reset_recvd", 9, 0]);
  assert.equal(half.read(), undefined);
  assert.equal(budget.pieces, 0);
  assert.equal(half.takeUnreadCredit(), 70);
  assert.equal(half.takeUnreadCredit(), 0);
  half.onResetRead();
  assert.ok(half.terminal);
});

Deno.test("receive half: once stopped, what comes is only counted, and the end ends it", () => {
  const { half, budget } = make();
  half.receive(0, pattern(0, 0, 10), false, false);
  half.receive(50, pattern(0, 50, 10), false, false);
  assert.equal(half.stop(1), true);
  assert.equal(half.stop(2), false);
  assert.equal(budget.pieces, 0);
  assert.equal(half.takeUnreadCredit(), 60);
  assert.equal(half.receive(60, pattern(0, 60, 20), false, false), 20);
  assert.equal(half.takeUnreadCredit(), 20);
  assert.equal(half.readable, 0);
  half.receive(80, new Uint8Array(), true, false);
  assert.ok(half.terminal);
  assert.equal(half.stopPending, false, "no use to tell a peer that has ended");
});

Deno.test("receive half: credit and final size are enforced", () => {
  const breach = (...steps: ((half: ReceiveHalf) => void)[]) => {
    const { half } = make(100);
    const last = steps.pop()!;
    for (const step of steps) step(half);
    assert.throws(() => last(half), ProtocolError);
  };
  const data = (offset: number, length: number, fin = false) => (half: ReceiveHalf) =>
    half.receive(offset, new Uint8Array(length), fin, false);
  breach(data(99, 2));
  breach(data(0, 10, true), data(10, 1));
  breach(data(0, 10, true), data(0, 9, true));
  breach(data(50, 10), data(0, 10, true));
  breach(data(0, 10, true), (half) => half.onReset(0, 11));
  breach((half) => half.onReset(0, 101));
  const { half } = make(100);
  data(0, 100)(half);
  data(90, 10, true)(half);
});

Deno.test("receive half: a flood of tiny pieces in order costs their bytes, not an array each", () => {
  const { half } = make();
  const source = new Uint8Array(61_440);
  for (let i = 0; i < 100_000; i++) half.receive(i, source.subarray(i % 1000, i % 1000 + 1), false, true);
  let pieces = 0;
  let memory = 0;
  const blocks = new Set<ArrayBufferLike>();
  for (let piece = half.read(); piece !== undefined; piece = half.read()) {
    pieces++;
    memory += blocks.has(piece.buffer) ? 0 : piece.buffer.byteLength;
    blocks.add(piece.buffer);
  }
  assert.ok(pieces <= 40, `${pieces} pieces`);
  assert.ok(memory <= 115_000, `${memory} bytes held`);
});

Deno.test("receive half: a piece is lent while it arrives, and kept as a copy afterwards", () => {
  const { half } = make();
  const packet = new Uint8Array(40_000);
  packet.set(pattern(1, 0, 40_000));
  half.receive(0, packet, false, true);
  assert.equal(half.readView(), packet, "no copy for who reads at once");
  assert.equal(half.readable, 0);
  packet.set(pattern(1, 40_000, 40_000));
  half.receive(40_000, packet, false, true);
  half.settle();
  packet.set(pattern(1, 80_000, 40_000));
  half.receive(80_000, packet.subarray(0, 100), false, true);
  half.receive(80_100, packet.subarray(100), false, true);
  // Somebody else's read makes it the reader's own.
  const pieces = [half.readView()!, half.read()!, half.read()!];
  packet.fill(0);
  assert.deepEqual(concatBytes(pieces), pattern(1, 40_000, 80_000));
  // The end of the session comes in the middle of a packet.
  packet.set(pattern(1, 120_000, 40_000));
  half.receive(120_000, packet, true, true);
  half.abandon();
  packet.fill(0);
  assert.deepEqual(readAll(half), pattern(1, 120_000, 40_000));
  assert.ok(half.ended);
});

Deno.test("receive half: a block whose bytes were only lent is filled again, what was given away never is", () => {
  const { half } = make(10_000_000);
  const packet = new Uint8Array(1_000);
  let offset = 0;
  const receive = () => {
    packet.set(pattern(1, offset, packet.length));
    half.receive(offset, packet, false, true);
    half.settle();
    offset += packet.length;
  };
  for (let i = 0; i < 600; i++) receive();
  for (let piece = half.read(); piece !== undefined; piece = half.read());
  receive();
  const kept = half.read()!;
  const lent = new Set<ArrayBufferLike>();
  for (let count = 1; count <= 60; count++) {
    let at = offset;
    for (let i = 0; i < count; i++) receive();
    for (let view = half.readView(); view !== undefined; view = half.readView()) {
      lent.add(view.buffer);
      assert.deepEqual(view, pattern(1, at, view.length));
      at += view.length;
    }
    assert.equal(at, offset);
  }
  assert.deepEqual(kept, pattern(1, 600_000, 1_000));
  assert.ok(lent.size <= 4, `${lent.size} blocks`);
});

Deno.test("receive half: a lone short message costs what it is long", () => {
  const { half } = make();
  half.receive(0, new Uint8Array(61_440).subarray(7, 17), false, true);
  assert.equal(half.read()!.buffer.byteLength, 10);
});

Deno.test("receive half: tiny pieces out of order are refused once they are too many, whatever their order", () => {
  for (const order of ["up", "down", "adjacent"]) {
    const { half, budget } = make(2 ** 24);
    let taken = 0;
    for (let i = 0; i < 50_000; i++) {
      const offset = order === "up" ? 10 + 2 * i : order === "down" ? 200_000 - 2 * i : 10 + i;
      if (half.receive(offset, new Uint8Array(1), false, true) !== undefined) taken++;
    }
    assert.ok(taken >= 8_192 && taken < 8_400, `${taken} taken`);
    assert.equal(budget.pieces, taken);
    // The gap at the front is filled all the same.
    assert.notEqual(half.receive(0, new Uint8Array(11), false, true), undefined);
  }
});

Deno.test("receive half: a long run of pieces behind a gap is joined in time that does not grow with their number", () => {
  const { half } = make(2 ** 30);
  const data = new Uint8Array(1200);
  const count = 60_000;
  for (let i = 1; i < count; i++) half.receive(1200 * i, data, false, false);
  half.receive(0, data, false, false);
  let read = 0;
  for (let piece = half.read(); piece !== undefined; piece = half.read()) read += piece.length;
  assert.equal(read, 1200 * count);
});

Deno.test("receive half: an abandoned half still gives what is in order", () => {
  const { half, budget } = make();
  half.receive(0, pattern(0, 0, 10), false, false);
  half.receive(20, pattern(0, 20, 10), false, false);
  half.abandon();
  assert.deepEqual(half.read(), pattern(0, 0, 10));
  assert.equal(half.read(), undefined);
  assert.equal(half.ended, false);
  assert.equal(budget.pieces, 0);
});
