/**
 * The keys of a session's packets and their update (`protocol.md` 2.3, rules of RFC 9001 §6). Both directions count
 * generations of keys; the last bit of a generation is the key phase in the packet's header. Times in milliseconds.
 *
 * @module
 */

import { type Aead, createAead } from "../crypto/aead.ts";
import { nextKey } from "../crypto/mac.ts";
import { DATA_HEADER, writeDataHeader } from "../wire/packet.ts";
import type { EndpointLimits } from "./config.ts";

/** Where a nonce takes its bytes from: the packet number of the header. */
const NUMBER_AT = 8;
const nonce = new Uint8Array(12);
/** Header of the packet at work. */
const header = new Uint8Array(DATA_HEADER);

/** Why a packet was not opened. */
export type OpenFailure = "bad_packet" | "old_key_phase";

/** One generation of keys of one direction. */
interface Keys {
  readonly key: Uint8Array;
  readonly aead: Aead;
}

/** Encrypts and decrypts the packets of one session. */
export class PacketKeys {
  /** Updates that came into effect, whoever began them. */
  updates = 0;
  /** Tries to open a packet that ended badly, for {@linkcode PacketKeys.open}. */
  failure: OpenFailure = "bad_packet";

  #sending: Keys;
  /** The same generation as the peer's packets, one ahead after an update that the peer has not followed yet. */
  #sendGeneration = 0;
  #firstSent = 0;
  #sendingSince: number;

  #receiving: Keys;
  #receiveGeneration = 0;
  /** Lowest packet number opened with the keys of this generation. */
  #firstReceived = 0;
  /** The generation before, for packets that were overtaken. */
  #previous: { readonly aead: Aead; readonly until: number } | undefined;
  /** The generation after, once a packet claims to be of it. */
  #next: Keys | undefined;

  /** @param limits when keys are to be and must be updated. */
  constructor(
    sendKey: Uint8Array,
    receiveKey: Uint8Array,
    readonly limits: EndpointLimits,
    now: number,
  ) {
    this.#sending = keysOf(sendKey);
    this.#receiving = keysOf(receiveKey);
    this.#sendingSince = now;
  }

  /** Whether the packet with that number may not be sent under these keys any more. */
  isExhausted(packetNumber: number): boolean {
    return packetNumber - this.#firstSent >= this.limits.maxPacketsPerKey;
  }

  /**
   * Begins to send with the next keys, if it is time and the peer has the present ones. To be called before a packet.
   *
   * @param packetNumber of that packet. @param largestAcked highest packet number that the peer has acknowledged.
   */
  updateIfDue(packetNumber: number, largestAcked: number, now: number): void {
    const { keyUpdatePackets, keyUpdateInterval } = this.limits;
    if (this.#sendGeneration === this.#receiveGeneration) {
      const isDue = packetNumber - this.#firstSent >= keyUpdatePackets ||
        now - this.#sendingSince >= keyUpdateInterval;
      // RFC 9001 §6.1: not before the peer has shown that it has the keys in use; §6.5: nor while packets of the
      // last ones may still come, which have the same phase bit as the next.
      if (!isDue || largestAcked < this.#firstSent || this.#keepsPrevious(now)) return;
    } else if (this.#sendGeneration > this.#receiveGeneration) {
      return;
    }
    this.#sending = nextOf(this.#sending);
    this.#sendGeneration++;
    this.#firstSent = packetNumber;
    this.#sendingSince = now;
  }

  /** Makes a packet of `length` bytes of plaintext, which lie in `out` behind the room for the header: encrypts in place. */
  seal(out: Uint8Array, receiverIndex: number, packetNumber: number, length: number): void {
    writeDataHeader(out, receiverIndex, packetNumber, this.#sendGeneration & 1);
    readHeader(out);
    const plaintext = out.subarray(DATA_HEADER, DATA_HEADER + length);
    this.#sending.aead.seal(nonce, header, plaintext, out, DATA_HEADER);
  }

  /**
   * Opens a packet; `undefined`, and {@linkcode PacketKeys.failure} set, when it is not authentic or its keys are gone.
   *
   * @param scratch where the plaintext may be put; it may also be an array of its own.
   * @param keepFor how long the keys in use stay once a packet shows that the peer has newer ones: three PTO.
   */
  open(
    packet: Uint8Array,
    packetNumber: number,
    scratch: Uint8Array,
    now: number,
    keepFor: () => number,
  ): Uint8Array | undefined {
    readHeader(packet);
    const ciphertext = packet.subarray(DATA_HEADER);
    this.failure = "bad_packet";
    if ((header[1] & 1) === (this.#receiveGeneration & 1)) {
      const plaintext = this.#receiving.aead.open(nonce, header, ciphertext, scratch);
      if (plaintext !== undefined && packetNumber < this.#firstReceived) this.#firstReceived = packetNumber;
      return plaintext;
    }
    if (packetNumber < this.#firstReceived) {
      if (this.#keepsPrevious(now)) return this.#previous!.aead.open(nonce, header, ciphertext, scratch);
      this.failure = "old_key_phase";
      return undefined;
    }
    this.#next ??= nextOf(this.#receiving);
    const plaintext = this.#next.aead.open(nonce, header, ciphertext, scratch);
    // Anybody can flip the bit: nothing changes before a packet proves to be the peer's.
    if (plaintext !== undefined) this.#advance(packetNumber, now + keepFor());
    return plaintext;
  }

  #advance(packetNumber: number, keepPreviousUntil: number): void {
    this.#previous = { aead: this.#receiving.aead, until: keepPreviousUntil };
    this.#receiving = this.#next!;
    this.#next = undefined;
    this.#receiveGeneration++;
    this.#firstReceived = packetNumber;
    this.updates++;
  }

  #keepsPrevious(now: number): boolean {
    if (this.#previous !== undefined && now >= this.#previous.until) this.#previous = undefined;
    return this.#previous !== undefined;
  }
}

/** Takes header and nonce out of a packet, by copies that leave nothing to the garbage collector. */
function readHeader(packet: Uint8Array): void {
  for (let i = 0; i < DATA_HEADER; i++) header[i] = packet[i];
  for (let i = NUMBER_AT; i < DATA_HEADER; i++) nonce[i - NUMBER_AT + 4] = packet[i];
}

function keysOf(key: Uint8Array): Keys {
  return { key, aead: createAead(key) };
}

function nextOf({ key }: Keys): Keys {
  return keysOf(nextKey(key));
}
