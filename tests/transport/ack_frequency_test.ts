/** How often ACKs are sent: seldom on a fast steady run, for every packet after a gap. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { AckTracker } from "../../src/transport/ack_tracker.ts";
import { MAX_ACK_DELAY, QUICK_ACKS } from "../../src/transport/config.ts";
import { Bottleneck } from "../sim/flows.ts";

/** A receiver that sends each ACK when it is due. */
class Receiver {
  readonly tracker = new AckTracker();
  now = 1_000;
  acks = 0;
  next = 0;

  constructor(readonly isShortPath = false) {}

  /** Takes packets of `gap` milliseconds apart, skipping `lost` numbers first. */
  take(count: number, gap: number, rtt: number, lost = 0): void {
    this.next += lost;
    for (let i = 0; i < count; i++) {
      const at = this.now + gap;
      if (this.tracker.deadline <= at) this.#ack();
      this.now = at;
      this.tracker.onReceived(this.next++, true, 1452, this.now, rtt, this.isShortPath);
      if (this.tracker.deadline <= this.now) this.#ack();
    }
  }

  #ack(): void {
    this.acks++;
    this.tracker.onAckSent();
  }
}

Deno.test("ack frequency: every second packet while few come in a round trip or none was measured", () => {
  for (const [gap, rtt] of [[1, 30], [0.1, 0], [0.1, 3]]) {
    const receiver = new Receiver();
    receiver.take(1_000, gap, rtt);
    assert.equal(receiver.acks, 500, `${gap} ms apart, round trip ${rtt} ms`);
  }
});

Deno.test("ack frequency: sixteen in a round trip on a fast run, none for more than ten packets", () => {
  for (const [perRoundTrip, every] of [[50, 3], [85, 5], [155, 9], [165, 10], [10_000, 10]]) {
    const receiver = new Receiver();
    receiver.take(3 * perRoundTrip, 20 / perRoundTrip, 20);
    receiver.acks = 0;
    receiver.take(every * 100, 20 / perRoundTrip, 20);
    assert.ok(Math.abs(receiver.acks - 100) <= 1, `${perRoundTrip} packets per round trip: ${receiver.acks}`);
  }
});

Deno.test("ack frequency: four in a round trip that only our socket makes long, none for more than a quarter of it", () => {
  for (const [perRoundTrip, every] of [[6, 2], [13, 3], [45, 11], [89, 22], [1_000, 22]]) {
    const receiver = new Receiver(true);
    receiver.take(3 * perRoundTrip, 1 / perRoundTrip, 1);
    receiver.acks = 0;
    receiver.take(every * 100, 1 / perRoundTrip, 1);
    assert.ok(Math.abs(receiver.acks - 100) <= 1, `${perRoundTrip} packets per round trip: ${receiver.acks}`);
  }
  const { tracker, now, next } = new Receiver(true);
  tracker.onReceived(next, true, 32_768, now, 1, true);
  assert.equal(tracker.deadline, now);
});

Deno.test("ack frequency: datagrams of many kilobytes are told as soon as they are worth two of them", () => {
  const receiver = new Receiver();
  receiver.take(1_000, 0.01, 20);
  const { tracker } = receiver;
  tracker.onAckSent();
  tracker.onReceived(receiver.next++, true, 16_384, receiver.now, 20);
  assert.equal(tracker.deadline, receiver.now);
});

Deno.test("ack frequency: what is left of a run waits a quarter of a round trip at most", () => {
  for (const rtt of [2, 8, 200]) {
    const receiver = new Receiver();
    receiver.take(2_000, rtt / 500, rtt);
    receiver.tracker.onAckSent();
    receiver.tracker.onReceived(receiver.next, true, 1452, receiver.now, rtt);
    assert.equal(receiver.tracker.deadline, receiver.now + Math.max(1, Math.min(MAX_ACK_DELAY, rtt / 4)));
  }
});

Deno.test("ack frequency: after a gap every packet is told at once, for a while", () => {
  const receiver = new Receiver();
  receiver.take(2_000, 0.01, 20);
  receiver.tracker.onAckSent();
  receiver.acks = 0;
  receiver.take(1 + QUICK_ACKS, 0.01, 20, 1);
  assert.equal(receiver.acks, 1 + QUICK_ACKS);
  receiver.take(100, 0.01, 20);
  assert.equal(receiver.acks, 1 + QUICK_ACKS + 10);
});

Deno.test("ack frequency: a packet that comes late or after a gap is told at once, whatever came before", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 4, noNaN: true }), { minLength: 1, maxLength: 200 }),
      (gaps) => {
        const receiver = new Receiver();
        for (const gap of gaps) receiver.take(1, gap, 20);
        receiver.take(1, 0, 20, 1);
        assert.equal(receiver.tracker.deadline, Infinity, "an ACK went out");
        receiver.tracker.onReceived(receiver.next - 2, true, 1452, receiver.now, 20);
        assert.equal(receiver.tracker.deadline, receiver.now);
      },
    ),
  );
});

Deno.test("ack frequency: a packet can wait when the time of its ACK is known and still to come", () => {
  const gaps = fc.array(fc.double({ min: 0, max: 4, noNaN: true }), { minLength: 1, maxLength: 100 });
  fc.assert(
    fc.property(gaps, fc.array(fc.nat(9)), fc.boolean(), (gaps, kinds, isShortPath) => {
      const tracker = new AckTracker();
      let now = 1_000;
      let next = 0;
      for (const [i, gap] of gaps.entries()) {
        now += gap;
        const before = tracker.deadline;
        // One in ten does not ask for an ACK, one comes after a gap.
        const kind = kinds[i] ?? 9;
        if (kind === 1) next++;
        tracker.onReceived(next++, kind !== 0, 1452, now, 20, isShortPath);
        assert.equal(tracker.canWait, kind !== 0 && now < before && tracker.deadline === before);
        if (tracker.deadline <= now) tracker.onAckSent();
      }
    }),
  );
  // Of a steady run all but the first and the last of those that share an ACK.
  const receiver = new Receiver(true);
  receiver.take(3_000, 0.01, 1);
  receiver.tracker.onAckSent();
  let waiting = 0;
  for (let i = 0; i < 220; i++) {
    receiver.take(1, 0.01, 1);
    if (receiver.tracker.canWait) waiting++;
  }
  assert.equal(waiting, 200);
});

Deno.test("ack frequency: a fast path back carries an eighth of the packets, and the way there is full", () => {
  const bottleneck = new Bottleneck(1, { rtt: 10, bandwidth: 12_500 });
  const flow = bottleneck.flow().sendForEver();
  // Slow start with the losses at its end is over by then.
  bottleneck.run(1_000);
  const { received, receiver, sender } = flow;
  const [back, there] = [receiver.nextPacketNumber, sender.nextPacketNumber];
  bottleneck.run(2_000);
  const share = (receiver.nextPacketNumber - back) / (sender.nextPacketNumber - there);
  assert.ok(share < 0.13, `${share} packets back for each`);
  assert.ok(
    flow.received - received > 0.96 * 2_000 * 12_500,
    `${(flow.received - received) / 2_000} bytes/ms`,
  );
});
