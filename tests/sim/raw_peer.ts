/**
 * A peer that has keys but no manners: completes a handshake with a node and sends whatever frames a test wants.
 *
 * @module
 */

import { type Aead, createAead } from "../../src/crypto/aead.ts";
import { generateKeyPair } from "../../src/crypto/x25519.ts";
import type { SocketAddress } from "../../src/transport/address.ts";
import { DEFAULT_TRANSPORT } from "../../src/transport/config.ts";
import { InitiatorHandshake, tai64n } from "../../src/transport/handshake.ts";
import { localParameters } from "../../src/transport/local_parameters.ts";
import { concatBytes } from "../../src/wire/bytes.ts";
import { DATA_HEADER, PacketType, readU32, TAG_LENGTH, writeDataHeader } from "../../src/wire/packet.ts";
import type { TransportParameters } from "../../src/wire/transport_parameters.ts";
import { type Frame, framesOf } from "./frames.ts";
import type { SimNode } from "./node.ts";
import { Prng } from "./prng.ts";

let peers = 0;

/** One such peer. It is no node of the network: it hands its datagrams to the other side directly. */
export class RawPeer {
  readonly address: SocketAddress;
  /** Its initiation. */
  readonly initiation: Uint8Array;
  /** Datagrams that the node sent to it. */
  readonly inbox: Uint8Array[] = [];
  /** Number of the next packet. */
  packetNumber = 0;
  readonly #handshake: InitiatorHandshake;
  #sealing: Aead | undefined;
  #opening: Aead | undefined;
  #remoteIndex = 0;

  /** @param random where keys and address come from, for runs that are to be the same whatever ran before. */
  constructor(
    readonly node: SimNode,
    parameters: Partial<TransportParameters> = {},
    random: Prng = new Prng(++peers),
  ) {
    this.address = { hostname: `203.0.113.${1 + random.int(250)}`, port: 10_000 + random.int(50_000) };
    const identity = {
      staticKey: generateKeyPair((length) => random.bytes(length)),
      psk: node.options.psk,
      parameters: { ...localParameters(DEFAULT_TRANSPORT, 65_507), ...parameters },
      random: (length: number) => random.bytes(length),
    };
    this.#handshake = new InitiatorHandshake(
      identity,
      node.id,
      random.int(2 ** 32),
      tai64n(1e12 + node.now),
    );
    this.initiation = this.#handshake.packet;
    const { network } = node;
    const { tap } = network;
    network.tap = (sighting) => {
      const { hostname, port } = sighting.to;
      if (hostname === this.address.hostname && port === this.address.port) {
        this.inbox.push(sighting.datagram);
        return false;
      }
      return tap?.(sighting);
    };
  }

  /** Does the handshake. */
  open(): this {
    this.deliver(this.initiation);
    const response = this.inbox.find((datagram) => datagram[0] === PacketType.RESPONSE)!;
    const result = this.#handshake.readResponse(response);
    this.#sealing = createAead(result.sendKey);
    this.#opening = createAead(result.receiveKey);
    this.#remoteIndex = result.remoteIndex;
    return this;
  }

  /** Hands a datagram to the node. */
  deliver(datagram: Uint8Array): void {
    this.node.deliver(datagram, this.address);
  }

  /** A data packet made of frames, not sent yet. */
  packet(frames: readonly Uint8Array[], packetNumber: number = this.packetNumber++): Uint8Array {
    const plaintext = concatBytes(frames);
    const out = new Uint8Array(DATA_HEADER + plaintext.length + TAG_LENGTH);
    writeDataHeader(out, this.#remoteIndex, packetNumber);
    const header = out.subarray(0, DATA_HEADER);
    this.#sealing!.seal(nonceOf(out), header, plaintext, out, DATA_HEADER);
    return out;
  }

  /** Sends frames in one packet. */
  send(...frames: Uint8Array[]): void {
    this.deliver(this.packet(frames));
  }

  /** Frames that the node has sent since the last call. */
  take(): Frame[] {
    return this.inbox.splice(0).filter((datagram) => datagram[0] === PacketType.DATA).flatMap((datagram) => {
      const header = datagram.subarray(0, DATA_HEADER);
      const plaintext = this.#opening!.open(nonceOf(datagram), header, datagram.subarray(DATA_HEADER));
      return framesOf(plaintext!);
    });
  }

  /** The index that the node's packets carry: ours. */
  get localIndex(): number {
    return readU32(this.initiation, 4);
  }
}

function nonceOf(datagram: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(12);
  nonce.set(datagram.subarray(8, DATA_HEADER), 4);
  return nonce;
}
