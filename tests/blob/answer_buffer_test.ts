import assert from "node:assert/strict";
import fc from "fast-check";
import { AnswerBuffer } from "../../src/blob/answer_buffer.ts";
import { BufferPool } from "../../src/blob/buffer_pool.ts";
import type { Stream } from "../../src/transport/stream.ts";
import { concatBytes } from "../../src/wire/bytes.ts";

const SIZE = 64;

/** A stream that keeps what it is given, as it is, until the test says that it arrived. */
class KeepingStream {
  readonly pieces: { bytes: Uint8Array; onReleased: () => void }[] = [];

  write(bytes: Uint8Array, onReleased: () => void): void {
    this.pieces.push({ bytes, onReleased });
  }
}

class CountingPool extends BufferPool {
  out = 0;

  override take(): Uint8Array {
    this.out++;
    return super.take();
  }

  override give(buffer: Uint8Array): void {
    this.out--;
    // Whoever still needed it would see this.
    super.give(buffer.fill(0xee));
  }
}

Deno.test("answer buffer: what was gathered goes out in order, in one piece where it fits", () => {
  const stream = new KeepingStream();
  const answers = new AnswerBuffer(stream as unknown as Stream, new BufferPool(SIZE, 1));
  for (const value of [1, 2, 3]) answers.put(new Uint8Array(20).fill(value));
  assert.equal(stream.pieces.length, 0);
  answers.flush();
  answers.flush();
  assert.deepEqual(stream.pieces.map(({ bytes }) => bytes.length), [60]);
  answers.put(new Uint8Array(5).fill(4));
  answers.flush();
  assert.deepEqual(stream.pieces[1].bytes, new Uint8Array(5).fill(4));
});

Deno.test("answer buffer: a buffer is given back when all of it has arrived, and not before", () => {
  // Every answer has a header: none is empty.
  const step = fc.oneof(
    fc.record({ kind: fc.constant("put" as const), size: fc.integer({ min: 1, max: SIZE }) }),
    fc.constantFrom({ kind: "flush" as const }, { kind: "arrive" as const }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const stream = new KeepingStream();
    const pool = new CountingPool(SIZE, 4);
    const answers = new AnswerBuffer(stream as unknown as Stream, pool);
    const [expected, arrived]: Uint8Array[][] = [[], []];
    const arrive = () => {
      const piece = stream.pieces.shift();
      if (piece === undefined) return;
      arrived.push(piece.bytes.slice());
      piece.onReleased();
    };
    for (const [i, step] of steps.entries()) {
      if (step.kind === "flush") answers.flush();
      else if (step.kind === "arrive") arrive();
      else {
        expected.push(new Uint8Array(step.size).fill(i));
        answers.put(expected.at(-1)!);
      }
    }
    answers.flush();
    while (stream.pieces.length > 0) arrive();
    assert.deepEqual(concatBytes(arrived), concatBytes(expected));
    assert.equal(pool.out, 0);
  }));
});
