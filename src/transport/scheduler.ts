/**
 * Which stream sends next (`protocol.md` 4): strict priority classes, inside a class deficit round robin by weight
 * (Shreedhar and Varghese, 1995), and a sixteenth of the link for lower classes so that they do not starve.
 *
 * @module
 */

import { PRIORITIES, STARVATION_SHARE } from "./config.ts";
import type { Stream } from "./stream.ts";

/** Bytes per round and unit of weight: the default weight of 16 gives 16 KiB. */
const QUANTUM = 1024;
/** Lower classes get their turn once this many bytes are owed to them. */
const STARVATION_TURN = 1024;

/** Queues of streams that have something to send. */
export class Scheduler {
  readonly #classes: Stream[][] = Array.from({ length: PRIORITIES }, () => []);
  #owed = 0;
  #turn = 0;

  /** Puts a stream into its class unless it is there. */
  add(stream: Stream): void {
    if (stream.scheduled) return;
    stream.scheduled = true;
    // What it sent ahead of its turn stays owed: else a stream that runs dry after each packet would have no weight.
    stream.deficit = Math.min(stream.deficit, 0);
    this.#classes[stream.priority].push(stream);
  }

  /** Whether any stream has something to send. Changes nothing. */
  hasReady(isReady: (stream: Stream) => boolean): boolean {
    return this.#classes.some((queue) => queue.some(isReady));
  }

  /**
   * The stream whose data goes next; `undefined` when none has any. Streams for which `isReady` is false leave the
   * queue: whoever makes them ready adds them again.
   */
  next(isReady: (stream: Stream) => boolean): Stream | undefined {
    const top = this.#firstClass(0, isReady);
    if (top === undefined) return undefined;
    if (this.#owed >= STARVATION_TURN) {
      const lower = this.#lowerClass(top, isReady);
      if (lower !== undefined) return this.#pick(lower, isReady);
      this.#owed = 0;
    }
    return this.#pick(top, isReady);
  }

  /** Notes that `stream` sent `bytes`. */
  onSent(stream: Stream, bytes: number): void {
    stream.deficit -= bytes;
    const higher = this.#classes.findIndex((queue) => queue.length > 0);
    if (stream.priority > higher) this.#owed -= bytes;
    else this.#owed += bytes / STARVATION_SHARE;
  }

  #firstClass(from: number, isReady: (stream: Stream) => boolean): number | undefined {
    for (let priority = from; priority < PRIORITIES; priority++) {
      const queue = this.#classes[priority];
      while (queue.length > 0 && !isReady(queue[0])) queue.shift()!.scheduled = false;
      if (queue.length > 0) return priority;
    }
    return undefined;
  }

  /** Lower classes take turns among themselves. */
  #lowerClass(top: number, isReady: (stream: Stream) => boolean): number | undefined {
    const after = Math.max(this.#turn, top) + 1;
    const found = this.#firstClass(after, isReady) ?? this.#firstClass(top + 1, isReady);
    this.#turn = found ?? 0;
    return found;
  }

  /** The class has a ready stream: whoever has credit left in this round, or gets some by waiting its turn. */
  #pick(priority: number, isReady: (stream: Stream) => boolean): Stream {
    const queue = this.#classes[priority];
    for (;;) {
      const stream = queue[0];
      if (!isReady(stream)) {
        queue.shift();
        stream.scheduled = false;
      } else if (stream.deficit > 0) {
        return stream;
      } else {
        stream.deficit += stream.weight * QUANTUM;
        if (queue.length > 1) queue.push(queue.shift()!);
      }
    }
  }
}
