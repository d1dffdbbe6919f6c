/**
 * A session whose peer has keys and ill will: whatever frames come, it lives or closes with a code, answers within
 * bounds, holds no more than it was sent, and is gone in the end.
 *
 * @module
 */

import assert from "node:assert/strict";
import { HawserError } from "../../src/errors.ts";
import { DEFAULT_TRANSPORT, ErrorCode } from "../../src/transport/config.ts";
import type { Stream } from "../../src/transport/stream.ts";
import { FrameType } from "../../src/wire/frame.ts";
import type { TransportParameters } from "../../src/wire/transport_parameters.ts";
import type { Frame } from "../sim/frames.ts";
import { HEADER, LoneSession } from "../sim/lone_session.ts";
import { Prng } from "../sim/prng.ts";
import { writeFrame } from "../support/frame_model.ts";
import { mutate } from "./mutate.ts";
import type { Feed, FuzzTarget } from "./target.ts";

/** Packets of one session. */
const PACKETS = 40;
/** Streams that the application on our side opens at most. */
const MAX_OURS = 8;
/** Bytes that it writes at a time. */
const WRITE = 5_000;
/** Packets sent in answer to one, besides those of the streams: probes, ACKs, credit, keep-alive within a second. */
const MAX_ANSWERS = 24;
/** Least that a packet carries of what waits on a stream, bytes. */
const LEAST_CARRIED = 500;
/** Longest that a session lingers with the slowest peer that may be: three times its probe time-out, and room. */
const LINGER = 600_000;

// What the first byte of an input tells besides the frames behind it.
const RUNS = [0, 1, 30, 700];
const SKIPS_NUMBER = 0x04;
const ACKS_ALL = 0x08;
const ACTS = 0x10;

const NUMBERS = [0, 1, 3, 4, 8, 63, 64, 1_000, 16_384, 2 ** 20 - 1, 2 ** 20, 2 ** 24, 2 ** 32, 2 ** 53 - 1];

/** What the peer says of itself in the handshake. */
function peerOf(random: Prng): Partial<TransportParameters> {
  return random.pick<Partial<TransportParameters>>([
    {},
    { initialMaxData: 0, initialMaxStreamsBidi: 0 },
    { initialMaxStreamDataBidiLocal: 0, initialMaxStreamDataBidiRemote: 7 },
    { maxUdpPayloadSize: 1_200, maxDatagramFrameSize: 0, receiveBuffer: 0 },
    { maxAckDelay: 2 ** 14, ackDelayExponent: 20, maxIdleTimeout: 1 },
    { maxIdleTimeout: 0, maxDatagramFrameSize: 3 },
  ]);
}

/** What an honest peer knows when it makes a frame. */
interface Known {
  /** Whether the fuzzed side began the session. */
  readonly initiator: boolean;
  /** Streams that the fuzzed side opened. */
  readonly opened: number;
  /** Number of the fuzzed side's next packet. */
  readonly nextPacketNumber: number;
}

/** Streams that the peer uses. */
const PEER_STREAMS = 6;

/** What the peer sends on every stream: all of it, or less if it gives up. */
const CONTENT = new Uint8Array(180).fill(7);
CONTENT.set(HEADER);

/** A frame that an honest peer could send, at least if what was sent before had been different. */
function honest(random: Prng, known: Known): Frame {
  const ours = known.initiator ? 0 : 1;
  const id = known.opened > 0 && random.chance(0.3)
    ? 4 * random.int(known.opened) + ours
    : 4 * random.int(PEER_STREAMS) + 1 - ours;
  const kind = random.int(20);
  switch (kind) {
    case 0:
      return { type: "reset_stream", id, code: random.pick(NUMBERS), finalSize: CONTENT.length };
    case 1:
      return { type: "stop_sending", id, code: random.pick(NUMBERS) };
    case 2:
      return { type: random.chance(0.5) ? "max_data" : "max_streams", maximum: random.pick(NUMBERS) };
    case 3:
      return { type: "max_stream_data", id, maximum: random.pick(NUMBERS) };
    case 4:
      return { type: "blocked", frameType: random.pick([FrameType.DATA_BLOCKED, FrameType.STREAMS_BLOCKED]) };
    case 5:
      return { type: random.chance(0.5) ? "path_challenge" : "path_response", data: random.bytes(8) };
    case 6:
      return { type: "datagram", data: random.bytes(random.int(60)) };
    case 7:
      return random.chance(0.05) ? { type: "connection_close", code: 1, reason: "fuzz" } : { type: "ping" };
    case 8:
    case 9:
    case 10:
      return known.nextPacketNumber === 0 ? { type: "ping" } : ackOf(random, known.nextPacketNumber);
    default: {
      const offset = random.chance(0.4) ? 0 : random.int(CONTENT.length);
      const end = random.chance(0.2) ? CONTENT.length : offset + random.int(CONTENT.length - offset);
      const fin = end === CONTENT.length && random.chance(0.7);
      return { type: "stream", id, offset, data: CONTENT.subarray(offset, end), fin };
    }
  }
}

function ackOf(random: Prng, next: number): Frame {
  const largest = next - 1 - (random.chance(0.5) ? 0 : random.int(next));
  const middle = random.int(largest + 1);
  const ranges = middle > 1 ? [middle, largest, random.int(middle - 1), middle - 2] : [middle, largest];
  return { type: "ack", largest, delay: random.pick([0, 10, 1_000, 2 ** 32]), ranges };
}

/** A frame whose numbers are anything. */
function odd(random: Prng): Frame {
  const [id, number] = [random.pick(NUMBERS), random.pick(NUMBERS)];
  switch (random.int(5)) {
    case 0:
      return { type: "ack", largest: number, delay: id, ranges: [random.chance(0.5) ? 0 : number, number] };
    case 1:
      return { type: "reset_stream", id, code: number, finalSize: random.pick(NUMBERS) };
    case 2:
      return { type: "stop_sending", id, code: number };
    case 3:
      return { type: "max_stream_data", id, maximum: number };
    default: {
      const offset = Math.min(number, 2 ** 52);
      return { type: "stream", id, offset, data: random.bytes(random.int(20)), fin: random.chance(0.3) };
    }
  }
}

/** Frames of one packet: mostly an honest peer's, so that sessions live long enough to get into trouble. */
export function hostilePacket(random: Prng, known: Known): Uint8Array {
  const honestPacket = () => {
    const out = new Uint8Array(2_000);
    let at = 0;
    for (let n = 1 + random.int(5); n > 0; n--) {
      at = writeFrame(out, at, random.chance(0.01) ? odd(random) : honest(random, known));
    }
    return out.slice(0, at);
  };
  if (!random.chance(0.03)) return honestPacket();
  return mutate(random, [honestPacket(), honestPacket()]);
}

/** What an application does with the streams it has. Returns how many more it opened. */
function act(lone: LoneSession, how: number): number {
  const { session, streams } = lone;
  const stream: Stream | undefined = streams[how % Math.max(1, streams.length)];
  try {
    switch (how & 7) {
      case 0:
      case 1:
        while (stream?.read() !== undefined);
        break;
      case 2:
        stream?.write(new Uint8Array(WRITE));
        break;
      case 3:
        stream?.finish();
        break;
      case 4:
        stream?.reset(how);
        break;
      case 5:
        stream?.stop(how);
        break;
      case 6:
        session.datagrams.send(new Uint8Array(how));
        break;
      default:
        if (session.streams.canOpen && streams.length < MAX_OURS + PEER_STREAMS) {
          streams.push(session.streams.open({ protocol: 0, priority: how & 7, weight: 16 }));
          return 1;
        }
    }
  } catch (error) {
    // What has ended says so.
    if (!(error instanceof HawserError)) throw error;
  }
  return 0;
}

/** Since a session closed: packets that came, and its answers. */
interface Aftermath {
  came: number;
  said: number;
}

/** RFC 9000 §10.2.1: ever more rarely; besides, a close is said three times of its own accord. */
function checkAftermath({ came, said }: Aftermath): void {
  assert.ok(said <= 4 + Math.log2(1 + came), `${said} answers to ${came} packets after the close`);
}

function checkBounds(lone: LoneSession, fed: number, packets: number, written: number): void {
  const { session, ends } = lone;
  assert.ok(ends.length <= 1, "ended twice");
  assert.equal(session.isOpen, ends.length === 0);
  assert.ok(session.streams.size <= DEFAULT_TRANSPORT.maxStreams + MAX_OURS);
  const held = lone.streams.reduce((sum, { receiving }) => sum + receiving.readable, 0);
  assert.ok(held + session.streams.segments <= fed, `holds ${held} of ${fed} bytes`);
  const { recovery } = session;
  assert.ok(recovery.heldPackets <= session.nextPacketNumber);
  assert.ok(recovery.bytesInFlight >= 0 && recovery.window > 0 && recovery.rtt.smoothed >= 0);
  assert.ok(!Number.isNaN(session.deadline) && !Number.isNaN(recovery.rtt.smoothed));
  const most = MAX_ANSWERS + written / LEAST_CARRIED;
  assert.ok(packets <= most, `${packets} packets in answer to one, at most ${most} are in order`);
  session.throwDefect();
}

function run(seed: number, feed: Feed): void {
  const world = new Prng(seed);
  const random = world.fork();
  const lone = new LoneSession({ initiator: world.chance(0.5), peer: peerOf(world) });
  let fed = 0;
  let opened = 0;
  const after: Aftermath = { came: 0, said: 0 };
  for (let i = 0; i < PACKETS; i++) {
    const input = feed.next(() => {
      const control = random.int(4) | (random.chance(0.05) ? SKIPS_NUMBER : 0) |
        (random.chance(0.2) ? ACKS_ALL : 0) | (random.chance(0.5) ? ACTS : 0) | (random.int(8) << 5);
      const { initiator, nextPacketNumber } = lone.session;
      return Uint8Array.from([control, ...hostilePacket(random, { initiator, opened, nextPacketNumber })]);
    });
    if (input === undefined) break;
    const control = input[0] ?? 0;
    if (control & SKIPS_NUMBER) lone.skip(3);
    if (control & ACKS_ALL) lone.ackAll();
    fed += input.length;
    lone.feed(input.subarray(1));
    if (control & ACTS) opened += act(lone, (control >>> 5) + 8 * i);
    const wasOpen = lone.session.isOpen;
    const packets = lone.poll().length + lone.run(RUNS[control & 3]).length;
    checkBounds(lone, fed, packets, WRITE * i);
    if (wasOpen) continue;
    after.came += 2;
    after.said += packets;
    checkAftermath(after);
  }
  lone.session.close(ErrorCode.NO_ERROR, "", lone.now);
  lone.run(LINGER);
  assert.ok(lone.session.isGone);
  assert.equal(lone.session.deadline, Infinity);
  assert.equal(lone.session.streams.size, 0);
  assert.equal(lone.session.streams.segments, 0);
  assert.equal(lone.session.datagrams.hasPending, false);
}

/** See the module. */
export const SESSION: FuzzTarget = { name: "session", share: 25, inputsPerCase: PACKETS, run };
