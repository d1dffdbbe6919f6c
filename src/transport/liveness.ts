/**
 * When a session that hears nothing ends, and when it asks for a sign of life (RFC 9000 §10.1, `protocol.md` 7).
 * Times in milliseconds.
 *
 * @module
 */

import { FADING_IDLE_TIMEOUT } from "./config.ts";

/** A probe time-out longer than this delays no sign of life. */
const LONGEST_KEEP_ALIVE_FLOOR = 1_000;

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

  /** When the session ends. @param pto current probe time-out: three of them always fit in (RFC 9000 §10.1). */
  idleDeadline(pto: number): number {
    return this.#idleSince + Math.max(this.idleTimeout, 3 * pto);
  }

  /**
   * When to ask for a sign of life: never so soon that a peer could make us ask all the time.
   *
   * @param pto current probe time-out. It may be long after a stall, which the peer's idle time-out knows nothing of.
   */
  keepAliveDeadline(pto: number): number {
    const period = Math.max(this.idleTimeout / 3, Math.min(pto, LONGEST_KEEP_ALIVE_FLOOR));
    return Math.max(this.lastReceivedAt, this.#keepAliveAt) + period;
  }
}
