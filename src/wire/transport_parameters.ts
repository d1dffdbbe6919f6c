/**
 * Transport parameters (`protocol.md` 2.2): a list of varint id, varint length, value. Ids of RFC 9000 §18.2 keep
 * their meaning; unknown ids are skipped.
 *
 * @module
 */

import { DecodeError } from "../errors.ts";
import { decodeUtf8, encodeUtf8Within } from "./bytes.ts";
import { varintLength, VarintReader, writeVarint } from "./varint.ts";

/** What one side tells the other in the handshake. */
export interface TransportParameters {
  /** Milliseconds of silence after which the session ends. */
  readonly maxIdleTimeout: number;
  /** Largest UDP payload that this side receives, bytes. */
  readonly maxUdpPayloadSize: number;
  /** Connection flow-control credit, bytes. */
  readonly initialMaxData: number;
  /** Credit on streams that the sender of these parameters opened, bytes. */
  readonly initialMaxStreamDataBidiLocal: number;
  /** Credit on streams that the receiver of these parameters opens, bytes. */
  readonly initialMaxStreamDataBidiRemote: number;
  /** Streams that the receiver of these parameters may open. */
  readonly initialMaxStreamsBidi: number;
  /** Power of two by which ACK delays are scaled, microseconds. */
  readonly ackDelayExponent: number;
  /** Longest time that this side holds back an ACK, milliseconds. */
  readonly maxAckDelay: number;
  /** Longest DATAGRAM frame that this side takes, bytes; 0 for none (RFC 9221 §3). */
  readonly maxDatagramFrameSize: number;
  /** Bytes of datagrams that this side's socket queues. */
  readonly receiveBuffer: number;
  /** Program name and version, for people. */
  readonly agent: string;
  /** Feature bits, 0 for now. */
  readonly features: number;
}

/** Values that hold where a parameter is absent (RFC 9000 §18.2; `protocol.md` 2.2 for our own). */
export const ABSENT_PARAMETERS: TransportParameters = {
  maxIdleTimeout: 0,
  maxUdpPayloadSize: 65527,
  initialMaxData: 0,
  initialMaxStreamDataBidiLocal: 0,
  initialMaxStreamDataBidiRemote: 0,
  initialMaxStreamsBidi: 0,
  ackDelayExponent: 3,
  maxAckDelay: 25,
  maxDatagramFrameSize: 0,
  receiveBuffer: 128 * 1024,
  agent: "",
  features: 0,
};

/** A reserved id (RFC 9000 §18.1: 31 N + 27) that carries padding. */
const PADDING_ID = 27;
/** Longest agent text, bytes. */
const MAX_AGENT = 128;
const AGENT_ID = 0x4802;

type NumericName = Exclude<keyof TransportParameters, "agent">;

interface NumericParameter {
  readonly id: number;
  readonly name: NumericName;
  readonly min: number;
  readonly max: number;
}

const NUMERIC: readonly NumericParameter[] = [
  { id: 0x01, name: "maxIdleTimeout", min: 0, max: Number.MAX_SAFE_INTEGER },
  { id: 0x03, name: "maxUdpPayloadSize", min: 1200, max: Number.MAX_SAFE_INTEGER },
  { id: 0x04, name: "initialMaxData", min: 0, max: Number.MAX_SAFE_INTEGER },
  { id: 0x05, name: "initialMaxStreamDataBidiLocal", min: 0, max: Number.MAX_SAFE_INTEGER },
  { id: 0x06, name: "initialMaxStreamDataBidiRemote", min: 0, max: Number.MAX_SAFE_INTEGER },
  { id: 0x08, name: "initialMaxStreamsBidi", min: 0, max: 2 ** 50 },
  { id: 0x0a, name: "ackDelayExponent", min: 0, max: 20 },
  { id: 0x0b, name: "maxAckDelay", min: 0, max: 2 ** 14 },
  { id: 0x20, name: "maxDatagramFrameSize", min: 0, max: Number.MAX_SAFE_INTEGER },
  { id: 0x4801, name: "receiveBuffer", min: 0, max: Number.MAX_SAFE_INTEGER },
  { id: 0x4803, name: "features", min: 0, max: Number.MAX_SAFE_INTEGER },
];
const BY_ID = new Map(NUMERIC.map((parameter) => [parameter.id, parameter]));

/** Encodes parameters; `padTo` fills with a reserved parameter up to that many bytes, where they are fewer. */
export function encodeTransportParameters(parameters: TransportParameters, padTo = 0): Uint8Array {
  const out = new Uint8Array(Math.max(padTo, 0) + 512);
  let at = 0;
  for (const { id, name } of NUMERIC) {
    const value = parameters[name];
    at = writeVarint(out, at, id);
    at = writeVarint(out, at, varintLength(value));
    at = writeVarint(out, at, value);
  }
  const agent = encodeUtf8Within(parameters.agent, MAX_AGENT);
  at = writeVarint(out, at, AGENT_ID);
  at = writeVarint(out, at, agent.length);
  out.set(agent, at);
  at += agent.length;
  // Id and a two-byte length take three bytes; a gap shorter than that needs no filling.
  const missing = padTo - at - 3;
  if (missing > 0) {
    at = writeVarint(out, at, PADDING_ID);
    out[at++] = 0x40 | (missing >>> 8);
    out[at++] = missing & 0xff;
    at += missing;
  }
  return out.slice(0, at);
}

/** Decodes parameters. Throws {@linkcode DecodeError} on truncation, a repeated id or a value out of range. */
export function decodeTransportParameters(bytes: Uint8Array): TransportParameters {
  const parameters: Record<string, number | string> = { ...ABSENT_PARAMETERS };
  const seen = new Set<number>();
  const reader = new VarintReader(bytes);
  const value = new VarintReader(bytes);
  while (reader.remaining > 0) {
    const id = reader.varint();
    const length = reader.varint();
    const start = reader.at;
    const raw = reader.bytes(length);
    const numeric = BY_ID.get(id);
    if (numeric === undefined && id !== AGENT_ID) continue;
    if (seen.has(id)) {
      throw new DecodeError(`Decode transport parameters: id 0x${id.toString(16)} appears twice`);
    }
    seen.add(id);
    if (numeric === undefined) {
      parameters.agent = agentText(raw);
      continue;
    }
    const number = value.reset(bytes, start, start + length).varint();
    if (value.remaining !== 0 || number < numeric.min || number > numeric.max) {
      throw new DecodeError(`Decode transport parameters: ${numeric.name} is out of range`);
    }
    parameters[numeric.name] = number;
  }
  return parameters as unknown as TransportParameters;
}

function agentText(raw: Uint8Array): string {
  try {
    if (raw.length <= MAX_AGENT) return decodeUtf8(raw);
  } catch (cause) {
    throw new DecodeError("Decode transport parameters: agent is not UTF-8", { cause });
  }
  throw new DecodeError(
    `Decode transport parameters: agent has ${raw.length} bytes, at most ${MAX_AGENT} allowed`,
  );
}
