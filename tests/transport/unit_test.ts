/** The small parts of the transport against naive models and the numbers of their RFCs. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { AckTracker } from "../../src/transport/ack_tracker.ts";
import { isLocal, isLoopback } from "../../src/transport/address.ts";
import { MAX_ACK_RANGES, QUICK_ACKS, REPLAY_WINDOW } from "../../src/transport/config.ts";
import { Liveness } from "../../src/transport/liveness.ts";
import { Pacer } from "../../src/transport/pacer.ts";
import { ReceiveWindow } from "../../src/transport/receive_window.ts";
import { ReplayWindow } from "../../src/transport/replay_window.ts";
import { RttEstimator } from "../../src/transport/rtt.ts";
import { decodeStreamHeader, encodeStreamHeader } from "../../src/transport/stream_header.ts";
import { framesOf, only } from "../sim/frames.ts";

// --- replay window ---

Deno.test("replay window: agrees with a set of all numbers seen", () => {
  const jump = fc.oneof(fc.integer({ min: -5000, max: 50 }), fc.integer({ min: -40, max: 40 }), fc.nat(9000));
  fc.assert(fc.property(fc.array(jump, { maxLength: 300 }), (jumps) => {
    const window = new ReplayWindow();
    const seen = new Set<number>();
    let highest = -1;
    for (const by of jumps) {
      const number = Math.max(0, highest + by);
      const isNew = number > highest - REPLAY_WINDOW && !seen.has(number);
      assert.equal(window.isNew(number), isNew);
      if (!isNew) continue;
      window.mark(number);
      seen.add(number);
      highest = Math.max(highest, number);
      assert.equal(window.highest, highest);
      assert.equal(window.isNew(number), false);
    }
  }));
});

Deno.test("replay window: numbers beyond 32 bits", () => {
  const window = new ReplayWindow();
  const high = 2 ** 52;
  window.mark(high);
  assert.equal(window.isNew(high), false);
  assert.equal(window.isNew(high - 1), true);
  assert.equal(window.isNew(high - REPLAY_WINDOW), false);
  assert.equal(window.isNew(high - REPLAY_WINDOW + 1), true);
});

// --- ack tracker ---

/** Highest first, as in the frame. */
function rangesOf(numbers: Iterable<number>): number[] {
  const out: number[] = [];
  for (const n of [...numbers].sort((a, b) => b - a)) {
    if (out.length > 0 && out[out.length - 2] === n + 1) out[out.length - 2] = n;
    else out.push(n, n);
  }
  return out;
}

Deno.test("ack tracker: ranges and deadlines agree with a naive model", () => {
  const packet = fc.record({
    number: fc.nat(60),
    elicits: fc.boolean(),
    size: fc.constantFrom(40, 1200, 61_440),
  });
  const step = fc.oneof(packet, fc.record({ wait: fc.nat(8) }), fc.constant("send" as const));
  fc.assert(fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
    const tracker = new AckTracker();
    const seen = new Set<number>();
    let now = 0;
    let due = Infinity;
    let packets = 0;
    let bytes = 0;
    let quick = 0;
    for (const item of steps) {
      if (item === "send") {
        tracker.onAckSent();
        due = Infinity;
        packets = bytes = 0;
      } else if ("wait" in item) {
        now += item.wait;
      } else if (!seen.has(item.number)) {
        const inOrder = seen.size === 0 || item.number === Math.max(...seen) + 1;
        seen.add(item.number);
        tracker.onReceived(item.number, item.elicits, item.size, now, 0);
        if (!inOrder) quick = QUICK_ACKS;
        if (item.elicits) {
          packets++;
          bytes += item.size;
          due = Math.min(due, quick > 0 || packets >= 2 || bytes >= 16_384 ? now : now + 5);
          if (inOrder) quick = Math.max(0, quick - 1);
        }
      }
      assert.deepEqual(tracker.ranges, rangesOf(seen));
      assert.equal(tracker.deadline, due);
      assert.equal(tracker.pending, packets > 0);
    }
  }));
});

Deno.test("ack tracker: sixty-four ranges at most, the lowest go", () => {
  const tracker = new AckTracker();
  for (let n = 0; n < 1000; n += 2) tracker.onReceived(n, true, 100, 0, 0);
  assert.equal(tracker.ranges.length, 2 * MAX_ACK_RANGES);
  assert.deepEqual(tracker.ranges.slice(0, 2), [998, 998]);
  assert.equal(tracker.ranges.at(-1), 998 - 2 * (MAX_ACK_RANGES - 1));
  tracker.onReceived(1, true, 100, 0, 0);
  assert.equal(tracker.ranges.length, 2 * MAX_ACK_RANGES);
});

Deno.test("ack tracker: what the peer knows to be acknowledged is not repeated, the newest range always is", () => {
  const tracker = new AckTracker();
  for (const n of [0, 2, 4, 6, 8]) tracker.onReceived(n, true, 100, 0, 0);
  tracker.onAckAcked(4);
  assert.deepEqual(tracker.ranges, [8, 8, 6, 6]);
  tracker.onAckAcked(8);
  assert.deepEqual(tracker.ranges, [8, 8]);
});

Deno.test("ack tracker: a frame with the widest numbers leaves room in the smallest packet", () => {
  const tracker = new AckTracker();
  for (let i = 0; i < 64; i++) tracker.onReceived(2 ** 40 + i * 2 ** 31, true, 100, 0, 0);
  const out = new Uint8Array(1200);
  const end = tracker.write(out, 0, 1e9);
  assert.ok(end <= 512, `${end} bytes`);
  const [ack] = only(framesOf(out.subarray(0, end)), "ack");
  assert.equal(ack.largest, tracker.ranges[1]);
  assert.deepEqual(ack.ranges, tracker.ranges.slice(0, ack.ranges.length));
});

// --- round-trip time ---

Deno.test("rtt: the numbers of RFC 9002 §5", () => {
  const rtt = new RttEstimator(100);
  assert.equal(rtt.sampled, false);
  assert.equal(rtt.pto(5), 100 + 200 + 5);
  rtt.update(40, 3);
  assert.deepEqual([rtt.latest, rtt.min, rtt.smoothed, rtt.variance], [40, 40, 40, 20]);
  assert.equal(rtt.pto(5), 40 + 80 + 5);
  // The peer's delay counts when the sample is long enough for it.
  rtt.update(60, 5);
  assert.deepEqual([rtt.latest, rtt.min], [60, 40]);
  assert.equal(rtt.variance, 0.75 * 20 + 0.25 * Math.abs(40 - 55));
  assert.equal(rtt.smoothed, 40 * 7 / 8 + 55 / 8);
  const { smoothed } = rtt;
  rtt.update(42, 5);
  assert.equal(rtt.smoothed, smoothed * 7 / 8 + 42 / 8);
});

Deno.test("rtt: the variance in a probe time-out is never less than the timer's granularity", () => {
  const rtt = new RttEstimator(100);
  for (let i = 0; i < 200; i++) rtt.update(10, 0);
  assert.ok(Math.abs(rtt.pto(0) - 11) < 1e-3);
});

// --- pacer ---

Deno.test("pacer: a burst at first, then 1.25 windows per round trip", () => {
  const pacer = new Pacer();
  const [window, rtt, size] = [120_000, 100, 1200];
  let now = 0;
  let burst = 0;
  while (pacer.nextSendTime(now, size, window, rtt, 1e9) <= now) {
    pacer.onSent(size);
    burst++;
  }
  assert.equal(burst, 10);
  let sent = 0;
  while (now < 1_000) {
    now = pacer.nextSendTime(now, size, window, rtt, 1e9);
    pacer.onSent(size);
    sent += size;
  }
  const expected = 1.25 * window * 10;
  assert.ok(Math.abs(sent - expected) < 2 * size, `${sent} bytes in ten round trips, want ${expected}`);
});

Deno.test("pacer: a burst is no longer than the receiver's socket takes, one packet at least", () => {
  const bursts = [100_000, 40_000, 100].map((maxBurst) => {
    const pacer = new Pacer();
    let burst = 0;
    while (pacer.nextSendTime(0, 9_000, 1e7, 10, maxBurst) <= 0) {
      pacer.onSent(9_000);
      burst++;
    }
    return burst;
  });
  assert.deepEqual(bursts, [11, 4, 1]);
});

Deno.test("pacer: the time it names is one at which it lets the packet go", () => {
  fc.assert(fc.property(
    fc.array(fc.tuple(fc.integer({ min: 40, max: 61_440 }), fc.double({ min: 0, max: 5, noNaN: true })), {
      maxLength: 50,
    }),
    fc.double({ min: 0.01, max: 500, noNaN: true }),
    (packets, rtt) => {
      const pacer = new Pacer();
      let now = 1_000;
      for (const [size, wait] of packets) {
        now += wait;
        const at = pacer.nextSendTime(now, size, 100_000, rtt, 60_000);
        assert.ok(at >= now);
        now = at;
        assert.equal(pacer.nextSendTime(now, size, 100_000, rtt, 60_000), now);
        pacer.onSent(size);
      }
    },
  ));
});

Deno.test("pacer: what went unpaced is no debt without end", () => {
  const pacer = new Pacer();
  pacer.nextSendTime(0, 1000, 10_000, 10, 1e9);
  for (let i = 0; i < 10_000; i++) pacer.onSent(1000);
  assert.ok(pacer.nextSendTime(0, 1000, 10_000, 10, 1e9) <= 2 * 1000 / (1.25 * 10_000 / 10));
});

// --- credit ---

Deno.test("receive window: new credit when more than half is used, twice the window when that went fast", () => {
  const window = new ReceiveWindow(1000, 3000);
  assert.equal(window.consume(500, 0, 10), false);
  assert.equal(window.consume(1, 0, 10), true);
  assert.equal(window.limit, 501 + 1000);
  // Half a window within two round trips.
  assert.equal(window.consume(501, 19, 10), true);
  assert.equal(window.limit, 1002 + 2000);
  assert.equal(window.consume(1001, 30, 10), true);
  assert.equal(window.limit, 2003 + 3000, "the maximum");
  // Slow from now on: it stays.
  assert.equal(window.consume(1501, 1000, 10), true);
  assert.equal(window.limit, 3504 + 3000);
});

Deno.test("receive window: credit never falls and always suffices for what is held", () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.nat(800), fc.nat(50)), { maxLength: 60 }), (reads) => {
    const window = new ReceiveWindow(1000, 8000);
    let now = 0;
    for (const [bytes, wait] of reads) {
      const { limit, consumed } = window;
      const read = Math.min(bytes, limit - consumed);
      now += wait;
      window.consume(read, now, 10);
      assert.ok(window.limit >= limit);
      assert.ok(window.limit - window.consumed <= 8000);
      assert.ok(window.limit - window.consumed > 0);
    }
  }));
});

// --- liveness ---

Deno.test("liveness: the smaller idle time-out, but three probe time-outs at least", () => {
  assert.equal(new Liveness(30, 20, 0).idleTimeout, 20);
  assert.equal(new Liveness(0, 20, 0).idleTimeout, 20);
  assert.equal(new Liveness(30, 0, 0).idleTimeout, 30);
  assert.equal(new Liveness(0, 0, 0).idleDeadline(1), Infinity);
  const liveness = new Liveness(30, 30, 100);
  assert.equal(liveness.idleDeadline(5), 130);
  assert.equal(liveness.idleDeadline(50), 250);
  liveness.onElicited(110);
  liveness.onElicited(120);
  assert.equal(liveness.idleDeadline(5), 140);
  assert.equal(liveness.keepAliveDeadline(5), 110);
  liveness.onKeepAlive(115);
  assert.equal(liveness.keepAliveDeadline(5), 125);
  liveness.onReceived(200);
  assert.deepEqual([liveness.idleDeadline(5), liveness.keepAliveDeadline(5)], [230, 210]);
});

// --- stream header, addresses ---

Deno.test("stream header: round trip, and nothing before it is whole", () => {
  const header = fc.record({
    protocol: fc.maxSafeNat(),
    priority: fc.nat(7),
    weight: fc.integer({ min: 1, max: 256 }),
  });
  fc.assert(fc.property(header, fc.uint8Array({ maxLength: 5 }), (value, rest) => {
    const bytes = encodeStreamHeader(value);
    for (let end = 0; end < bytes.length; end++) {
      assert.equal(decodeStreamHeader(bytes.subarray(0, end)), undefined);
    }
    const decoded = decodeStreamHeader(Uint8Array.from([...bytes, ...rest]));
    assert.deepEqual(decoded, { header: { ...value }, length: bytes.length });
  }));
});

Deno.test("addresses: loopback and local ones are told", () => {
  const at = (hostname: string) => ({ hostname, port: 1 });
  for (const host of ["127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"]) {
    assert.ok(isLoopback(at(host)), host);
  }
  for (const host of ["128.0.0.1", "::2", "10.0.0.1", "0.0.0.0"]) assert.ok(!isLoopback(at(host)), host);
  for (
    const host of [
      "10.1.2.3",
      "192.168.0.1",
      "172.16.0.1",
      "172.31.9.9",
      "169.254.1.1",
      "fe80::1",
      "fd00::1",
      "::1",
    ]
  ) {
    assert.ok(isLocal(at(host)), host);
  }
  for (const host of ["172.32.0.1", "192.0.2.1", "2001:db8::1", "11.0.0.1"]) {
    assert.ok(!isLocal(at(host)), host);
  }
});
