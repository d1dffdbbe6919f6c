/**
 * Unreliable datagrams of a simulated world: each arrives whole, at most once, and where it was sent to.
 *
 * @module
 */

import { readU32, writeU32 } from "../../../src/wire/packet.ts";
import type { Prng } from "../prng.ts";
import { followsPattern, pattern } from "../traffic.ts";
import type { App } from "./app.ts";

/** Bytes of the number that each begins with. */
const NUMBER = 4;

/** All datagrams. */
export class Messages {
  /** How many were received. */
  received = 0;
  readonly #sent: { readonly to: App; readonly length: number; arrived: boolean }[] = [];

  /** How many were sent. */
  get sent(): number {
    return this.#sent.length;
  }

  /** Sends one of random size if there is a session that takes datagrams. */
  send(from: App, to: App, random: Prng): void {
    const datagrams = from.sessionWith(to)?.session?.datagrams;
    if (datagrams === undefined || from.isDown || datagrams.maxPayload < NUMBER) return;
    const length = NUMBER + random.int(datagrams.maxPayload - NUMBER + 1);
    const number = this.#sent.length;
    const bytes = pattern(number, 0, length);
    writeU32(bytes, 0, number);
    this.#sent.push({ to, length, arrived: false });
    datagrams.send(bytes);
  }

  /** One arrived. Throws when it is none of those on their way. */
  receive(by: App, bytes: Uint8Array): void {
    const number = readU32(bytes, 0);
    const entry = this.#sent[number];
    if (entry?.to !== by || entry.length !== bytes.length) {
      throw new Error(`${by.name} got a datagram of nobody`);
    }
    if (entry.arrived) throw new Error(`datagram ${number} came twice`);
    if (!followsPattern(bytes.subarray(NUMBER), number, NUMBER)) {
      throw new Error(`datagram ${number} is damaged`);
    }
    entry.arrived = true;
    this.received++;
  }
}
