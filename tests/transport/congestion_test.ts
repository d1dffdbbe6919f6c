/** Loss detection (RFC 9002) and CUBIC (RFC 9438) by their numbers. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { Cubic } from "../../src/transport/congestion.ts";
import { PathMtu } from "../../src/transport/path_mtu.ts";
import { Recovery, type SentPacket } from "../../src/transport/recovery.ts";
import { SendGate } from "../../src/transport/send_gate.ts";

const SIZE = 1200;

// --- CUBIC ---

Deno.test("cubic: ten packets at first, doubles per round trip in slow start", () => {
  const cubic = new Cubic(SIZE);
  assert.equal(cubic.window, 10 * SIZE);
  assert.ok(cubic.inSlowStart);
  for (let i = 0; i < 10; i++) cubic.onAcked(100, 50, SIZE, 50, true);
  assert.equal(cubic.window, 20 * SIZE);
});

Deno.test("cubic: does not grow while the application has less to send than the window", () => {
  const cubic = new Cubic(SIZE);
  cubic.onAcked(100, 50, SIZE, 50, false);
  assert.equal(cubic.window, 10 * SIZE);
});

Deno.test("cubic: a loss takes three tenths, once per round trip, and never below two packets", () => {
  const cubic = new Cubic(SIZE);
  cubic.onLost(100, 90);
  assert.ok(Math.abs(cubic.window - 7 * SIZE) < 1e-6);
  assert.ok(!cubic.inSlowStart);
  cubic.onLost(120, 95);
  cubic.onLost(130, 100);
  assert.ok(Math.abs(cubic.window - 7 * SIZE) < 1e-6, "sent before the reaction");
  // Acknowledgements of what was sent before it grow the window as in congestion avoidance: by their share of a packet.
  cubic.onAcked(130, 99, SIZE, 50, true);
  assert.ok(cubic.window > 7 * SIZE && cubic.window < 7.2 * SIZE);
  for (let now = 200; now < 5_000; now += 100) cubic.onLost(now, now - 1);
  assert.equal(cubic.window, 2 * SIZE);
});

Deno.test("cubic: is back at its former maximum after K seconds, and goes beyond", () => {
  const cubic = new Cubic(SIZE);
  const rtt = 50;
  while (cubic.window < 1000 * SIZE) cubic.onAcked(0, 0, SIZE, rtt, true);
  const maximum = cubic.window;
  cubic.onLost(1_000, 999);
  // RFC 9438 §4.2: K = cbrt(W_max (1 - beta) / C), here in packets.
  const k = Math.cbrt(maximum / SIZE * 0.3 / 0.4);
  const at = (seconds: number) => {
    const end = 1_000 + 1_000 * seconds;
    return end;
  };
  let now = 1_000 + rtt;
  const grow = (until: number) => {
    for (; now < until; now += rtt) {
      for (let bytes = 0; bytes < cubic.window; bytes += SIZE) cubic.onAcked(now, now - rtt, SIZE, rtt, true);
    }
  };
  grow(at(k / 2));
  assert.ok(cubic.window > 0.9 * maximum && cubic.window < maximum, `${cubic.window / maximum} half way`);
  grow(at(k));
  assert.ok(Math.abs(cubic.window / maximum - 1) < 0.02, `${cubic.window / maximum} after K`);
  grow(at(2 * k));
  assert.ok(cubic.window > 1.2 * maximum);
});

Deno.test("cubic: on a short path it is as fast as Reno", () => {
  const cubic = new Cubic(SIZE);
  cubic.onLost(0, -1);
  const rtt = 2;
  const before = cubic.window;
  let now = 1;
  for (let round = 0; round < 100; round++, now += rtt) {
    for (let bytes = 0; bytes < cubic.window; bytes += SIZE) cubic.onAcked(now, now - 0.5, SIZE, rtt, true);
  }
  // RFC 9438 §4.3: 0.53 packets per round trip, one once the former maximum is reached.
  assert.ok(
    cubic.window - before >= 0.53 * 90 * SIZE,
    `${(cubic.window - before) / SIZE} packets in 100 round trips`,
  );
});

Deno.test("cubic: once at the window before the cut it grows by a packet per round trip, as Reno does", () => {
  const cubic = new Cubic(SIZE);
  cubic.onLost(0, -1);
  const prior = 10 * SIZE;
  const rtt = 1;
  const growths: number[] = [];
  for (let now = 1, round = 0; round < 40; round++, now += rtt) {
    const before = cubic.window;
    for (let bytes = before; bytes > 0; bytes -= SIZE) cubic.onAcked(now, now - 0.5, SIZE, rtt, true);
    growths.push(
      (cubic.window - before) / SIZE * (before < prior - SIZE ? 1 : before > prior + SIZE ? -1 : 0),
    );
  }
  // RFC 9438 §4.3: 0.53 packets below cwnd_prior, one above; here a little more as whole packets are acknowledged.
  for (const growth of growths.filter((growth) => growth > 0)) {
    assert.ok(growth > 0.5 && growth < 0.65, `${growth}`);
  }
  for (const growth of growths.filter((growth) => growth < 0)) {
    assert.ok(growth < -0.95 && growth > -1.15, `${growth}`);
  }
});

Deno.test("cubic: the curve stands still while the application limits the rate", () => {
  const [idle, busy] = [new Cubic(SIZE), new Cubic(SIZE)];
  const grow = (cubic: Cubic, from: number, until: number) => {
    for (let now = from; now < until; now += 10) cubic.onAcked(now, now - 5, 40 * SIZE, 50, true);
  };
  for (const cubic of [idle, busy]) {
    cubic.onDatagramSize(100 * SIZE);
    cubic.onDatagramSize(SIZE);
    cubic.onLost(1_000, 999);
    grow(cubic, 1_010, 1_100);
  }
  // Ten seconds with little to send.
  for (let now = 1_100; now < 11_100; now += 100) idle.onAcked(now, now - 50, SIZE, 50, false);
  grow(idle, 11_100, 11_200);
  grow(busy, 1_100, 1_200);
  assert.ok(
    Math.abs(idle.window / busy.window - 1) < 0.05,
    `${idle.window} after the pause, ${busy.window} without`,
  );
});

Deno.test("cubic: persistent congestion leaves two packets, and old acknowledgements do not undo it", () => {
  const cubic = new Cubic(SIZE);
  for (let i = 0; i < 100; i++) cubic.onAcked(100, 50, SIZE, 50, true);
  cubic.onLost(5_000, 4_000);
  cubic.onPersistentCongestion();
  assert.equal(cubic.window, 2 * SIZE);
  for (let i = 0; i < 100; i++) cubic.onAcked(5_000, 200, SIZE, 50, true);
  assert.equal(cubic.window, 2 * SIZE);
  cubic.onAcked(5_100, 5_050, SIZE, 50, true);
  assert.equal(cubic.window, 3 * SIZE);
});

Deno.test("cubic: larger packets raise the least window", () => {
  const cubic = new Cubic(SIZE);
  cubic.onDatagramSize(61_440);
  assert.equal(cubic.window, 2 * 61_440);
});

// --- recovery ---

/** A sender's side whose packets tests settle by hand. */
class Lab {
  readonly acked: number[] = [];
  readonly lost: number[] = [];
  readonly recovery = new Recovery(new Cubic(SIZE), 100, SIZE, this);
  now = 1_000;
  #next = 0;

  send(count = 1, { ackEliciting = true, sizeProbe = false, size = SIZE } = {}): void {
    for (let i = 0; i < count; i++) {
      this.recovery.onSent({
        packetNumber: this.#next++,
        sentAt: this.now,
        size,
        ackEliciting,
        sizeProbe,
        frames: [{ kind: "max_data" }],
        previous: -1,
      });
    }
  }

  ack(...ranges: number[]): boolean {
    return this.recovery.onAck(ranges, 0, this.now);
  }

  timeout(): void {
    this.now = this.recovery.deadline;
    this.recovery.onTimeout(this.now);
  }

  onPacketAcked({ packetNumber }: SentPacket): void {
    this.acked.push(packetNumber);
  }

  onPacketLost({ packetNumber }: SentPacket): void {
    this.lost.push(packetNumber);
  }
}

Deno.test("recovery: three packets behind is lost, fewer is not", () => {
  const lab = new Lab();
  lab.send(5);
  lab.now += 10;
  lab.ack(2, 2);
  assert.deepEqual(lab.lost, []);
  lab.ack(2, 3);
  assert.deepEqual(lab.lost, [0]);
  assert.equal(lab.recovery.bytesInFlight, 2 * SIZE);
});

Deno.test("recovery: nine eighths of a round trip behind is lost, at exactly its time", () => {
  const lab = new Lab();
  lab.send();
  lab.now += 1;
  lab.send();
  lab.now += 80;
  lab.ack(1, 1);
  assert.deepEqual(lab.lost, []);
  assert.equal(lab.recovery.deadline, 1_000 + 80 * 9 / 8);
  lab.timeout();
  assert.deepEqual(lab.lost, [0]);
  assert.equal(lab.recovery.deadline, Infinity);
});

Deno.test("recovery: the loss timer always settles something when it comes", () => {
  const times = fc.array(fc.double({ min: 0, max: 3, noNaN: true }), { minLength: 2, maxLength: 12 });
  fc.assert(fc.property(times, fc.double({ min: 0.001, max: 300, noNaN: true }), (gaps, rtt) => {
    const lab = new Lab();
    for (const gap of gaps) {
      lab.now += gap;
      lab.send();
    }
    lab.now += rtt;
    lab.ack(gaps.length - 1, gaps.length - 1);
    for (let turns = 0; lab.recovery.deadline !== Infinity; turns++) {
      assert.ok(turns < gaps.length, "the timer comes for nothing");
      lab.timeout();
    }
    assert.equal(lab.lost.length, gaps.length - 1);
    assert.equal(lab.recovery.bytesInFlight, 0);
  }));
});

Deno.test("recovery: an ACK of a packet never sent is told, one of a packet long settled is not", () => {
  const lab = new Lab();
  assert.equal(lab.ack(0, 0), false);
  lab.send(3);
  assert.equal(lab.ack(0, 3), false);
  assert.equal(lab.ack(0, 2), true);
  assert.equal(lab.ack(0, 2), true);
  assert.deepEqual(lab.acked.sort(), [0, 1, 2]);
});

Deno.test("recovery: under random acknowledgements each packet is settled once and the bytes in flight add up", () => {
  const step = fc.oneof(
    fc.record({ send: fc.integer({ min: 1, max: 5 }), elicits: fc.boolean() }),
    fc.record({ ack: fc.nat(), width: fc.nat(6), more: fc.boolean() }),
    fc.record({ wait: fc.nat(100) }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
    const lab = new Lab();
    let sent = 0;
    let eliciting = 0;
    for (const item of steps) {
      if ("send" in item) {
        lab.send(item.send, { ackEliciting: item.elicits });
        sent += item.send;
        if (item.elicits) eliciting += item.send;
      } else if ("wait" in item) {
        lab.now += item.wait;
        if (lab.recovery.deadline <= lab.now) lab.recovery.onTimeout(lab.now);
      } else if (sent > 0) {
        const high = item.ack % sent;
        const low = Math.max(0, high - item.width);
        assert.ok(item.more && low >= 4 ? lab.ack(low, high, low - 4, low - 3) : lab.ack(low, high));
      }
      // What was judged lost may arrive after all; nothing else happens twice.
      assert.equal(new Set(lab.acked).size, lab.acked.length);
      assert.equal(new Set(lab.lost).size, lab.lost.length);
      assert.ok(lab.recovery.bytesInFlight >= 0 && lab.recovery.bytesInFlight <= eliciting * SIZE);
    }
    if (sent === 0) return;
    lab.now += 10_000;
    lab.send(4);
    lab.now += 10;
    lab.ack(sent, sent + 3);
    assert.equal(lab.recovery.bytesInFlight, 0);
    assert.equal(lab.recovery.heldPackets, 0);
  }));
});

Deno.test("recovery: probes are asked for two at a time, and their time doubles until an answer comes", () => {
  const lab = new Lab();
  lab.send();
  const pto = 100 + 200 + 5;
  assert.equal(lab.recovery.deadline, 1_000 + pto);
  lab.timeout();
  assert.deepEqual([lab.recovery.probesDue, lab.recovery.ptoCount], [2, 1]);
  lab.send();
  assert.equal(lab.recovery.deadline, lab.now + 2 * pto);
  lab.timeout();
  assert.equal(lab.recovery.deadline, lab.now - 2 * pto + 4 * pto);
  lab.ack(1, 1);
  assert.deepEqual([lab.recovery.probesDue, lab.recovery.ptoCount], [0, 0]);
});

Deno.test("recovery: ACK-only packets are not in flight and start no timer", () => {
  const lab = new Lab();
  lab.send(10, { ackEliciting: false });
  assert.equal(lab.recovery.bytesInFlight, 0);
  assert.equal(lab.recovery.deadline, Infinity);
  assert.equal(lab.recovery.heldPackets, 1);
});

Deno.test("recovery: a lost size probe is no congestion", () => {
  const lab = new Lab();
  lab.send(1, { sizeProbe: true, size: 1452 });
  lab.send(4);
  lab.now += 20;
  lab.ack(1, 4);
  assert.deepEqual(lab.lost, [0]);
  assert.equal(lab.recovery.lostPackets, 0);
  assert.ok(lab.recovery.congestion.inSlowStart);
});

Deno.test("recovery: persistent congestion needs losses without a gap over three probe time-outs", () => {
  for (const [gap, isPersistent] of [[false, true], [true, false]]) {
    const lab = new Lab();
    lab.send();
    lab.now += 20;
    lab.ack(0, 0);
    // 20 + 4 * 10 + 5
    const pto = lab.recovery.rtt.pto(5);
    assert.equal(pto, 65);
    for (let i = 1; i <= 8; i++) {
      lab.now += pto;
      lab.send();
    }
    lab.send(3);
    lab.now += 20;
    if (gap) lab.ack(9, 11, 6, 6, 3, 3);
    else lab.ack(9, 11);
    assert.ok(lab.lost.length >= 6);
    assert.equal(lab.recovery.congestion.window === 2 * SIZE, isPersistent, `gap ${gap}`);
  }
});

Deno.test("recovery: losses before the first sample are no persistent congestion", () => {
  const lab = new Lab();
  for (let i = 0; i < 6; i++) {
    lab.send();
    lab.now += 2_000;
  }
  lab.ack(5, 5);
  assert.ok(lab.recovery.congestion.window > 2 * SIZE);
});

Deno.test("recovery: the first repair of a loss goes beyond the window, one packet only", () => {
  const lab = new Lab();
  lab.send(10);
  lab.now += 50;
  const mtu = new PathMtu({ hostname: "192.0.2.1", port: 1 }, SIZE, SIZE);
  const gate = new SendGate(lab.recovery, mtu);
  assert.ok(!gate.isOpen(lab.now), "the window is full");
  lab.ack(3, 3);
  assert.deepEqual(lab.lost, [0]);
  // Eight in flight, and room for seven.
  assert.ok(lab.recovery.bytesInFlight > lab.recovery.window);
  assert.ok(gate.isOpen(lab.now));
  lab.send();
  assert.ok(!gate.isOpen(lab.now));
  // A further loss of the same round trip is no new reaction.
  lab.ack(5, 5, 3, 3);
  assert.ok(lab.lost.length > 1);
  assert.ok(!gate.isOpen(lab.now) || lab.recovery.bytesInFlight + SIZE <= lab.recovery.window);
});

Deno.test("recovery: on a short path no more is in flight than the peer's socket holds", () => {
  const lab = new Lab();
  lab.recovery.peerReceiveBuffer = 5 * SIZE;
  assert.equal(lab.recovery.window, 10 * SIZE);
  lab.send();
  lab.now += 0.5;
  lab.ack(0, 0);
  assert.equal(lab.recovery.window, 5 * SIZE);
  lab.recovery.peerReceiveBuffer = 0;
  assert.equal(lab.recovery.window, 2 * SIZE, "two packets in any case");
});
