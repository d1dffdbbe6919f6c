/**
 * The receiving part of a stream, RFC 9000 §3.2: puts pieces in order and hands them to the reader. In-order pieces
 * go through without a copy; pieces that are small against their packet are copied so that they do not hold it.
 *
 * @module
 */

import { ProtocolError } from "../errors.ts";
import { ErrorCode } from "./config.ts";
import { Fifo } from "./fifo.ts";
import type { ReassemblyBudget } from "./reassembly_budget.ts";
import type { ReceiveWindow } from "./receive_window.ts";

/** States of RFC 9000 §3.2. */
export type ReceiveState = "recv" | "size_known" | "data_recvd" | "data_read" | "reset_recvd" | "reset_read";

interface Segment {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/**
 * Pieces that nobody read at once are gathered in blocks that grow with what was received, up to this size: a flood of tiny frames costs
 * its bytes only, and a reader of much gets few large pieces instead of one per packet.
 */
const MAX_BLOCK = 64 * 1024;
/** Blocks after the first, which is as long as what it is made for. */
const MIN_BLOCK = 512;
/** Share of what was received that a block is. */
const BLOCK_SHARE: number = 1 / 8;
/** Pieces from this size on get an array of their own. */
const OWN_ARRAY = 16 * 1024;

/** Receive state of one stream. */
export class ReceiveHalf {
  /** See {@linkcode ReceiveState}. */
  state: ReceiveState = "recv";
  /** Code of the peer's RESET_STREAM. */
  resetCode = 0;
  /** The application wants no more: code of STOP_SENDING. */
  stopCode: number | undefined;
  /** A STOP_SENDING is to be sent. */
  stopPending = false;
  /** A MAX_STREAM_DATA is to be sent. */
  creditPending = false;
  /** Highest offset seen: what counts against flow control. */
  highest = 0;

  readonly #queue = new Fifo<Uint8Array>();
  /** A piece, the newest, that is the caller's again after {@linkcode ReceiveHalf.settle}. */
  #borrowed: Uint8Array | undefined;
  /** Where pieces are gathered: read up to the begin, filled up to the end. */
  #block: Uint8Array | undefined;
  #blockBegin = 0;
  #blockEnd = 0;
  /** Out-of-order pieces, ascending, not overlapping. */
  readonly #segments: Segment[] = [];
  readonly #budget: ReassemblyBudget;
  #delivered = 0;
  #queued = 0;
  #finalSize: number | undefined;

  /** @param window the stream's credit. @param budget the session's, that out-of-order pieces are counted in. */
  constructor(readonly window: ReceiveWindow, budget: ReassemblyBudget) {
    this.#budget = budget;
  }

  /** Bytes ready to be read. */
  get readable(): number {
    return this.#queued;
  }

  /** Bytes that the peer may still send before it is given more credit. */
  get credit(): number {
    return this.window.limit - this.highest;
  }

  /** Whether the reader has everything, or there will never be more. */
  get terminal(): boolean {
    return this.state === "data_read" || this.state === "reset_read";
  }

  /** Whether the stream ended and everything was read. */
  get ended(): boolean {
    return this.state === "data_read";
  }

  /**
   * Takes a STREAM frame; with `copyOut` its bytes are the caller's again once it called {@linkcode ReceiveHalf.settle},
   * and copied if they are still kept then. Returns by how much the highest
   * offset rose; `undefined` when the budget has no room for another piece: then nothing was taken, and the packet is
   * to be treated as not received. Throws {@linkcode ProtocolError} on a breach of flow control or of the final size.
   */
  receive(offset: number, bytes: Uint8Array, fin: boolean, copyOut: boolean): number | undefined {
    const end = offset + bytes.length;
    // What fills the first gap is always taken: refusing it could go on for ever.
    if (offset > this.#delivered && bytes.length > 0 && this.#budget.isSpent && this.#keeps) return undefined;
    const rise = this.#advance(end, fin ? end : undefined);
    if (this.state !== "recv" && this.state !== "size_known") return rise;
    if (this.stopCode !== undefined) {
      if (this.#finalSize !== undefined) this.#endUnread("data_read");
      return rise;
    }
    this.#insert(offset, bytes, copyOut);
    if (this.#delivered === this.#finalSize) {
      this.state = this.#queued === 0 ? "data_read" : "data_recvd";
    }
    return rise;
  }

  /** Takes a RESET_STREAM. Returns by how much the highest offset rose. */
  onReset(code: number, finalSize: number): number {
    const rise = this.#advance(finalSize, finalSize);
    if (this.state === "recv" || this.state === "size_known") {
      this.resetCode = code;
      if (this.stopCode === undefined) this.state = "reset_recvd";
      else this.#endUnread("reset_read");
      this.#dropAll();
    }
    return rise;
  }

  /** The reader learned of the reset. */
  onResetRead(): void {
    if (this.state === "reset_recvd") this.state = "reset_read";
  }

  /** Next piece in order, or `undefined`. The caller owns it and gives credit through {@linkcode ReceiveHalf.window}. */
  read(): Uint8Array | undefined {
    this.settle();
    return this.#taken(this.#queue.shift() ?? this.#takeGathered());
  }

  /**
   * As {@linkcode ReceiveHalf.read}, but the piece may be valid until more arrives only: no copy is made, and blocks are
   * filled again.
   */
  readView(): Uint8Array | undefined {
    let piece = this.#queue.shift();
    if (piece === undefined && this.#blockBegin < this.#blockEnd) {
      piece = this.#block!.subarray(this.#blockBegin, this.#blockEnd);
      this.#blockEnd = this.#blockBegin;
    } else if (piece === undefined) {
      piece = this.#borrowed;
      this.#borrowed = undefined;
    }
    return this.#taken(piece);
  }

  /** The bytes given to {@linkcode ReceiveHalf.receive} will be the caller's again: what nobody read is copied. */
  settle(): void {
    const bytes = this.#borrowed;
    if (bytes === undefined) return;
    this.#borrowed = undefined;
    if (bytes.length < OWN_ARRAY) this.#gather(bytes);
    else this.#pushAfterGathered(bytes.slice());
  }

  #taken(piece: Uint8Array | undefined): Uint8Array | undefined {
    if (piece === undefined) return undefined;
    this.#queued -= piece.length;
    if (this.#queued === 0 && this.state === "data_recvd") this.state = "data_read";
    return piece;
  }

  /** Puts a piece back that was read but not used. */
  unread(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#queue.unshift(piece);
    this.#queued += piece.length;
    if (this.state === "data_read") this.state = "data_recvd";
  }

  /** The reader wants no more. Returns whether the peer is to be told. */
  stop(code: number): boolean {
    if (this.stopCode !== undefined || this.terminal) return false;
    this.stopCode = code;
    this.#dropAll();
    if (this.state === "data_recvd") {
      this.state = "data_read";
      return false;
    }
    if (this.state === "reset_recvd") {
      this.state = "reset_read";
      return false;
    }
    return this.stopPending = true;
  }

  /** The session ended: what is in order may still be read. */
  abandon(): void {
    if (!this.terminal && this.state !== "data_recvd") this.state = "reset_read";
    this.stopPending = this.creditPending = false;
    this.settle();
    this.#dropSegments();
  }

  /** Bytes that arrived and that nobody will read: their connection credit is given back at once. */
  takeUnreadCredit(): number {
    const unread = this.highest - this.window.consumed;
    this.window.consumed = this.highest;
    return unread;
  }

  /** Whether arriving data is kept. */
  get #keeps(): boolean {
    return (this.state === "recv" || this.state === "size_known") && this.stopCode === undefined;
  }

  /** The peer ended what nobody reads: it need not be told to stop any more. */
  #endUnread(state: "data_read" | "reset_read"): void {
    this.state = state;
    this.stopPending = false;
  }

  #advance(end: number, finalSize: number | undefined): number {
    if (finalSize !== undefined) {
      if (finalSize < this.highest || (this.#finalSize !== undefined && this.#finalSize !== finalSize)) {
        throw new ProtocolError("Receive stream: final size changed", ErrorCode.FINAL_SIZE_ERROR);
      }
      this.#finalSize = finalSize;
      if (this.state === "recv") this.state = "size_known";
    } else if (this.#finalSize !== undefined && end > this.#finalSize) {
      throw new ProtocolError("Receive stream: data beyond final size", ErrorCode.FINAL_SIZE_ERROR);
    }
    if (end <= this.highest) return 0;
    if (end > this.window.limit) {
      throw new ProtocolError(
        `Receive stream: offset ${end} exceeds credit ${this.window.limit}`,
        ErrorCode.FLOW_CONTROL_ERROR,
      );
    }
    const rise = end - this.highest;
    this.highest = end;
    return rise;
  }

  #insert(offset: number, bytes: Uint8Array, copyOut: boolean): void {
    if (offset < this.#delivered) {
      if (offset + bytes.length <= this.#delivered) return;
      bytes = bytes.subarray(this.#delivered - offset);
      offset = this.#delivered;
    }
    if (bytes.length === 0) return;
    if (offset > this.#delivered) {
      this.#insertSegment(offset, copyOut ? bytes.slice() : bytes);
      return;
    }
    this.#deliver(bytes, copyOut);
    let joined = 0;
    while (joined < this.#segments.length && this.#segments[joined].offset <= this.#delivered) {
      const segment = this.#segments[joined++];
      this.#budget.take(-1, -segment.bytes.length);
      const skip = this.#delivered - segment.offset;
      if (skip < segment.bytes.length) this.#deliver(segment.bytes.subarray(skip), false);
    }
    if (joined > 0) this.#segments.splice(0, joined);
  }

  #deliver(bytes: Uint8Array, copyOut: boolean): void {
    this.settle();
    this.#delivered += bytes.length;
    this.#queued += bytes.length;
    if (copyOut) this.#borrowed = bytes;
    else this.#pushAfterGathered(bytes);
  }

  #pushAfterGathered(bytes: Uint8Array): void {
    const before = this.#takeGathered();
    if (before !== undefined) this.#queue.push(before);
    this.#queue.push(bytes);
  }

  #gather(bytes: Uint8Array): void {
    while (bytes.length > 0) {
      if (this.#block === undefined) {
        const before = this.#delivered - bytes.length;
        const wanted = before === 0 ? 0 : Math.max(MIN_BLOCK, Math.min(MAX_BLOCK, before * BLOCK_SHARE));
        this.#block = new Uint8Array(Math.max(bytes.length, wanted));
        this.#blockBegin = this.#blockEnd = 0;
      }
      const fits = Math.min(bytes.length, this.#block.length - this.#blockEnd);
      this.#block.set(fits === bytes.length ? bytes : bytes.subarray(0, fits), this.#blockEnd);
      this.#blockEnd += fits;
      if (fits === bytes.length) return;
      this.#queue.push(this.#takeGathered()!);
      bytes = bytes.subarray(fits);
    }
  }

  /** What was gathered since the last time; the rest of the block is for what comes next. */
  #takeGathered(): Uint8Array | undefined {
    const block = this.#block;
    if (block === undefined || this.#blockBegin === this.#blockEnd) return undefined;
    const piece = block.subarray(this.#blockBegin, this.#blockEnd);
    this.#blockBegin = this.#blockEnd;
    if (this.#blockEnd === block.length) this.#block = undefined;
    return piece;
  }

  /** Keeps the parts of a piece that no held segment covers. */
  #insertSegment(offset: number, bytes: Uint8Array): void {
    const segments = this.#segments;
    let low = 0;
    let high = segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (segments[middle].offset + segments[middle].bytes.length <= offset) low = middle + 1;
      else high = middle;
    }
    const end = offset + bytes.length;
    const start = offset;
    while (offset < end) {
      const next = segments[low];
      if (next !== undefined && next.offset <= offset) {
        offset = next.offset + next.bytes.length;
        low++;
        continue;
      }
      const stop = next === undefined ? end : Math.min(end, next.offset);
      segments.splice(low++, 0, { offset, bytes: bytes.subarray(offset - start, stop - start) });
      this.#budget.take(1, stop - offset);
      offset = stop;
    }
  }

  #dropAll(): void {
    this.#queue.clear();
    this.#block = this.#borrowed = undefined;
    this.#queued = 0;
    this.#dropSegments();
  }

  #dropSegments(): void {
    for (const { bytes } of this.#segments) this.#budget.take(-1, -bytes.length);
    this.#segments.length = 0;
  }
}
