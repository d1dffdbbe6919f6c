import assert from "node:assert/strict";
import fc from "fast-check";
import { SEND_BUFFER } from "../../src/transport/config.ts";
import { SendHalf, type SendSlice } from "../../src/transport/send_half.ts";
import { pattern } from "../sim/traffic.ts";

const INFINITE = Number.MAX_SAFE_INTEGER;

/** A peer's view: what has arrived. */
class Peer {
  readonly bytes = new Uint8Array(4096);
  readonly seen = new Set<number>();
  size: number | undefined;

  take({ offset, length, fin }: SendSlice, bytes: Uint8Array): void {
    this.bytes.set(bytes, offset);
    for (let i = 0; i < length; i++) this.seen.add(offset + i);
    if (fin) {
      assert.ok(this.size === undefined || this.size === offset + length);
      this.size = offset + length;
    }
  }
}

Deno.test("send half: under random writes, losses and acknowledgements every byte arrives, none beyond credit", () => {
  const step = fc.tuple(fc.constantFrom("write", "send", "ack", "lose", "credit", "repeat"), fc.nat(40));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      let credit = 20;
      const half = new SendHalf(credit);
      const peer = new Peer();
      const flying: (SendSlice & { bytes: Uint8Array })[] = [];
      let written = 0;
      const send = (room: number) => {
        const slice = half.hasPending(INFINITE) ? half.next(room, INFINITE) : undefined;
        if (slice === undefined) return;
        assert.ok(slice.length <= room && slice.offset + slice.length <= Math.min(credit, written));
        const bytes = new Uint8Array(slice.length);
        half.copy(slice.offset, slice.length, bytes, 0);
        half.onSent(slice);
        flying.push({ ...slice, bytes });
      };
      const ack = (n: number) => {
        const [slice] = flying.splice(n % flying.length, 1);
        peer.take(slice, slice.bytes);
        half.onAcked(slice.offset, slice.length, slice.fin);
      };
      for (const [what, n] of steps) {
        if (what === "write") half.write(pattern(1, written, n)), written += n;
        else if (what === "send") send(n);
        else if (what === "credit") half.onMaxStreamData(credit += n);
        else if (flying.length === 0) continue;
        else if (what === "ack") ack(n);
        else if (what === "lose") {
          const [slice] = flying.splice(n % flying.length, 1);
          half.onLost(slice.offset, slice.length, slice.fin);
        } else {
          // A probe repeats what is still in flight.
          const slice = flying[n % flying.length];
          half.onLost(slice.offset, slice.length, slice.fin);
        }
        assert.equal(half.writable, written - half.sentOffset < SEND_BUFFER);
      }
      half.finish();
      half.onMaxStreamData(credit = Math.max(credit, written));
      while (half.state !== "data_recvd") {
        if (half.hasPending(INFINITE)) send(17);
        else ack(0);
      }
      assert.equal(peer.size, written);
      assert.deepEqual(peer.bytes.subarray(0, written), pattern(1, 0, written));
      assert.equal(peer.seen.size, written);
      assert.equal(half.buffered, 0);
      assert.equal(half.hasPending(INFINITE), false);
    }),
    { numRuns: 400 },
  );
});

Deno.test("send half: connection credit bounds fresh data, not what is sent again", () => {
  const half = new SendHalf(1000);
  half.write(pattern(0, 0, 100));
  assert.equal(half.hasPending(0), false);
  const slice = half.next(1000, 40)!;
  assert.deepEqual(slice, { offset: 0, length: 40, fin: false, fresh: 40 });
  half.onSent(slice);
  assert.equal(half.hasPending(0), false);
  half.onLost(0, 40, false);
  assert.equal(half.hasPending(0), true);
  assert.deepEqual(half.next(1000, 0), { offset: 0, length: 40, fin: false, fresh: 0 });
});

Deno.test("send half: an end without data is sent, and again when lost", () => {
  const half = new SendHalf(0);
  half.finish();
  const slice = half.next(10, 0)!;
  assert.deepEqual(slice, { offset: 0, length: 0, fin: true, fresh: 0 });
  half.onSent(slice);
  assert.equal(half.hasPending(10), false);
  half.onLost(0, 0, true);
  assert.equal(half.hasPending(10), true);
  half.onSent(half.next(10, 0)!);
  half.onAcked(0, 0, true);
  assert.equal(half.state, "data_recvd");
  // Late news changes nothing.
  half.onLost(0, 0, true);
  assert.equal(half.hasPending(10), false);
});

Deno.test("send half: no end before the last byte has credit", () => {
  const half = new SendHalf(5);
  half.write(pattern(0, 0, 8));
  half.finish();
  half.onSent(half.next(100, 100)!);
  assert.equal(half.state, "send");
  assert.equal(half.hasPending(100), false);
  assert.ok(half.blocked);
  half.onMaxStreamData(8);
  assert.deepEqual(half.next(100, 100), { offset: 5, length: 3, fin: true, fresh: 3 });
});

Deno.test("send half: what is written after the end or a reset goes nowhere and is not kept", () => {
  const finished = new SendHalf(1000);
  finished.write(pattern(0, 0, 10));
  finished.finish();
  finished.write(pattern(0, 10, 10));
  assert.equal(finished.buffered, 10);
  assert.deepEqual(finished.next(100, 100), { offset: 0, length: 10, fin: true, fresh: 10 });

  const reset = new SendHalf(1000);
  reset.write(pattern(0, 0, 10));
  reset.onSent(reset.next(4, 100)!);
  assert.ok(reset.reset(7));
  assert.equal(reset.reset(8), false);
  reset.write(pattern(0, 10, 10));
  assert.deepEqual([reset.buffered, reset.sentOffset, reset.resetCode], [0, 4, 7]);
  assert.equal(reset.hasPending(100), false);
  reset.onLost(0, 4, false);
  assert.equal(reset.hasPending(100), false);
  reset.onResetAcked();
  assert.ok(reset.terminal);
  assert.equal(reset.resetPending, false, "judged lost, asked for again, and then it arrived after all");
});

Deno.test("send half: many small writes are released in time that does not grow with their number", () => {
  const half = new SendHalf(INFINITE);
  const count = 200_000;
  const byte = new Uint8Array(1);
  for (let i = 0; i < count; i++) half.write(byte);
  const out = new Uint8Array(10);
  for (let at = 0; at < count; at += 10) {
    const slice = half.next(10, INFINITE)!;
    half.copy(slice.offset, slice.length, out, 0);
    half.onSent(slice);
    half.onAcked(slice.offset, slice.length, slice.fin);
  }
  assert.equal(half.buffered, 0);
});

Deno.test("send half: bytes are released when all of them have arrived, and not before", () => {
  const half = new SendHalf(INFINITE);
  const released: string[] = [];
  half.write(new Uint8Array(10), () => released.push("first"));
  half.write(new Uint8Array(10), () => released.push("second"));
  const slices = [4, 12, 4].map((room) => {
    const slice = half.next(room, INFINITE)!;
    half.onSent(slice);
    return slice;
  });
  half.onAcked(slices[1].offset, slices[1].length, false);
  assert.deepEqual(released, []);
  half.onLost(slices[0].offset, slices[0].length, false);
  const again = half.next(100, INFINITE)!;
  half.onSent(again);
  half.onAcked(again.offset, again.length, false);
  assert.deepEqual(released, ["first"]);
  half.onAcked(slices[2].offset, slices[2].length, false);
  half.onAcked(slices[2].offset, slices[2].length, false);
  assert.deepEqual(released, ["first", "second"]);
});
