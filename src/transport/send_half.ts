/**
 * The sending part of a stream, RFC 9000 §3.1: keeps what the application wrote until it is acknowledged, and says
 * what to put into the next packet. Written arrays are kept as they are: no copy is made before the packet.
 *
 * @module
 */

import { SEND_BUFFER } from "./config.ts";
import { Fifo } from "./fifo.ts";
import { RangeSet } from "./range_set.ts";

/** States of RFC 9000 §3.1, "Ready" and "Send" being one here. */
export type SendState = "send" | "data_sent" | "data_recvd" | "reset_sent" | "reset_recvd";

/** Part of the stream that goes into a STREAM frame. */
export interface SendSlice {
  /** Stream offset. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
  /** Whether the stream ends there. */
  readonly fin: boolean;
  /** Bytes that were never sent before: they use up connection credit. */
  readonly fresh: number;
}

interface Part {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly onReleased?: () => void;
}

/** Send state of one stream. */
export class SendHalf {
  /** See {@linkcode SendState}. */
  state: SendState = "send";
  /** Code of a RESET_STREAM, sent or to be sent. */
  resetCode = 0;
  /** A RESET_STREAM is to be sent. */
  resetPending = false;

  /** Written arrays with the stream offset of their first byte, oldest first. */
  readonly #parts = new Fifo<Part>();
  /** Index into the parts at which the next fresh byte probably lies. */
  #cursor = 0;
  #written = 0;
  #next = 0;
  #ackedBelow = 0;
  readonly #acked = new RangeSet();
  readonly #lost = new RangeSet();
  #finished = false;
  #finSent = false;
  #finAcked = false;
  #credit: number;

  /** @param credit stream offset up to which the peer allows data. */
  constructor(credit: number) {
    this.#credit = credit;
  }

  /** Bytes written and not yet acknowledged. */
  get buffered(): number {
    return this.#written - this.#ackedBelow;
  }

  /** Whether another write is welcome. */
  get writable(): boolean {
    return this.state === "send" && !this.#finished && this.#written - this.#next < SEND_BUFFER;
  }

  /** Whether the application ended the stream. */
  get finished(): boolean {
    return this.#finished;
  }

  /** Offset after the last byte ever sent: the final size of a reset. */
  get sentOffset(): number {
    return this.#next;
  }

  /** Whether nothing more will be sent or acknowledged. */
  get terminal(): boolean {
    return this.state === "data_recvd" || this.state === "reset_recvd";
  }

  /**
   * Takes over `bytes`; the caller does not touch them again, or not before `onReleased` is called because they have
   * arrived. What is written after {@linkcode SendHalf.finish} or a reset goes nowhere.
   */
  write(bytes: Uint8Array, onReleased?: () => void): void {
    if (bytes.length === 0 || this.#finished || this.state !== "send") return;
    this.#parts.push({ offset: this.#written, bytes, onReleased });
    this.#written += bytes.length;
  }

  /** No more bytes will come. */
  finish(): void {
    this.#finished = true;
  }

  /** Raises the peer's credit; whether it rose. */
  onMaxStreamData(maximum: number): boolean {
    if (maximum <= this.#credit) return false;
    this.#credit = maximum;
    return true;
  }

  /** Whether there is something to send, given `connectionCredit` bytes for fresh data. */
  hasPending(connectionCredit: number): boolean {
    if (this.state !== "send" && this.state !== "data_sent") return false;
    if (this.#lost.size > 0) return true;
    if (this.#next < this.#written) return connectionCredit > 0 && this.#next < this.#credit;
    return this.#finished && !this.#finSent;
  }

  /** Whether the peer's stream credit, not the application, holds data back. */
  get blocked(): boolean {
    return this.#next < this.#written && this.#next >= this.#credit;
  }

  /** What to send next in at most `room` bytes; lost data goes before fresh. */
  next(room: number, connectionCredit: number): SendSlice | undefined {
    const lost = this.#lost.start;
    if (lost !== undefined) {
      const length = Math.min(room, this.#lost.end! - lost);
      if (length <= 0) return undefined;
      return { offset: lost, length, fin: this.#finished && lost + length === this.#written, fresh: 0 };
    }
    const length = Math.max(
      0,
      Math.min(room, this.#written - this.#next, this.#credit - this.#next, connectionCredit),
    );
    const fin = this.#finished && this.#next + length === this.#written;
    if (length === 0 && !(fin && !this.#finSent)) return undefined;
    return { offset: this.#next, length, fin, fresh: length };
  }

  /** Notes that `slice` is in a packet. */
  onSent(slice: SendSlice): void {
    if (slice.fresh > 0) this.#next = slice.offset + slice.length;
    else this.#lost.remove(slice.offset, slice.offset + slice.length);
    if (slice.fin) {
      this.#finSent = true;
      if (this.state === "send") this.state = "data_sent";
    }
  }

  /** Copies the bytes of a slice to `out` at `at`. */
  copy(offset: number, length: number, out: Uint8Array, at: number): void {
    let index = this.#indexOf(offset);
    while (length > 0) {
      const part = this.#parts.at(index++);
      const from = offset - part.offset;
      const n = Math.min(length, part.bytes.length - from);
      out.set(from === 0 && n === part.bytes.length ? part.bytes : part.bytes.subarray(from, from + n), at);
      at += n;
      offset += n;
      length -= n;
    }
  }

  /** A packet with this part arrived. */
  onAcked(offset: number, length: number, fin: boolean): void {
    if (this.state !== "send" && this.state !== "data_sent") return;
    if (fin) this.#finAcked = true;
    const end = offset + length;
    if (this.#lost.size > 0) this.#lost.remove(offset, end);
    if (offset <= this.#ackedBelow) {
      if (end > this.#ackedBelow) this.#ackedBelow = end;
    } else {
      this.#acked.add(offset, end);
    }
    if (this.#acked.size > 0 && this.#acked.start! <= this.#ackedBelow) {
      this.#ackedBelow = Math.max(this.#ackedBelow, this.#acked.end!);
      this.#acked.removeBelow(this.#ackedBelow);
    }
    this.#release();
    if (this.#finAcked && this.#ackedBelow === this.#written) this.state = "data_recvd";
  }

  /** A packet with this part is lost: what of it did not arrive otherwise is to be sent again. */
  onLost(offset: number, length: number, fin: boolean): void {
    if (this.state !== "send" && this.state !== "data_sent") return;
    const gaps = this.#acked.gaps(Math.max(offset, this.#ackedBelow), offset + length);
    for (let i = 0; i < gaps.length; i += 2) this.#lost.add(gaps[i], gaps[i + 1]);
    if (fin && !this.#finAcked) this.#finSent = false;
  }

  /** Gives the stream up; nothing when it already ended. */
  reset(code: number): boolean {
    if (this.state !== "send" && this.state !== "data_sent") return false;
    this.state = "reset_sent";
    this.resetCode = code;
    this.resetPending = true;
    this.#drop();
    return true;
  }

  /** The RESET_STREAM arrived. */
  onResetAcked(): void {
    if (this.state !== "reset_sent") return;
    this.state = "reset_recvd";
    // It may have been judged lost, or been asked for again by a probe, meanwhile.
    this.resetPending = false;
  }

  /** The session ended: nothing will be sent any more. */
  abandon(): void {
    if (!this.terminal) this.state = "reset_recvd";
    this.resetPending = false;
    this.#drop();
  }

  #drop(): void {
    this.#parts.clear();
    this.#cursor = 0;
    this.#lost.clear();
    this.#acked.clear();
    this.#written = this.#ackedBelow = this.#next;
  }

  #release(): void {
    let done = 0;
    while (done < this.#parts.size && this.#endOf(done) <= this.#ackedBelow) {
      this.#parts.at(done++).onReleased?.();
    }
    if (done === 0) return;
    this.#parts.drop(done);
    this.#cursor = Math.max(0, this.#cursor - done);
  }

  /** Place of the part that holds the byte at `offset`. */
  #indexOf(offset: number): number {
    const parts = this.#parts;
    // Data goes out in order but for losses: nearly always it is where the last copy ended, or the part after it.
    for (let i = this.#cursor; i < Math.min(parts.size, this.#cursor + 2); i++) {
      if (parts.at(i).offset <= offset && offset < this.#endOf(i)) return this.#cursor = i;
    }
    let low = 0;
    let high = parts.size - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (parts.at(middle).offset <= offset) low = middle;
      else high = middle - 1;
    }
    return this.#cursor = low;
  }

  #endOf(index: number): number {
    const { offset, bytes } = this.#parts.at(index);
    return offset + bytes.length;
  }
}
