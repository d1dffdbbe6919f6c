/**
 * When a session that hears nothing ends, and when it asks for a sign of life (RFC 9000 §10.1, `protocol.md` 7).
 * Times in milliseconds.
 *
 * @module
 */

import { FADING_IDLE_TIMEOUT } from "./config.ts";

/** Idle time-out and keep-alive of one session. */
export class Liveness {
  /** Whether another session with the peer has taken its place, and only open streams keep this one. */
  isFading = false;
  /** When a valid packet last arrived. */
  lastReceivedAt: number;
  readonly #agreed: number;
  /** From when the silence counts. */
  #idleSince: number;
  #elicitedSinceReceive = false;
  #keepAliveAt: number;

  /** @param ours our idle time-out, 0 for none. @param theirs the peer's. */
  constructor(ours: number, theirs: number, now: number) {
    this.#agreed = Math.min(ours > 0 ? ours : Infinity, theirs > 0 ? theirs : Infinity);
    this.lastReceivedAt = this.#idleSince = this.#keepAliveAt = now;
  }

  /** Silence after which the session ends: the smaller of both sides', `Infinity` when neither has one. */
  get idleTimeout(): number {
    return this.isFading ? Math.min(this.#agreed, FADING_IDLE_TIMEOUT) : this.#agreed;
  }

  /** A valid packet arrived. */
  onReceived(now: number): void {
    this.lastReceivedAt = this.#idleSince = now;
    this.#elicitedSinceReceive = false;
  }

  /** A packet that asks for an answer was sent: the first since the last arrival gives the peer its time anew. */
  onElicited(now: number): void {
    if (this.#elicitedSinceReceive) return;
    this.#elicitedSinceReceive = true;
    this.#idleSince = now;
  }

  /** A PING was asked for. */
  onKeepAlive(now: number): void {
    this.#keepAliveAt = now;
  }

  /** When the session ends. @param pto current probe time-out: three of them always fit in. */
  idleDeadline(pto: number): number {
    return this.#idleSince + this.#period(pto);
  }

  /** When to ask for a sign of life. @param pto current probe time-out. */
  keepAliveDeadline(pto: number): number {
    return Math.max(this.lastReceivedAt, this.#keepAliveAt) + this.#period(pto) / 3;
  }

  /** Never so short that a peer could make us ask all the time (RFC 9000 §10.1). */
  #period(pto: number): number {
    return Math.max(this.idleTimeout, 3 * pto);
  }
}
