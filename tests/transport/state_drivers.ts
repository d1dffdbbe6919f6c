/**
 * Brings real objects into each of their states, lets each event happen there, and says in words what came of it. The
 * words are compared with `state_tables.ts`.
 *
 * @module
 */

import { mac, mac1Key } from "../../src/crypto/mac.ts";
import { ErrorCode } from "../../src/transport/config.ts";
import { datagramsDropped, type DropCounters, zeroCounters } from "../../src/transport/counters.ts";
import type { Stream } from "../../src/transport/stream.ts";
import { FrameType } from "../../src/wire/frame.ts";
import {
  DATA_HEADER,
  mac1Field,
  mac1Input,
  PacketType,
  readU32,
  TAG_LENGTH,
  writeDataHeader,
} from "../../src/wire/packet.ts";
import type { Frame } from "../sim/frames.ts";
import { frame, HEADER, LoneSession } from "../sim/lone_session.ts";
import { SimNetwork } from "../sim/network.ts";
import type { SimNode } from "../sim/node.ts";

/** How a table is driven: `make` gives a state, `events` let something happen, `describe` tells what came of it. */
export interface Driver<T> {
  readonly make: Record<string, () => T>;
  readonly events: Record<string, (subject: T) => void>;
  describe(subject: T, act: () => void): string;
}

/** What came of an event, as the tables put it; states first. */
function words(before: string, after: string, ...effects: string[]): string {
  const state = before === after ? "" : `→ ${after}`;
  return [state, ...effects].filter((text) => text !== "").join("; ") || "—";
}

function codeName(code: number): string {
  return Object.entries(ErrorCode).find(([, value]) => value === code)?.[0] ?? String(code);
}

/** Runs an action; the name of what it throws, or nothing. */
function thrownBy(action: () => void): string {
  try {
    action();
    return "";
  } catch (error) {
    return `throws ${(error as Error).name}`;
  }
}

const bytes = (length: number) => new Uint8Array(length).fill(1);

// --- streams ---

/** A stream of a session that its peer opened. */
interface OnStream {
  readonly lone: LoneSession;
  readonly stream: Stream;
}

/** Bytes of the peer's direction, header included. */
const FINAL_SIZE = 50;
/** Bytes of ours. */
const OURS = 10;

function openStream(): OnStream {
  const lone = new LoneSession({ peer: { maxUdpPayloadSize: 1200 } });
  lone.feed(frame.stream(0, 0, HEADER));
  const [stream] = lone.streams;
  lone.run(10);
  return { lone, stream };
}

function make(...steps: ((on: OnStream) => void)[]): () => OnStream {
  return () => {
    const on = openStream();
    for (const step of steps) step(on);
    return on;
  };
}

const send = ({ lone, stream }: OnStream) => {
  stream.write(bytes(OURS));
  lone.poll();
};
const finish = ({ lone, stream }: OnStream) => {
  stream.finish();
  lone.poll();
};
const reset = ({ lone, stream }: OnStream) => {
  stream.reset(7);
  lone.poll();
};
const ack = ({ lone }: OnStream) => void lone.ackAll();
const give = (from: number, to: number, fin = false) => ({ lone }: OnStream) =>
  void lone.feed(frame.stream(0, from, bytes(to - from), fin));
const read = ({ stream }: OnStream) => {
  while (stream.read() !== undefined);
};
const endSession = ({ lone }: OnStream) => lone.session.close(ErrorCode.NO_ERROR, "", lone.now);

/** Everything sent so far is judged lost: what was sent after it arrived. */
function lose({ lone }: OnStream): void {
  const first = lone.session.nextPacketNumber;
  for (let i = 0; i < 4; i++) {
    lone.session.ping();
    lone.poll();
  }
  lone.feed(frame.ack([first, first + 3]));
}

function namesOf(frames: readonly Frame[]): string[] {
  return frames.flatMap((sent) => {
    if (sent.type === "stream") return [sent.fin ? "STREAM+FIN" : "STREAM"];
    if (sent.type === "connection_close") return [`CONNECTION_CLOSE ${codeName(sent.code)}`];
    return sent.type === "ack" || sent.type === "ping" ? [] : [sent.type.toUpperCase()];
  });
}

/** What an event changes in one direction of a stream. */
function describeStream(state: (stream: Stream) => string, error: (stream: Stream) => Error | undefined) {
  return ({ lone, stream }: OnStream, act: () => void): string => {
    const before = state(stream);
    const errorBefore = error(stream);
    const thrown = thrownBy(act);
    const after = state(stream);
    const told = error(stream);
    const code = lone.closeCode;
    const closed = code === undefined || code === ErrorCode.NO_ERROR
      ? ""
      : `session closes with ${codeName(code)}`;
    const sent = namesOf([...lone.frames(), ...lone.run(30).flatMap(({ frames }) => frames)])
      .filter((name) => !name.startsWith("CONNECTION_CLOSE"));
    return words(
      before,
      after,
      sent.length > 0 ? `sends ${[...new Set(sent)].join(", ")}` : "",
      thrown,
      told !== errorBefore && closed === "" ? `application gets ${told!.name}` : "",
      closed,
    );
  };
}

/** RFC 9000 §3.1. */
export const SENDING: Driver<OnStream> = {
  make: {
    send: make(send),
    data_sent: make(send, finish),
    data_recvd: make(send, finish, ack),
    reset_sent: make(send, reset),
    reset_recvd: make(send, reset, ack),
  },
  events: {
    "application writes": ({ stream }) => stream.write(bytes(5)),
    "application ends": ({ stream }) => stream.finish(),
    "application resets": ({ stream }) => stream.reset(9),
    "all sent is acknowledged": ack,
    "all sent is lost": lose,
    "STOP_SENDING comes": ({ lone }) => void lone.feed(frame.simple(FrameType.STOP_SENDING, 0, 4)),
    "MAX_STREAM_DATA comes": ({ lone }) =>
      void lone.feed(frame.simple(FrameType.MAX_STREAM_DATA, 0, 2 ** 30)),
    "session ends": endSession,
  },
  describe: describeStream((stream) => stream.sending.state, (stream) => stream.writeError),
};

const half = give(HEADER.length, 20);
const stop = ({ lone, stream }: OnStream) => {
  stream.stop(5);
  lone.poll();
};

/** RFC 9000 §3.2. */
export const RECEIVING: Driver<OnStream> = {
  make: {
    recv: make(half),
    "recv, stopped": make(half, stop),
    size_known: make(half, give(40, FINAL_SIZE, true)),
    data_recvd: make(half, give(20, FINAL_SIZE, true)),
    data_read: make(half, give(20, FINAL_SIZE, true), read),
    reset_read: make(
      half,
      ({ lone }) => void lone.feed(frame.simple(FrameType.RESET_STREAM, 0, 3, FINAL_SIZE)),
    ),
  },
  events: {
    "next data comes": give(20, 30),
    "all the rest comes, with FIN": give(20, FINAL_SIZE, true),
    "FIN comes, a gap before it": give(40, FINAL_SIZE, true),
    "data beyond the final size": give(FINAL_SIZE, FINAL_SIZE + 1),
    "another final size": give(40, FINAL_SIZE - 1, true),
    "data beyond the credit": give(2 ** 20, 2 ** 20 + 1),
    "RESET_STREAM comes": ({ lone }) =>
      void lone.feed(frame.simple(FrameType.RESET_STREAM, 0, 3, FINAL_SIZE)),
    "RESET_STREAM, another size": ({ lone }) =>
      void lone.feed(frame.simple(FrameType.RESET_STREAM, 0, 3, 19)),
    "application reads all": read,
    "application stops": ({ stream }) => stream.stop(6),
    "session ends": endSession,
  },
  describe: describeStream(
    ({ receiving }) =>
      receiving.state + (receiving.stopCode !== undefined && !receiving.terminal ? ", stopped" : ""),
    (stream) => stream.readError,
  ),
};

// --- sessions ---

function phaseOf({ session }: LoneSession): string {
  if (session.isOpen) return "open";
  if (session.isGone) return "gone";
  return ends.get(session) === "remote" ? "draining" : "closing";
}

/** Which side ended a session. */
const ends = new WeakMap<object, "local" | "remote">();

function lone(...steps: ((lone: LoneSession) => void)[]): () => LoneSession {
  return () => {
    const made = new LoneSession();
    for (const step of steps) step(made);
    made.poll();
    return made;
  };
}

const closeIt = (made: LoneSession) => made.session.close(ErrorCode.APPLICATION, "enough", made.now);
const peerCloses = (made: LoneSession) => void made.feed(frame.close(ErrorCode.APPLICATION, "bye"));

/** RFC 9000 §10. */
export const SESSION: Driver<LoneSession> = {
  make: {
    open: lone(),
    closing: lone(closeIt),
    draining: lone(peerCloses),
    gone: lone(closeIt, (made) => void made.run(60_000)),
  },
  events: {
    "a valid packet comes": (made) => void made.feed(frame.ping, frame.ping),
    "CONNECTION_CLOSE comes": peerCloses,
    "a malformed frame comes": (made) => void made.feed(new Uint8Array([0x21])),
    "application closes": closeIt,
    "a newer session replaces it": (made) => made.session.replace(made.now, true),
    "idle time-out passes": (made) => void made.run(30_000),
    "application opens a stream": (made) => {
      made.session.streams.open({ protocol: 0, priority: 3, weight: 16 });
    },
    "application sends a datagram": (made) => made.session.datagrams.send(bytes(3)),
    "application pings": (made) => made.session.ping(),
  },
  describe(made, act) {
    const note = () => {
      const [end] = made.ends;
      if (end !== undefined) ends.set(made.session, end.remote ? "remote" : "local");
    };
    note();
    const before = phaseOf(made);
    const sentBefore = made.sent.length;
    const endsBefore = made.ends.length;
    const thrown = thrownBy(act);
    made.run(1);
    note();
    const after = phaseOf(made);
    const sent = made.sent.slice(sentBefore).flatMap(({ frames }) => frames);
    const names = [...namesOf(sent), ...sent.filter(({ type }) => type === "ping").map(() => "PING")];
    const ended = made.ends.length > endsBefore ? made.ends[made.ends.length - 1] : undefined;
    return words(
      before,
      after,
      names.length > 0 ? `sends ${[...new Set(names)].join(", ")}` : "",
      thrown,
      ended === undefined ? "" : `application gets ${ended.error.name}`,
    );
  },
};

// --- handshakes ---

/** A node under test, and packets of its peer to give to it. */
interface Shaking {
  readonly role: "initiator" | "responder";
  readonly network: SimNetwork;
  readonly node: SimNode;
  readonly peer: SimNode;
  readonly initiation: Uint8Array;
  readonly response: Uint8Array;
  readonly data: Uint8Array;
}

type Stage = "initiating" | "half_open" | "established" | "gone";

/** Two nodes whose packets go nowhere but where this puts them; the one under test is at a stage. */
function shake(role: Shaking["role"], stage: Stage): Shaking {
  const network = new SimNetwork(7);
  const [a, b] = [network.node(), network.node()];
  const sent: { readonly from: SimNode; readonly datagram: Uint8Array }[] = [];
  network.tap = ({ from, datagram }) => {
    sent.push({ from, datagram });
    return false;
  };
  const last = (from: SimNode, type: number) =>
    sent.filter((one) => one.from === from && one.datagram[0] === type).at(-1)!.datagram;
  a.connect(b);
  a.flush();
  const initiation = last(a, PacketType.INITIATION);
  b.deliver(initiation, a.address);
  const response = last(b, PacketType.RESPONSE);
  if (role === "responder") {
    // The initiator goes on, so that its data is there to be given.
    a.deliver(response, b.address);
    a.flush();
    const data = last(a, PacketType.DATA);
    if (stage !== "half_open") b.deliver(data, a.address);
    const next = [...a.endpoint.connections][0];
    next.session!.ping();
    a.flush();
    const shaking: Shaking = {
      role,
      network,
      node: b,
      peer: a,
      initiation,
      response,
      data: last(a, PacketType.DATA),
    };
    return stage === "gone" ? leave(shaking) : shaking;
  }
  if (stage === "initiating") {
    // Nobody honest has a data packet for it yet.
    const data = new Uint8Array(DATA_HEADER + 2 * TAG_LENGTH);
    writeDataHeader(data, readU32(initiation, 4), 0);
    return { role, network, node: a, peer: b, initiation, response, data };
  }
  a.deliver(response, b.address);
  a.flush();
  b.deliver(last(a, PacketType.DATA), a.address);
  [...b.endpoint.connections][0].session!.ping();
  b.flush();
  const shaking: Shaking = {
    role,
    network,
    node: a,
    peer: b,
    initiation,
    response,
    data: last(b, PacketType.DATA),
  };
  return stage === "gone" ? leave(shaking) : shaking;
}

function leave(shaking: Shaking): Shaking {
  const { network, node } = shaking;
  node.endpoint.closeAll(ErrorCode.NO_ERROR, "", network.now);
  node.flush();
  network.run(5_000);
  return shaking;
}

function damaged(packet: Uint8Array, at: number): Uint8Array {
  const out = packet.slice();
  out[at] ^= 1;
  return out;
}

function stageOf({ node, role }: Shaking): string {
  const { endpoint } = node;
  if ([...endpoint.connections].length > 0) return "established";
  if (endpoint.size === 0) return "gone";
  if (endpoint.counters.sessionsEstablished > 0) return "lingering";
  return role === "initiator" ? "initiating" : "half_open";
}

/** Whether a counter is of those that dropped datagrams count in. */
function isDrop(name: string): boolean {
  return datagramsDropped({ ...zeroCounters(), [name]: 1 }) === 1;
}

/** Phases of `protocol.md` 2.1. */
export const HANDSHAKE: Driver<Shaking> = {
  make: {
    "initiating": () => shake("initiator", "initiating"),
    "half_open": () => shake("responder", "half_open"),
    "established, initiator": () => shake("initiator", "established"),
    "established, responder": () => shake("responder", "established"),
    "gone": () => shake("responder", "gone"),
  },
  events: {
    "the initiation comes (again)": ({ node, peer, initiation }) => node.deliver(initiation, peer.address),
    "the response comes (again)": ({ node, peer, response }) => node.deliver(response, peer.address),
    "a response comes that does not authenticate": ({ node, peer, response }) => {
      const forged = damaged(response, 50);
      mac1Field(forged).set(mac(mac1Key(node.id), mac1Input(forged)));
      node.deliver(forged, peer.address);
    },
    "a data packet comes": ({ node, peer, data }) => node.deliver(data, peer.address),
    "a data packet comes twice": ({ node, peer, data }) => {
      node.deliver(data, peer.address);
      node.deliver(data, peer.address);
    },
    "a data packet comes that does not authenticate": ({ node, peer, data }) =>
      node.deliver(damaged(data, data.length - 1), peer.address),
    "ten seconds pass": ({ network }) => network.run(10_001),
    "application gives up": ({ node, network }) => {
      node.endpoint.closeAll(ErrorCode.NO_ERROR, "", network.now);
      node.flush();
    },
  },
  describe(shaking, act) {
    const { node } = shaking;
    const { counters } = node.endpoint;
    const before = stageOf(shaking);
    const drops = { ...counters };
    const sentBefore = counters.datagramsSent;
    const endedBefore = node.ended.length;
    const types: string[] = [];
    const { network } = shaking;
    network.tap = ({ from, datagram }) => {
      if (from === node) types.push(["", "initiation", "response", "cookie", "data"][datagram[0]]);
      return false;
    };
    act();
    const after = stageOf(shaking);
    const dropped = (Object.keys(zeroCounters()) as (keyof DropCounters)[])
      .filter((name) => isDrop(name) && counters[name] > drops[name]);
    return words(
      before,
      after,
      counters.datagramsSent > sentBefore ? `sends ${[...new Set(types)].join(", ")}` : "",
      dropped.length > 0 ? `drops it: ${dropped.join(", ")}` : "",
      node.ended.length > endedBefore ? `application gets ${node.ended.at(-1)!.end.error.name}` : "",
    );
  },
};
