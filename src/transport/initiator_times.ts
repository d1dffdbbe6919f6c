/**
 * The largest handshake time seen of each initiator: an initiation with one not larger is old (`protocol.md` 2.1).
 *
 * @module
 */

import { compareBytes } from "../wire/bytes.ts";
import { MAX_KNOWN_INITIATORS } from "./config.ts";

/** TAI64N times by initiator; the initiator heard of longest ago goes when there are too many. */
export class InitiatorTimes {
  readonly #times = new Map<string, Uint8Array>();

  /** Whether the time of an initiation of `peer` is not later than one seen. */
  isStale(peer: string, time: Uint8Array): boolean {
    const last = this.#times.get(peer);
    return last !== undefined && compareBytes(time, last) <= 0;
  }

  /** Notes the time of an initiation that is gone on with. */
  note(peer: string, time: Uint8Array): void {
    this.#times.delete(peer);
    this.#times.set(peer, time);
    if (this.#times.size > MAX_KNOWN_INITIATORS) this.#times.delete(this.#times.keys().next().value!);
  }
}
