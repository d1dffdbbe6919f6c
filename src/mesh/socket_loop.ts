/**
 * Drives an endpoint with a socket and a clock: datagrams in, datagrams out, one timer.
 *
 * @module
 */

import { log } from "../runtime/logging.ts";
import type { UdpSocket } from "../runtime/udp.ts";
import type { Endpoint } from "../transport/endpoint.ts";

/** A timer later than this means that the event loop stood still: datagrams wait in the socket. */
const STALL = 20;
/** The clock is read anew after so many bytes: tens of microseconds, and it costs as much as a small packet. */
const CLOCK_BYTES = 32 * 1024;
/** Turns of the event loop in a row without a datagram after which the socket counts as drained. */
const QUIET_TURNS = 2;

/** Milliseconds on a clock that never goes back. */
export const monotonicNow = (): number => performance.now();

/** The loop of one node. */
export class SocketLoop {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Infinity;
  #flushQueued = false;
  #received = 0;
  #batchAt: number | undefined;
  #isAnswerDue = false;
  #stopped = false;
  /** Called after every turn in which something may have ended. */
  onTurn: (() => void) | undefined;

  constructor(readonly socket: UdpSocket, readonly endpoint: Endpoint) {}

  /** Begins; `onFailure` is told when the socket is of no use any more. */
  start(onFailure: (error: Error) => void): void {
    this.socket.start({
      onDatagram: (datagram, from) => {
        this.#received++;
        // All of a batch had arrived when its first was taken.
        this.#batchAt ??= monotonicNow();
        try {
          this.endpoint.receive(datagram, from, this.#batchAt);
          if (!this.endpoint.isQuiet) this.#isAnswerDue = true;
        } catch (error) {
          this.#isAnswerDue = true;
          this.#onDefect(error);
        }
      },
      onBatchEnd: () => {
        this.#batchAt = undefined;
        // With small packets, one by one, most need no answer: looking for one costs as much as the packet did.
        if (!this.#isAnswerDue) return;
        this.#isAnswerDue = false;
        this.flush();
      },
      onDrain: () => this.flush(),
      onTooBig: (_length, to) => this.endpoint.onTooBig(to),
      onFailure,
    });
  }

  /** Asks for a flush in this turn of the event loop, once however often it is asked. */
  wake(): void {
    if (this.#flushQueued) return;
    this.#flushQueued = true;
    queueMicrotask(() => {
      this.#flushQueued = false;
      this.flush();
    });
  }

  /** Sends everything that may be sent now and sets the timer. */
  flush(): void {
    if (this.#stopped) return;
    let now = monotonicNow();
    let sent = 0;
    for (;;) {
      const buffer = this.socket.acquire();
      // The socket calls again once sends have left: no timer is needed until then.
      if (buffer === undefined) return this.socket.flush();
      const transmit = this.endpoint.poll(buffer, now);
      if (transmit === undefined) {
        this.socket.release(buffer);
        break;
      }
      this.socket.send(buffer, transmit.length, transmit.to);
      sent += transmit.length;
      if (sent < CLOCK_BYTES) continue;
      sent = 0;
      now = monotonicNow();
    }
    this.socket.flush();
    this.#setTimer();
    this.onTurn?.();
  }

  /** Stops timers and sending; the socket is the caller's to close. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#timerAt = Infinity;
  }

  #setTimer(): void {
    const at = this.endpoint.deadline;
    // A timer that comes early finds nothing due and is set anew; only an earlier deadline needs a new one now.
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => this.#onTimer(at), Math.max(0, at - monotonicNow()));
  }

  #onTimer(at: number): void {
    if (monotonicNow() - at > STALL) this.#drain(this.#received, QUIET_TURNS);
    else this.#runTimers();
  }

  /** Lets the socket deliver what piled up while the event loop stood still, before anything is judged lost. */
  #drain(received: number, quietTurns: number): void {
    this.#timer = setTimeout(() => {
      if (this.#received !== received) this.#drain(this.#received, QUIET_TURNS);
      else if (quietTurns > 1) this.#drain(received, quietTurns - 1);
      else this.#runTimers();
    }, 0);
  }

  #runTimers(): void {
    this.#timerAt = Infinity;
    try {
      this.endpoint.onTimeout(monotonicNow());
    } catch (error) {
      this.#onDefect(error);
    }
    this.flush();
  }

  /** A defect in one session or callback must not stop the others. */
  #onDefect(error: unknown): void {
    this.endpoint.counters.internal_errors++;
    log("mesh", "error", "Unexpected error in the socket loop: {error}", { error });
  }
}
