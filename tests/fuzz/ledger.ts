/**
 * Book-keeping over every datagram that reaches a node: which were sent to it by an honest one, which come again, and
 * that each is either taken or counted as dropped.
 *
 * @module
 */

import assert from "node:assert/strict";
import { datagramsDropped } from "../../src/transport/counters.ts";
import { toHex } from "../../src/wire/bytes.ts";
import { MACS_LENGTH, PacketType, readU32 } from "../../src/wire/packet.ts";
import type { Sighting } from "../sim/network.ts";
import type { SimNode } from "../sim/node.ts";

/** Books of one network. */
export class Ledger {
  /** Whether what arrives for the first time, and was sent, must be taken: not while sessions begin or end. */
  isSettled = false;
  readonly #sent = new Set<string>();

  /** Notes a datagram of an honest node. */
  onSent({ datagram }: Sighting): void {
    this.#sent.add(keyOf(datagram));
  }

  /** Watches what a node takes from now on. */
  watch(node: SimNode): void {
    const deliver = node.deliver.bind(node);
    const seen = new Set<string>();
    let taken = 0;
    const { counters } = node.endpoint;
    node.deliver = (datagram, from) => {
      const key = keyOf(datagram);
      const type = datagram[0];
      // Wherever it was sent: it may have been held up by somebody and sent on from elsewhere.
      const isOurs = [...node.endpoint.connections].some(({ localIndex }) =>
        localIndex === readU32(datagram, 4)
      );
      const before = datagramsDropped(counters);
      deliver(datagram, from);
      const dropped = datagramsDropped(counters) - before;
      const what = `datagram of ${datagram.length} bytes, type ${type}`;
      assert.ok(dropped === 0 || dropped === 1, `${what}: ${dropped} drops counted`);
      taken += 1 - dropped;
      assert.equal(
        counters.datagramsReceived,
        taken + datagramsDropped(counters),
        "received = taken + dropped",
      );
      assert.equal(counters.internal_errors, 0);
      if (!this.#sent.has(key)) {
        assert.equal(dropped, 1, `${what}: taken, but nobody sent it`);
      } else if (type === PacketType.DATA && this.isSettled) {
        if (!isOurs) return assert.equal(dropped, 1, `${what}: taken by a session that it is not for`);
        assert.equal(
          dropped,
          seen.has(key) ? 1 : 0,
          `${what}: ${seen.has(key) ? "taken twice" : "not taken"}`,
        );
      }
      seen.add(key);
    };
  }
}

/** What makes a datagram the one it is: mac2 does not, which nobody looks at unless there is load. */
function keyOf(datagram: Uint8Array): string {
  const isHandshake = datagram[0] === PacketType.INITIATION || datagram[0] === PacketType.RESPONSE;
  return toHex(isHandshake ? datagram.subarray(0, datagram.length - MACS_LENGTH / 2) : datagram);
}
