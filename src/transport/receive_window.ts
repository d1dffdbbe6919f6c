/**
 * Flow-control credit that a receiver gives, RFC 9000 §4, with a window that grows to what the path and the reader
 * can use (`protocol.md` 4).
 *
 * @module
 */

/** Credit for one stream or for a session. */
export class ReceiveWindow {
  /** Highest offset that the peer may use. */
  limit: number;
  /** Bytes that the application has taken. */
  consumed = 0;
  #window: number;
  #updatedAt: number | undefined;

  /** @param initial first window. @param maximum where growth stops. */
  constructor(initial: number, readonly maximum: number) {
    this.#window = this.limit = initial;
  }

  /**
   * Notes bytes taken by the application; whether the peer should be told new credit now. The window doubles when
   * more than half of it was used up within two round trips.
   */
  consume(bytes: number, now: number, rtt: number): boolean {
    this.consumed += bytes;
    if (this.limit - this.consumed >= this.#window / 2) return false;
    if (this.#updatedAt !== undefined && now - this.#updatedAt < 2 * rtt) {
      this.#window = Math.min(2 * this.#window, this.maximum);
    }
    this.#updatedAt = now;
    this.limit = this.consumed + this.#window;
    return true;
  }
}
