/** Loss recovery against a naive model that keeps every packet for ever, and the undo of spurious losses. */

import assert from "node:assert/strict";
import fc from "fast-check";
import {
  MAX_ACK_DELAY,
  MAX_PACKET_THRESHOLD,
  REMEMBERED_LOSS_TIMEOUTS,
  TIMER_GRANULARITY,
} from "../../src/transport/config.ts";
import { Cubic } from "../../src/transport/congestion.ts";
import { Recovery, type SentPacket } from "../../src/transport/recovery.ts";

const SIZE = 1200;
/** How long a loss is remembered at least, milliseconds: with the shortest probe time-out there is. */
const KEPT = REMEMBERED_LOSS_TIMEOUTS * (TIMER_GRANULARITY + MAX_ACK_DELAY);

interface Modelled {
  readonly size: number;
  readonly sentAt: number;
  readonly elicits: boolean;
  fate: "in_flight" | "acked" | "lost";
}

/** Recovery and model side by side. */
class Lab {
  readonly cubic = new Cubic(SIZE);
  readonly recovery: Recovery = new Recovery(this.cubic, 100, SIZE, this);
  readonly packets: Modelled[] = [];
  now = 1_000;
  #pathStart = 0;

  send(size = SIZE, elicits = true): void {
    this.recovery.onSent({
      packetNumber: this.packets.length,
      sentAt: this.now,
      size,
      ackEliciting: elicits,
      sizeProbe: false,
      frames: [],
      previous: -1,
    });
    this.packets.push({ size, sentAt: this.now, elicits, fate: "in_flight" });
  }

  /** Acknowledges packets, given by number. */
  ack(numbers: Iterable<number>): void {
    const ranges: number[] = [];
    for (const n of [...new Set(numbers)].sort((a, b) => b - a)) {
      if (ranges.length > 0 && ranges[ranges.length - 2] === n + 1) ranges[ranges.length - 2] = n;
      else ranges.push(n, n);
    }
    assert.ok(this.recovery.onAck(ranges, 0, this.now));
  }

  changePath(): void {
    this.#pathStart = this.packets.length;
    this.recovery.onPathChange(100, SIZE);
  }

  onPacketAcked({ packetNumber }: SentPacket): void {
    assert.notEqual(this.packets[packetNumber].fate, "acked");
    this.packets[packetNumber].fate = "acked";
  }

  onPacketLost({ packetNumber }: SentPacket): void {
    assert.equal(this.packets[packetNumber].fate, "in_flight");
    this.packets[packetNumber].fate = "lost";
  }

  /** What the model says is in flight on this path. */
  get bytesInFlight(): number {
    return this.packets.slice(this.#pathStart).reduce(
      (sum, { fate, elicits, size }) => sum + (elicits && fate === "in_flight" ? size : 0),
      0,
    );
  }
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ send: fc.integer({ min: 1, max: 12 }), elicits: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ ack: fc.array(fc.nat(40), { minLength: 1, maxLength: 30 }) }) },
  { weight: 2, arbitrary: fc.record({ wait: fc.nat(200) }) },
  { weight: 1, arbitrary: fc.constant("path" as const) },
);

Deno.test("recovery: agrees with a model that forgets nothing, whatever is acknowledged in whatever order", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const lab = new Lab();
      for (const item of steps) {
        if (item === "path") lab.changePath();
        else if ("send" in item) {
          for (let i = 0; i < item.send; i++) lab.send(SIZE - i, item.elicits);
        } else if ("wait" in item) {
          lab.now += item.wait;
          if (lab.recovery.deadline <= lab.now) lab.recovery.onTimeout(lab.now);
        } else if (lab.packets.length > 0) {
          // Counted from the newest: most acknowledgements are of late packets.
          lab.ack(item.ack.map((back) => Math.max(0, lab.packets.length - 1 - back)));
          for (const back of item.ack) {
            const packet = lab.packets[Math.max(0, lab.packets.length - 1 - back)];
            if (packet.elicits && packet.fate !== "acked") {
              // Only a loss that is long forgotten may be past knowing.
              assert.ok(packet.fate === "lost" && lab.now - packet.sentAt > KEPT, "an ACK was not heeded");
            }
          }
        }
        assert.equal(lab.recovery.bytesInFlight, lab.bytesInFlight);
        assert.ok(lab.recovery.window >= 2 * SIZE);
        assert.equal(lab.recovery.deadline === Infinity, !someoneWaits(lab));
      }
      // In the end everything is settled: nothing is forgotten.
      for (let turns = 0; someoneWaits(lab); turns++) {
        assert.ok(turns < 100, "a packet is never settled");
        lab.now = Math.max(lab.now + 1_000, lab.recovery.deadline);
        if (lab.recovery.deadline <= lab.now) lab.recovery.onTimeout(lab.now);
        lab.send();
        lab.now += 10;
        lab.ack([lab.packets.length - 1]);
      }
      assert.equal(lab.recovery.bytesInFlight, 0);
    }),
    { numRuns: 300 },
  );
});

/** Whether a packet that asks for an answer is open, or an ACK-only packet waits to be judged. */
function someoneWaits({ packets, recovery }: Lab): boolean {
  return packets.some(({ fate, elicits }) => elicits && fate === "in_flight") ||
    packets.slice(0, recovery.largestAcked).some(({ fate }) => fate === "in_flight") &&
      recovery.deadline < Infinity;
}

// --- spurious losses ---

/** A window after `rounds` of steady growth with a loss in between, so that every part of the state is in use. */
function grown(rounds: number): Lab {
  const lab = new Lab();
  for (let round = 0; round < rounds; round++) {
    const first = lab.packets.length;
    const count = Math.floor(lab.recovery.window / SIZE);
    for (let i = 0; i < count; i++) lab.send();
    lab.now += 50;
    const arrived = Array.from({ length: count }, (_, i) => first + i);
    lab.ack(round === 3 ? arrived.slice(1) : arrived);
    lab.now += 1;
  }
  return lab;
}

Deno.test("spurious loss: when every packet judged lost arrives after all, the window is what it was", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 5 }), (rounds, late) => {
    const lab = grown(rounds);
    const first = lab.packets.length;
    const { window } = lab.recovery;
    const { inSlowStart } = lab.cubic;
    for (let i = 0; i < late + 4; i++) lab.send();
    lab.now += 50;
    const rest = Array.from({ length: 4 }, (_, i) => first + late + i);
    lab.ack(rest);
    assert.ok(lab.recovery.window < window, "judged lost");
    assert.equal(lab.packets.filter(({ fate }) => fate === "lost").length, rounds > 3 ? late + 1 : late);
    for (let i = 0; i < late; i++) {
      assert.ok(lab.recovery.window < window, "one is still missing");
      lab.now += 1;
      lab.ack([...rest, first + i]);
    }
    // What was acknowledged meanwhile may have made it grow.
    assert.ok(lab.recovery.window >= window && lab.recovery.window <= window + 4 * SIZE);
    assert.equal(lab.cubic.inSlowStart, inSlowStart);
    assert.equal(lab.recovery.spuriousLosses, late);
    assert.equal(lab.recovery.bytesInFlight, 0);
  }));
});

Deno.test("spurious loss: the controller is exactly what it was, and goes on as if nothing had been", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 30 }), fc.boolean(), (acks, hard) => {
      const [undone, untouched] = [new Cubic(SIZE), new Cubic(SIZE)];
      let now = 1_000;
      const both = (action: (cubic: Cubic) => void) => [undone, untouched].forEach(action);
      for (const [i, wait] of acks.entries()) {
        now += wait;
        both((cubic) => cubic.onAcked(now, now - 50, SIZE, 50, true));
        if (i % 7 === 6) both((cubic) => cubic.onLost(now, now - 1));
      }
      now += 1;
      assert.ok(undone.onLost(now, now));
      if (hard) undone.onPersistentCongestion();
      undone.onSpuriousLoss();
      assert.equal(undone.window, untouched.window);
      for (let i = 0; i < 20; i++) {
        now += 10;
        both((cubic) => cubic.onAcked(now, now - 5, SIZE, 50, true));
        assert.equal(undone.window, untouched.window);
        assert.equal(undone.inSlowStart, untouched.inSlowStart);
      }
    }),
  );
});

Deno.test("spurious loss: one that stays lost keeps the reaction, and a later reaction is not undone by earlier packets", () => {
  const lab = grown(2);
  const first = lab.packets.length;
  for (let i = 0; i < 8; i++) lab.send();
  lab.now += 50;
  lab.ack([4, 5, 6, 7].map((i) => first + i));
  const { window } = lab.recovery;
  lab.ack([first + 7, first + 1]);
  assert.equal(lab.recovery.window, window);
  // Another loss a round trip later: now nothing of the first can be undone.
  lab.now += 60;
  for (let i = 0; i < 9; i++) lab.send();
  lab.now += 50;
  lab.ack([first + 16]);
  assert.ok(lab.recovery.window < window);
  const after = lab.recovery.window;
  lab.ack([first + 16, first, first + 2, first + 3]);
  assert.equal(lab.recovery.window, after);
});

Deno.test("reordering: packets are given as long as late ones took, up to a bound", () => {
  const lab = grown(2);
  assert.equal(lab.recovery.packetThreshold, 3);
  const first = lab.packets.length;
  for (let i = 0; i < 300; i++) lab.send();
  lab.now += 50;
  const all = Array.from({ length: 300 }, (_, i) => first + i);
  lab.ack(all.slice(1, 11));
  lab.ack([first, first + 10]);
  assert.equal(lab.recovery.packetThreshold, 11);
  lab.ack([first + 20]);
  assert.equal(lab.packets[first + 11].fate, "in_flight", "nine behind");
  lab.ack([first + 22]);
  assert.equal(lab.packets[first + 11].fate, "lost", "eleven behind");
  lab.ack([first + 299]);
  lab.ack([first + 12, first + 299]);
  assert.equal(lab.recovery.packetThreshold, MAX_PACKET_THRESHOLD);
  lab.changePath();
  assert.equal(lab.recovery.packetThreshold, 3);
});

// --- another path ---

Deno.test("path change: begins afresh, and packets of the old path tell nothing of the new one", () => {
  const lab = grown(5);
  for (let i = 0; i < 8; i++) lab.send();
  const old = lab.packets.length;
  lab.changePath();
  assert.equal(lab.recovery.window, 10 * SIZE);
  assert.ok(lab.cubic.inSlowStart && !lab.recovery.rtt.sampled);
  assert.equal(lab.recovery.bytesInFlight, 0);
  for (let i = 0; i < 4; i++) lab.send();
  lab.now += 200;
  // All of the old path is lost or late: no reaction, no sample, no growth.
  lab.ack([old - 1]);
  assert.equal(lab.recovery.rtt.sampled, false);
  lab.ack([old, old + 1, old + 2, old + 3]);
  assert.ok(lab.packets.slice(0, old).every(({ fate }) => fate !== "in_flight"));
  assert.equal(lab.recovery.rtt.latest, 200);
  assert.ok(lab.cubic.inSlowStart);
  assert.ok(lab.recovery.window >= 10 * SIZE);
});
