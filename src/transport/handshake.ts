/**
 * The two handshake messages (`protocol.md` 2.1): Noise IKpsk2 with transport parameters as payloads, mac1, and the
 * TAI64N time that keeps old initiations out.
 *
 * @module
 */

import { equalConstantTime, mac, mac1Key } from "../crypto/mac.ts";
import { NoiseHandshake } from "../crypto/noise.ts";
import type { KeyPair } from "../crypto/x25519.ts";
import { DecodeError } from "../errors.ts";
import { compareBytes, concatBytes, encodeUtf8 } from "../wire/bytes.ts";
import {
  INITIATION_HEADER,
  initiationPacket,
  mac1Field,
  mac1Input,
  MACS_LENGTH,
  readU32,
  RESPONSE_HEADER,
  responsePacket,
} from "../wire/packet.ts";
import {
  decodeTransportParameters,
  encodeTransportParameters,
  type TransportParameters,
} from "../wire/transport_parameters.ts";
import { INITIATION_PARAMETERS_LENGTH } from "./config.ts";

const PROLOGUE = encodeUtf8("hawser/1");
const NO_PSK = new Uint8Array(32);
/** Bytes of a TAI64N time. */
const TIME_LENGTH = 12;
/** TAI64 label of 1970-01-01 (https://cr.yp.to/libtai/tai64.html), leap seconds left out as WireGuard does. */
const TAI64_EPOCH = 0x4000_0000_0000_000an;

/** What both sides of a handshake know of themselves. */
export interface Identity {
  /** The node's static key pair. */
  readonly staticKey: KeyPair;
  /** The mesh key, or none. */
  readonly psk: Uint8Array | undefined;
  /** What the node tells its peers. */
  readonly parameters: TransportParameters;
  /** Random bytes, for ephemeral keys. */
  random(length: number): Uint8Array;
}

/** What a completed handshake gives. */
export interface HandshakeResult {
  /** The peer's static public key. */
  readonly peerKey: Uint8Array;
  /** Key for packets to the peer. */
  readonly sendKey: Uint8Array;
  /** Key for packets from the peer. */
  readonly receiveKey: Uint8Array;
  /** The index that the peer wants on packets to it. */
  readonly remoteIndex: number;
  /** What the peer told of itself. */
  readonly peer: TransportParameters;
}

/** TAI64N of a time in milliseconds, later than `previous` in any case. */
export function tai64n(wallClock: number, previous?: Uint8Array): Uint8Array {
  const out = new Uint8Array(TIME_LENGTH);
  const view = new DataView(out.buffer);
  const seconds = Math.floor(wallClock / 1000);
  view.setBigUint64(0, TAI64_EPOCH + BigInt(seconds));
  view.setUint32(8, Math.floor((wallClock - seconds * 1000) * 1e6));
  if (previous === undefined || compareBytes(out, previous) > 0) return out;
  out.set(previous);
  for (let i = TIME_LENGTH - 1; i >= 0 && (out[i] = (out[i] + 1) & 0xff) === 0; i--);
  return out;
}

/** Whether the mac1 of a handshake packet is right for the key that `key` was derived from. */
export function hasValidMac1(key: Uint8Array, packet: Uint8Array): boolean {
  return equalConstantTime(mac(key, mac1Input(packet)), mac1Field(packet));
}

/** The initiator's side: one initiation, any number of attempts to read a response. */
export class InitiatorHandshake {
  /** The initiation, the same bytes at every resend. */
  readonly packet: Uint8Array;
  readonly #noise: NoiseHandshake;

  constructor(identity: Identity, readonly peerKey: Uint8Array, senderIndex: number, time: Uint8Array) {
    this.#noise = newNoise(identity, true, peerKey);
    const parameters = encodeTransportParameters(identity.parameters, INITIATION_PARAMETERS_LENGTH);
    this.packet = initiationPacket(senderIndex, this.#noise.writeMessage(concatBytes([time, parameters])));
    sealMac1(this.packet, mac1Key(peerKey));
  }

  /** Reads a response whose mac1 is right. Throws when it does not authenticate; another may be read then. */
  readResponse(packet: Uint8Array): HandshakeResult {
    const payload = this.#noise.readMessage(packet.subarray(RESPONSE_HEADER, packet.length - MACS_LENGTH));
    const peer = decodeTransportParameters(payload);
    const keys = this.#noise.split();
    return {
      peerKey: this.peerKey,
      sendKey: keys.send,
      receiveKey: keys.receive,
      remoteIndex: readU32(packet, 4),
      peer,
    };
  }
}

/** An initiation that was read; {@linkcode ReceivedInitiation.respond} answers it. */
export class ReceivedInitiation {
  /** The initiator's static public key. */
  readonly peerKey: Uint8Array;
  /** TAI64N time. */
  readonly time: Uint8Array;
  readonly #noise: NoiseHandshake;
  readonly #peer: TransportParameters;
  readonly #remoteIndex: number;

  /** Reads an initiation whose mac1 is right. Throws when it does not authenticate or decode. */
  constructor(readonly identity: Identity, packet: Uint8Array) {
    this.#noise = newNoise(identity, false);
    const payload = this.#noise.readMessage(packet.subarray(INITIATION_HEADER, packet.length - MACS_LENGTH));
    if (payload.length < TIME_LENGTH) throw new DecodeError("Read initiation: no time in it");
    this.time = payload.slice(0, TIME_LENGTH);
    this.#peer = decodeTransportParameters(payload.subarray(TIME_LENGTH));
    this.#remoteIndex = readU32(packet, 4);
    this.peerKey = this.#noise.remoteStatic!;
  }

  /** The response and what follows from it. */
  respond(senderIndex: number): { packet: Uint8Array; result: HandshakeResult } {
    const parameters = encodeTransportParameters(this.identity.parameters);
    const packet = responsePacket(senderIndex, this.#remoteIndex, this.#noise.writeMessage(parameters));
    sealMac1(packet, mac1Key(this.peerKey));
    const keys = this.#noise.split();
    const result = {
      peerKey: this.peerKey,
      sendKey: keys.send,
      receiveKey: keys.receive,
      remoteIndex: this.#remoteIndex,
      peer: this.#peer,
    };
    return { packet, result };
  }
}

function newNoise(identity: Identity, initiator: boolean, remoteStatic?: Uint8Array): NoiseHandshake {
  return new NoiseHandshake({
    pattern: "IKpsk2",
    initiator,
    prologue: PROLOGUE,
    staticKey: identity.staticKey,
    remoteStatic,
    psk: identity.psk ?? NO_PSK,
    random: (length) => identity.random(length),
  });
}

function sealMac1(packet: Uint8Array, key: Uint8Array): void {
  mac1Field(packet).set(mac(key, mac1Input(packet)));
}
