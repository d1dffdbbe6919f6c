/** HyStart++ by the numbers of RFC 9406. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { Cubic } from "../../src/transport/congestion.ts";
import { HyStart } from "../../src/transport/hystart.ts";

const RTT = 100;

/** Feeds rounds of eight samples; each round's packets are sent after the one before was acknowledged. */
class Rounds {
  readonly hystart = new HyStart();
  #now = 1_000;

  round(rtt: number, samples = 8): void {
    const sentAt = this.#now;
    for (let i = 0; i < samples; i++) this.hystart.onSample(sentAt + 1 + rtt, sentAt + 0.1, rtt);
    this.#now = sentAt + 1 + rtt;
  }
}

Deno.test("hystart: a round that is slower by an eighth begins conservative slow start, five rounds end it", () => {
  const rounds = new Rounds();
  rounds.round(RTT);
  rounds.round(RTT + 12.4);
  assert.equal(rounds.hystart.growth, 1);
  rounds.round(RTT + 12.4 + RTT / 8 + 3);
  assert.equal(rounds.hystart.growth, 1 / 4);
  // RFC 9406 §4.2: the rest of the round in which it began counts.
  for (let i = 1; i <= 4; i++) rounds.round(RTT + 40);
  assert.equal(rounds.hystart.isOver, false);
  rounds.round(RTT + 40);
  assert.equal(rounds.hystart.isOver, true);
});

Deno.test("hystart: the threshold is 4 ms at least and 16 ms at most", () => {
  for (
    const [rtt, rise, isSlow] of [[8, 3.9, false], [8, 4, true], [400, 15.9, false], [400, 16, true]] as const
  ) {
    const rounds = new Rounds();
    rounds.round(rtt);
    rounds.round(rtt + rise);
    assert.equal(rounds.hystart.growth < 1, isSlow, `${rtt} + ${rise}`);
  }
});

Deno.test("hystart: fewer than eight samples of a round prove nothing", () => {
  const rounds = new Rounds();
  rounds.round(RTT);
  rounds.round(2 * RTT, 7);
  assert.equal(rounds.hystart.growth, 1);
  rounds.round(2 * RTT + 50, 8);
  assert.equal(rounds.hystart.growth, 1 / 4, "the round before counts with what it had");
});

Deno.test("hystart: a round as fast as before the rise takes slow start up again", () => {
  const rounds = new Rounds();
  rounds.round(RTT);
  rounds.round(2 * RTT);
  assert.equal(rounds.hystart.growth, 1 / 4);
  rounds.round(2 * RTT);
  assert.equal(rounds.hystart.growth, 1 / 4);
  rounds.round(RTT);
  assert.equal(rounds.hystart.growth, 1);
});

Deno.test("hystart: round-trip times that never rise never end slow start", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 3.9, noNaN: true }), { maxLength: 50 }), (jitter) => {
      const rounds = new Rounds();
      for (const more of jitter) rounds.round(20 + more);
      assert.equal(rounds.hystart.isOver, false);
      assert.equal(rounds.hystart.growth, 1);
    }),
  );
});

Deno.test("cubic: a rising round-trip time ends slow start before any loss", () => {
  const cubic = new Cubic(1200);
  let now = 1_000;
  let rtt = 20;
  for (let round = 0; round < 20 && cubic.inSlowStart; round++) {
    const sentAt = now + 0.1;
    now += rtt;
    for (let bytes = cubic.window; bytes > 0; bytes -= 1200) {
      cubic.onRttSample(now, sentAt, rtt);
      cubic.onAcked(now, sentAt, 1200, rtt, true);
    }
    // A queue builds once more than a hundred packets are in flight.
    rtt = Math.max(20, 20 * cubic.window / (100 * 1200));
  }
  assert.ok(!cubic.inSlowStart);
  assert.ok(cubic.window < 1_000 * 1200, `${cubic.window / 1200} packets`);
  const { window } = cubic;
  cubic.onAcked(now + 20, now + 0.1, 1200, rtt, true);
  assert.ok(cubic.window - window < 1200 / 2, "congestion avoidance");
});
