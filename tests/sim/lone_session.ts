/**
 * One session without a peer: tests write its packets by hand and look at what it answers.
 *
 * @module
 */

import type { SocketAddress } from "../../src/transport/address.ts";
import { DEFAULT_TRANSPORT, MAX_ACK_DELAY, type TransportOptions } from "../../src/transport/config.ts";
import { localParameters } from "../../src/transport/local_parameters.ts";
import { SessionState } from "../../src/transport/session.ts";
import type { SessionEnd } from "../../src/transport/session_end.ts";
import type { Stream } from "../../src/transport/stream.ts";
import { encodeStreamHeader } from "../../src/transport/stream_header.ts";
import { concatBytes } from "../../src/wire/bytes.ts";
import {
  FrameType,
  writeAck,
  writeConnectionClose,
  writeDatagramHeader,
  writePathFrame,
  writeSimpleFrame,
  writeStreamHeader,
} from "../../src/wire/frame.ts";
import type { TransportParameters } from "../../src/wire/transport_parameters.ts";
import { type Frame, framesOf } from "./frames.ts";

/** A packet that the session sent. */
export interface SentByLone {
  readonly packetNumber: number;
  readonly at: number;
  readonly length: number;
  readonly frames: readonly Frame[];
}

/** What a lone session is made of. */
export interface LoneOptions {
  readonly initiator?: boolean;
  readonly transport?: Partial<TransportOptions>;
  readonly peer?: Partial<TransportParameters>;
  readonly path?: SocketAddress;
}

/** Bytes of a header that opens a stream with default settings. */
export const HEADER: Uint8Array = encodeStreamHeader({ protocol: 0, priority: 3, weight: 16 });

/** A session under the test's thumb. */
export class LoneSession {
  readonly session: SessionState;
  readonly ends: SessionEnd[] = [];
  readonly streams: Stream[] = [];
  readonly datagrams: Uint8Array[] = [];
  readonly sent: SentByLone[] = [];
  readonly challenges: Uint8Array[] = [];
  now = 1_000;
  onStream: ((stream: Stream) => void) | undefined;
  #nextPacketNumber = 0;
  readonly #out = new Uint8Array(65_536);

  constructor({ initiator = false, transport, peer, path }: LoneOptions = {}) {
    const options = { ...DEFAULT_TRANSPORT, ...transport };
    this.session = new SessionState(
      initiator,
      { ...localParameters(DEFAULT_TRANSPORT, 65_507), maxAckDelay: MAX_ACK_DELAY, ...peer },
      options,
      path ?? { hostname: "192.0.2.1", port: 1 },
      {
        onStream: (stream) => {
          this.streams.push(stream);
          this.onStream?.(stream);
        },
        onDatagram: (bytes) => void this.datagrams.push(bytes),
        onPathChallenge: (data) => void this.challenges.push(data.slice()),
        onPathResponse: () => {},
        onEnd: (end) => void this.ends.push(end),
        onWake: () => {},
      },
      this.now,
    );
  }

  /** Gives the session a packet made of frames; whether it took it. */
  feed(...frames: Uint8Array[]): boolean {
    return this.feedNumbered(this.#nextPacketNumber, ...frames);
  }

  /** The same with a packet number. */
  feedNumbered(packetNumber: number, ...frames: Uint8Array[]): boolean {
    this.#nextPacketNumber = packetNumber + 1;
    const plaintext = concatBytes(frames);
    return this.session.receive(packetNumber, plaintext, plaintext.length + 32, this.now);
  }

  /** Leaves packet numbers out, as if so many packets were lost. */
  skip(packets: number): void {
    this.#nextPacketNumber += packets;
  }

  /** Takes everything that the session sends now. */
  poll(): SentByLone[] {
    const packets: SentByLone[] = [];
    for (;;) {
      const packetNumber = this.session.nextPacketNumber;
      const length = this.session.poll(this.#out, this.now);
      if (length === 0) break;
      const frames = framesOf(this.#out.subarray(0, length));
      packets.push({ packetNumber, at: this.now, length: length + 32, frames });
    }
    this.sent.push(...packets);
    return packets;
  }

  /** Frames of everything that the session sends now. */
  frames(): Frame[] {
    return this.poll().flatMap(({ frames }) => frames);
  }

  /** Acknowledges every packet sent so far. */
  ackAll(delay = 0): boolean {
    const { nextPacketNumber } = this.session;
    return nextPacketNumber === 0 || this.feed(frame.ack([0, nextPacketNumber - 1], delay));
  }

  /** Lets time pass, running timers and sending as it goes. */
  run(milliseconds: number): SentByLone[] {
    const until = this.now + milliseconds;
    const packets = this.poll();
    for (let turns = 0; this.session.deadline <= until; turns++) {
      if (turns > 100_000) throw new Error(`time stands still at ${this.now}`);
      this.now = Math.max(this.now, this.session.deadline);
      this.session.onTimeout(this.now);
      packets.push(...this.poll());
    }
    this.now = until;
    return packets;
  }

  /** Code with which the session closed; `undefined` while it lives. */
  get closeCode(): number | undefined {
    return this.ends[0]?.code;
  }
}

function build(write: (out: Uint8Array) => number): Uint8Array {
  const out = new Uint8Array(70_000);
  return out.slice(0, write(out));
}

/** Frames to feed. */
export const frame = {
  ping: new Uint8Array([FrameType.PING]),
  padding: (length: number): Uint8Array => new Uint8Array(length),
  simple: (type: number, ...values: number[]): Uint8Array =>
    build((out) => writeSimpleFrame(out, 0, type, ...values)),
  ack: (ranges: readonly number[], delay = 0): Uint8Array => build((out) => writeAck(out, 0, ranges, delay)),
  stream: (id: number, offset: number, data: Uint8Array, fin = false): Uint8Array =>
    build((out) => {
      const at = writeStreamHeader(out, 0, id, offset, data.length, fin);
      out.set(data, at);
      return at + data.length;
    }),
  datagram: (data: Uint8Array): Uint8Array =>
    build((out) => {
      const at = writeDatagramHeader(out, 0, data.length);
      out.set(data, at);
      return at + data.length;
    }),
  close: (code: number, reason = ""): Uint8Array =>
    build((out) => writeConnectionClose(out, 0, code, reason)),
  pathChallenge: (data: Uint8Array): Uint8Array =>
    build((out) => writePathFrame(out, 0, FrameType.PATH_CHALLENGE, data)),
};
