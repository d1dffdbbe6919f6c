/**
 * Handshakes that authenticate and say hostile things: transport parameters of anybody's invention, from an initiator
 * to a node, and from a responder to a node that connects.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { mac, mac1Key } from "../../src/crypto/mac.ts";
import { NoiseHandshake } from "../../src/crypto/noise.ts";
import { generateKeyPair, type KeyPair } from "../../src/crypto/x25519.ts";
import { HALF_OPEN_TIMEOUT } from "../../src/transport/config.ts";
import { datagramsDropped } from "../../src/transport/counters.ts";
import { tai64n } from "../../src/transport/handshake.ts";
import { concatBytes, encodeUtf8 } from "../../src/wire/bytes.ts";
import {
  INITIATION_HEADER,
  initiationPacket,
  mac1Field,
  mac1Input,
  MACS_LENGTH,
  PacketType,
  readU32,
  responsePacket,
} from "../../src/wire/packet.ts";
import { encodeTransportParameters } from "../../src/wire/transport_parameters.ts";
import { SimNetwork } from "../sim/network.ts";
import type { SimNode } from "../sim/node.ts";
import { Prng } from "../sim/prng.ts";
import { parameters } from "../support/wire_models.ts";
import { mutate } from "./mutate.ts";
import type { Feed, FuzzTarget } from "./target.ts";

/** Handshakes in one case. */
const HANDSHAKES = 8;
const SAMPLES = 50;
const ADDRESS = { hostname: "203.0.113.9", port: 9_999 };

let corpus: Uint8Array[] | undefined;

/** One side of the handshake, without the manners. */
function noiseOf(
  random: Prng,
  initiator: boolean,
  staticKey: KeyPair,
  remoteStatic?: Uint8Array,
): NoiseHandshake {
  return new NoiseHandshake({
    pattern: "IKpsk2",
    initiator,
    prologue: encodeUtf8("hawser/1"),
    staticKey,
    remoteStatic,
    psk: new Uint8Array(32),
    random: (length) => random.bytes(length),
  });
}

/** Puts the right mac1 on a handshake packet for the owner of `key`. */
function sealed(packet: Uint8Array, key: Uint8Array): Uint8Array {
  mac1Field(packet).set(mac(mac1Key(key), mac1Input(packet)));
  return packet;
}

/** A payload that arrives in an initiation; the node's answer, if it gives any, is no longer than that. */
function initiate(random: Prng, node: SimNode, payload: Uint8Array): void {
  const { counters } = node.endpoint;
  const noise = noiseOf(random, true, generateKeyPair((length) => random.bytes(length)), node.id);
  const packet = sealed(initiationPacket(random.int(2 ** 32), noise.writeMessage(payload)), node.id);
  const before = { sent: counters.bytesSent, dropped: datagramsDropped(counters) };
  node.deliver(packet, ADDRESS);
  assert.ok(counters.bytesSent - before.sent <= packet.length, "the answer is longer than the question");
  const wasAnswered = counters.bytesSent > before.sent;
  assert.equal(datagramsDropped(counters) - before.dropped, wasAnswered ? 0 : 1);
}

/** A payload that arrives in the response to a node that connects. */
function respond(random: Prng, node: SimNode, payload: Uint8Array): void {
  const { network } = node;
  const staticKey = generateKeyPair((length) => random.bytes(length));
  let initiation: Uint8Array | undefined;
  network.tap = ({ datagram }) => {
    if (datagram[0] === PacketType.INITIATION) initiation ??= datagram;
    return false;
  };
  const connection = node.endpoint.connect(staticKey.publicKey, [ADDRESS], network.now);
  node.flush();
  const noise = noiseOf(random, false, staticKey);
  noise.readMessage(initiation!.subarray(INITIATION_HEADER, initiation!.length - MACS_LENGTH));
  const index = readU32(initiation!, 4);
  const response = sealed(responsePacket(7, index, noise.writeMessage(payload)), node.id);
  const before = datagramsDropped(node.endpoint.counters);
  node.deliver(response, ADDRESS);
  assert.equal(datagramsDropped(node.endpoint.counters) - before, connection.phase === "established" ? 0 : 1);
  connection.session?.close(0, "", network.now);
}

function run(seed: number, feed: Feed): void {
  corpus ??= fc.sample(parameters, { numRuns: SAMPLES, seed: 1 }).map((value) =>
    encodeTransportParameters(value, 256)
  );
  const chance = new Prng(seed);
  const random = chance.fork();
  const network = new SimNetwork(chance.int(2 ** 32));
  network.tap = () => false;
  const node = network.node();
  for (let i = 0; i < HANDSHAKES; i++) {
    const input = feed.next(() => {
      const time = random.chance(0.9) ? tai64n(1e12 + i) : random.bytes(random.int(16));
      const said = random.chance(0.3) ? random.pick(corpus!) : mutate(random, corpus!);
      return concatBytes([random.bytes(1), time, said]);
    });
    if (input === undefined) break;
    const isInitiation = ((input[0] ?? 0) & 1) === 0;
    if (isInitiation) initiate(chance, node, input.subarray(1));
    else respond(chance, node, input.subarray(13));
    network.run(1);
  }
  network.run(2 * HALF_OPEN_TIMEOUT);
  // Sessions that the other side ended in time are gone; what still lingers has the slowest peer that may be.
  network.run(600_000);
  assert.equal(node.endpoint.counters.internal_errors, 0);
  assert.ok(node.endpoint.isIdle, `${node.endpoint.size} left`);
  assert.equal(node.endpoint.timerCount, 0);
}

/** See the module. */
export const HANDSHAKE: FuzzTarget = { name: "handshake", share: 0.6, inputsPerCase: HANDSHAKES, run };
