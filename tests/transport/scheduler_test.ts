import assert from "node:assert/strict";
import fc from "fast-check";
import { ReassemblyBudget } from "../../src/transport/reassembly_budget.ts";
import { ReceiveHalf } from "../../src/transport/receive_half.ts";
import { ReceiveWindow } from "../../src/transport/receive_window.ts";
import { Scheduler } from "../../src/transport/scheduler.ts";
import { SendHalf } from "../../src/transport/send_half.ts";
import { Stream, type StreamOwner } from "../../src/transport/stream.ts";

const owner: StreamOwner = {
  onStreamWritten: () => {},
  onStreamControl: () => {},
  onStreamRead: () => {},
  onDefect: () => {},
};

function streamOf(priority: number, weight: number, id = 0): Stream {
  const stream = new Stream(
    id,
    owner,
    new SendHalf(0),
    new ReceiveHalf(new ReceiveWindow(1, 1), new ReassemblyBudget()),
  );
  return Object.assign(stream, { priority, weight });
}

const always = () => true;

/** Sends `total` bytes in packets of `size`; how many of them each stream got. */
function share(streams: Stream[], total: number, size: number, isReady = always): number[] {
  const scheduler = new Scheduler();
  for (const stream of streams) scheduler.add(stream);
  const sent = streams.map(() => 0);
  for (let bytes = 0; bytes < total; bytes += size) {
    const stream = scheduler.next(isReady);
    if (stream === undefined) break;
    scheduler.onSent(stream, size);
    sent[streams.indexOf(stream)] += size;
  }
  return sent;
}

Deno.test("scheduler: shares follow weights to within a round, whatever the packet size", () => {
  const weights = fc.array(fc.integer({ min: 1, max: 256 }), { minLength: 2, maxLength: 8 });
  fc.assert(fc.property(weights, fc.constantFrom(100, 1200, 61_440), (list, size) => {
    const streams = list.map((weight) => streamOf(3, weight));
    const sum = list.reduce((a, b) => a + b);
    const total = 200 * (sum * 1024 + size * list.length);
    const sent = share(streams, total, size);
    for (const [i, weight] of list.entries()) {
      const fair = total * weight / sum;
      assert.ok(Math.abs(sent[i] - fair) <= 2 * (weight * 1024 + size) + 0.02 * fair, `${sent} for ${list}`);
    }
  }));
});

Deno.test("scheduler: lower priorities together get one in sixteen bytes beyond the higher ones'", () => {
  for (const size of [1200, 61_440]) {
    const streams = [streamOf(0, 16), streamOf(3, 16), streamOf(3, 16), streamOf(7, 16)];
    const [top, ...lower] = share(streams, 4e8, size);
    const ratio = lower.reduce((a, b) => a + b) / top;
    assert.ok(Math.abs(ratio - 1 / 16) < 0.005, `${ratio}`);
    // They take turns by class, inside a class by weight.
    assert.ok(Math.abs(lower[2] / (lower[0] + lower[1]) - 1) < 0.1, `${lower}`);
    assert.ok(Math.abs(lower[0] / lower[1] - 1) < 0.1, `${lower}`);
  }
});

Deno.test("scheduler: with nothing above it a low priority has it all", () => {
  const streams = [streamOf(0, 16), streamOf(6, 16)];
  const sent = share(streams, 1e6, 1200, ((stream: Stream) => stream.priority === 6) as () => boolean);
  assert.equal(sent[0], 0);
  assert.ok(sent[1] >= 1e6);
});

Deno.test("scheduler: a stream that runs dry after each packet has no more than its share", () => {
  const [dry, full] = [streamOf(3, 16), streamOf(3, 64)];
  const scheduler = new Scheduler();
  scheduler.add(dry);
  scheduler.add(full);
  const sent = [0, 0];
  let isReady = true;
  for (let i = 0; i < 20_000; i++) {
    const stream = scheduler.next((s) => s === full || isReady)!;
    scheduler.onSent(stream, 61_440);
    sent[stream === dry ? 0 : 1]++;
    // Its application writes again once another packet has left.
    isReady = stream !== dry;
    if (isReady) scheduler.add(dry);
  }
  const ratio = sent[1] / sent[0];
  assert.ok(ratio > 3.9 && ratio < 6, `${sent}`);
});

Deno.test("scheduler: streams that are not ready leave, and come back when added", () => {
  const scheduler = new Scheduler();
  const [a, b] = [streamOf(3, 16), streamOf(3, 16)];
  scheduler.add(a);
  scheduler.add(a);
  scheduler.add(b);
  assert.equal(scheduler.next((stream) => stream === b), b);
  assert.equal(a.scheduled, false);
  assert.equal(scheduler.next(() => false), undefined);
  assert.deepEqual([a.scheduled, b.scheduled], [false, false]);
  assert.equal(scheduler.next(always), undefined);
  scheduler.add(a);
  assert.ok(scheduler.hasReady(always));
  assert.equal(scheduler.next(always), a);
});

Deno.test("scheduler: looking whether anything is ready changes nothing", () => {
  const order = (look: boolean) => {
    const streams = [streamOf(2, 16, 0), streamOf(3, 16, 1), streamOf(5, 16, 2), streamOf(7, 16, 3)];
    const scheduler = new Scheduler();
    for (const stream of streams) scheduler.add(stream);
    return Array.from({ length: 500 }, () => {
      for (let i = 0; look && i < 3; i++) scheduler.hasReady(always);
      const stream = scheduler.next(always)!;
      scheduler.onSent(stream, 1200);
      return stream.id;
    });
  };
  assert.deepEqual(order(true), order(false));
});
