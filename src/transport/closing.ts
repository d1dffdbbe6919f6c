/**
 * The end of a session, RFC 9000 §10.2: says CONNECTION_CLOSE, lingers for stragglers, is gone.
 *
 * @module
 */

/**
 * Phase of a session: `open`; `closing` after this side closed it (answers with CONNECTION_CLOSE), `draining` after the
 * peer did (says nothing); `gone` when its owner may forget it.
 */
export type SessionPhase = "open" | "closing" | "draining" | "gone";

/** What CONNECTION_CLOSE says. */
export interface CloseReason {
  /** Error code. */
  readonly code: number;
  /** Text for people. */
  readonly reason: string;
}

/** CONNECTION_CLOSE is said again so often of its own accord, a probe time-out apart. */
const REPEATS = 2;
/** Probe time-outs after which nobody lingers any more (RFC 9000 §10.2). */
const LINGER_PTOS = 3;

/** Phase of one session and what is said at its end. Times in milliseconds. */
export class Closing {
  /** See {@linkcode SessionPhase}. */
  phase: SessionPhase = "open";
  #reason: CloseReason | undefined;
  #isDue = false;
  #packets = 0;
  #goneAt = Infinity;
  #repeatAt = Infinity;
  #repeatsLeft = REPEATS;
  #repeatEvery = Infinity;

  /** Whether nothing more will be said: the peer has closed, too, and was told that it was heard. */
  get isSilent(): boolean {
    return this.phase === "gone" || (this.phase === "draining" && !this.#isDue);
  }

  /** When {@linkcode Closing.onTimeout} is due. */
  get deadline(): number {
    return this.phase === "gone" ? Infinity : Math.min(this.#goneAt, this.#repeatAt);
  }

  /** This side closes. @param pto current probe time-out. */
  close(reason: CloseReason, now: number, pto: number): void {
    this.#reason = reason;
    this.#isDue = true;
    this.#linger("closing", now, pto);
    // Said again while it may be lost: else the peer would learn of it from its idle time-out only.
    this.#repeatEvery = pto;
    this.#repeatAt = now + pto;
  }

  /**
   * The peer closed. It is told once that it was heard, so that it need not linger (RFC 9000 §10.2.2).
   *
   * @param reason what to answer. @param pto current probe time-out.
   */
  drain(reason: CloseReason, now: number, pto: number): void {
    this.#reason = reason;
    this.#isDue = true;
    this.#linger("draining", now, pto);
  }

  /** The peer has closed as well: nobody is left to linger for. */
  onAnswered(now: number): void {
    if (this.phase === "closing") this.#goneAt = Math.min(this.#goneAt, now);
  }

  /** Ends at once; with `reason` after one last CONNECTION_CLOSE. */
  vanish(now: number, reason?: CloseReason): void {
    this.#reason = reason;
    this.#isDue = reason !== undefined;
    this.phase = this.#isDue ? "closing" : "gone";
    this.#goneAt = now;
  }

  /** A packet came after the close: answered ever more rarely (RFC 9000 §10.2.1). */
  onPacket(): void {
    if (this.phase !== "closing") return;
    const n = ++this.#packets;
    if ((n & (n - 1)) === 0) this.#isDue = true;
  }

  /** Time passed. */
  onTimeout(now: number): void {
    if (now >= this.#goneAt) this.phase = "gone";
    else if (now >= this.#repeatAt) {
      this.#isDue = true;
      this.#repeatAt = --this.#repeatsLeft > 0 ? this.#repeatAt + this.#repeatEvery : Infinity;
    }
  }

  /** What to say now, if anything. */
  take(now: number): CloseReason | undefined {
    if (!this.#isDue) return undefined;
    this.#isDue = false;
    if (now >= this.#goneAt) this.phase = "gone";
    return this.#reason;
  }

  #linger(phase: "closing" | "draining", now: number, pto: number): void {
    this.phase = phase;
    this.#goneAt = now + LINGER_PTOS * pto;
  }
}
