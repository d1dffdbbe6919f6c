/**
 * All streams of a session: ids and limits (RFC 9000 §2.1, §4.6), connection flow control (§4.1), stream frames in
 * and out.
 *
 * @module
 */

import { DecodeError, type HawserError, ProtocolError, StreamResetError } from "../errors.ts";
import { concatBytes } from "../wire/bytes.ts";
import {
  FrameType,
  simpleFrameBound,
  streamFrameOverhead,
  writeSimpleFrame,
  writeStreamHeader,
} from "../wire/frame.ts";
import type { TransportParameters } from "../wire/transport_parameters.ts";
import { ErrorCode, type TransportOptions } from "./config.ts";
import { ReassemblyBudget } from "./reassembly_budget.ts";
import { ReceiveHalf } from "./receive_half.ts";
import { ReceiveWindow } from "./receive_window.ts";
import { Scheduler } from "./scheduler.ts";
import { SendHalf } from "./send_half.ts";
import type { SentFrame } from "./sent_frame.ts";
import { Stream, type StreamHeader, type StreamOwner } from "./stream.ts";
import { decodeStreamHeader, encodeStreamHeader, MAX_STREAM_HEADER } from "./stream_header.ts";

/** Smallest piece of a stream worth a frame of its own at the end of a packet. */
const MIN_STREAM_ROOM = 32;

/** What the stream set needs of its session. */
export interface StreamSetContext {
  /** Last time that the session was told, for window growth. */
  readonly now: number;
  /** Smoothed round-trip time. */
  readonly smoothedRtt: number;
  /** There is something to send. */
  wake(): void;
  /** A peer opened a stream and its header is complete. */
  onIncomingStream(stream: Stream): void;
  /** See {@linkcode StreamOwner}. */
  onDefect(error: unknown): void;
}

/** The streams of one session. */
export class StreamSet implements StreamOwner {
  readonly #streams = new Map<number, Stream>();
  readonly #scheduler = new Scheduler();
  readonly #control = new Set<Stream>();
  readonly #receiveWindow: ReceiveWindow;
  readonly #budget = new ReassemblyBudget();
  #received = 0;
  #sendCredit: number;
  #sent = 0;
  #maxDataPending = false;
  #maxStreamsPending = false;
  /** Streams the peer may open in all, counted from the session's start. */
  #peerLimit: number;
  #peerOpened = 0;
  /** Streams we may open in all. */
  #ourLimit: number;
  #opened = 0;
  #closed: HawserError | undefined;
  /** Told when more streams may be opened, or that they never will. */
  onStreamCredit: (() => void) | undefined;

  constructor(
    readonly context: StreamSetContext,
    readonly initiator: boolean,
    readonly options: TransportOptions,
    readonly peer: TransportParameters,
  ) {
    this.#receiveWindow = new ReceiveWindow(options.connectionWindow, options.maxConnectionWindow);
    this.#sendCredit = peer.initialMaxData;
    this.#peerLimit = options.maxStreams;
    this.#ourLimit = peer.initialMaxStreamsBidi;
  }

  /** Streams that are not finished. */
  get size(): number {
    return this.#streams.size;
  }

  /** Out-of-order pieces held by all streams. */
  get segments(): number {
    return this.#budget.pieces;
  }

  /** Whether the peer's limit allows another stream now. */
  get canOpen(): boolean {
    return this.#closed === undefined && this.#opened < this.#ourLimit;
  }

  /** Opens a stream; the caller looked at {@linkcode StreamSet.canOpen}. */
  open(header: StreamHeader): Stream {
    if (this.#closed !== undefined) throw this.#closed;
    const id = 4 * this.#opened++ + (this.initiator ? 0 : 1);
    const stream = this.#make(id, this.peer.initialMaxStreamDataBidiRemote);
    Object.assign(stream, { protocol: header.protocol, priority: header.priority, weight: header.weight });
    stream.sending.write(encodeStreamHeader(header));
    this.onStreamWritten(stream);
    return stream;
  }

  /** Ends every stream with `error`; further calls throw it. */
  close(error: HawserError): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    this.#control.clear();
    for (const stream of streams) {
      const settled = stream.sending.terminal && stream.receiving.terminal;
      stream.sending.abandon();
      stream.receiving.abandon();
      if (!settled) stream.fail(error);
    }
    this.onStreamCredit?.();
  }

  // --- calls of streams ---

  /** See {@linkcode StreamOwner}. */
  onStreamWritten(stream: Stream): void {
    if (this.#closed !== undefined) return;
    this.#scheduler.add(stream);
    this.context.wake();
  }

  /** See {@linkcode StreamOwner}. */
  onStreamControl(stream: Stream): void {
    if (this.#closed !== undefined) return;
    this.#control.add(stream);
    if (stream.receiving.stopCode !== undefined) this.#consume(stream.receiving.takeUnreadCredit());
    this.#removeIfDone(stream);
    this.context.wake();
  }

  /** See {@linkcode StreamOwner}. */
  onStreamRead(stream: Stream, bytes: number): void {
    const { now, smoothedRtt } = this.context;
    if (stream.receiving.window.consume(bytes, now, smoothedRtt) && stream.receiving.state === "recv") {
      stream.receiving.creditPending = true;
      this.#control.add(stream);
      this.context.wake();
    }
    this.#consume(bytes);
    this.#removeIfDone(stream);
  }

  /** See {@linkcode StreamOwner}. */
  onDefect(error: unknown): void {
    this.context.onDefect(error);
  }

  // --- frames from the peer ---

  /** STREAM frame. False when there is no room for it: its packet is to be treated as not received. */
  onStreamFrame(id: number, offset: number, data: Uint8Array, fin: boolean, copyOut: boolean): boolean {
    const stream = this.#peerFrame(id);
    if (stream === undefined) return true;
    const rise = stream.receiving.receive(offset, data, fin, copyOut);
    if (rise === undefined) return false;
    this.#countReceived(rise);
    if (stream.receiving.stopCode !== undefined) this.#consume(stream.receiving.takeUnreadCredit());
    if (stream.headerBytes === undefined || this.#readHeader(stream)) {
      stream.tell(stream.onReadable);
      this.#removeIfDone(stream);
    }
    stream.receiving.settle();
    return true;
  }

  /** RESET_STREAM frame. */
  onResetStream(id: number, code: number, finalSize: number): void {
    const stream = this.#peerFrame(id);
    if (stream === undefined) return;
    const before = stream.receiving.state;
    this.#countReceived(stream.receiving.onReset(code, finalSize));
    if (before !== "recv" && before !== "size_known") return;
    this.#consume(stream.receiving.takeUnreadCredit());
    stream.receiving.onResetRead();
    // Given up before anybody here knew of it: nobody else would end our direction.
    if (stream.headerBytes !== undefined) stream.reset(ErrorCode.CANCELLED);
    const silent = stream.receiving.stopCode !== undefined;
    if (!silent) {
      stream.failReading(
        new StreamResetError(`Read stream ${id}: peer reset it with code ${code}`, code, true),
      );
    }
    this.#removeIfDone(stream);
  }

  /** STOP_SENDING frame: answered with RESET_STREAM (RFC 9000 §3.5). */
  onStopSending(id: number, code: number): void {
    const stream = this.#peerFrame(id);
    if (stream === undefined || !stream.sending.reset(code)) return;
    this.#control.add(stream);
    stream.failWriting(
      new StreamResetError(`Write stream ${id}: peer stopped it with code ${code}`, code, true),
    );
  }

  /** MAX_DATA frame. */
  onMaxData(maximum: number): void {
    if (maximum <= this.#sendCredit) return;
    this.#sendCredit = maximum;
    for (const stream of this.#streams.values()) this.#scheduler.add(stream);
  }

  /** MAX_STREAM_DATA frame. */
  onMaxStreamData(id: number, maximum: number): void {
    const stream = this.#peerFrame(id);
    if (stream?.sending.onMaxStreamData(maximum)) this.#scheduler.add(stream);
  }

  /** MAX_STREAMS frame. */
  onMaxStreams(maximum: number): void {
    if (maximum <= this.#ourLimit) return;
    this.#ourLimit = maximum;
    this.onStreamCredit?.();
  }

  // --- frames to the peer ---

  /** Whether {@linkcode StreamSet.writeControl} or {@linkcode StreamSet.writeData} would write anything. */
  get hasPending(): boolean {
    return this.#maxDataPending || this.#maxStreamsPending || this.#control.size > 0 ||
      this.#scheduler.hasReady(this.#isReady);
  }

  /** Writes the control frames that are due from `at` to `end`; returns the offset after them. */
  writeControl(out: Uint8Array, at: number, end: number, frames: SentFrame[]): number {
    const bound = simpleFrameBound(3);
    if (this.#maxDataPending && end - at >= bound) {
      at = writeSimpleFrame(out, at, FrameType.MAX_DATA, this.#receiveWindow.limit);
      frames.push({ kind: "max_data" });
      this.#maxDataPending = false;
    }
    if (this.#maxStreamsPending && end - at >= bound) {
      at = writeSimpleFrame(out, at, FrameType.MAX_STREAMS, this.#peerLimit);
      frames.push({ kind: "max_streams" });
      this.#maxStreamsPending = false;
    }
    for (const stream of this.#control) {
      if (end - at < 3 * bound) return at;
      this.#control.delete(stream);
      const { sending, receiving, id } = stream;
      if (sending.resetPending) {
        at = writeSimpleFrame(out, at, FrameType.RESET_STREAM, id, sending.resetCode, sending.sentOffset);
        frames.push({ kind: "reset_stream", stream });
        sending.resetPending = false;
      }
      if (receiving.stopPending) {
        at = writeSimpleFrame(out, at, FrameType.STOP_SENDING, id, receiving.stopCode!);
        frames.push({ kind: "stop_sending", stream });
        receiving.stopPending = false;
      }
      if (receiving.creditPending && receiving.state === "recv") {
        at = writeSimpleFrame(out, at, FrameType.MAX_STREAM_DATA, id, receiving.window.limit);
        frames.push({ kind: "max_stream_data", stream });
        receiving.creditPending = false;
      }
    }
    return at;
  }

  /** Fills `out` from `at` to `end` with stream data; returns the offset after it. */
  writeData(out: Uint8Array, at: number, end: number, frames: SentFrame[]): number {
    while (end - at >= MIN_STREAM_ROOM) {
      const stream = this.#scheduler.next(this.#isReady);
      if (stream === undefined) break;
      const { sending } = stream;
      const credit = this.#sendCredit - this.#sent;
      // The overhead is taken for the longest piece that could fit: exact to a byte or two.
      const room = end - at - streamFrameOverhead(stream.id, sending.sentOffset, end - at);
      const slice = sending.next(room, credit);
      if (slice === undefined) break;
      at = writeStreamHeader(out, at, stream.id, slice.offset, slice.length, slice.fin);
      sending.copy(slice.offset, slice.length, out, at);
      at += slice.length;
      sending.onSent(slice);
      this.#sent += slice.fresh;
      this.#scheduler.onSent(stream, slice.length);
      frames.push({ kind: "stream", stream, offset: slice.offset, length: slice.length, fin: slice.fin });
      if (sending.writable) stream.tell(stream.onWritable);
    }
    return at;
  }

  /** A frame of ours arrived. */
  onFrameAcked(frame: SentFrame): void {
    switch (frame.kind) {
      case "stream":
        frame.stream.sending.onAcked(frame.offset, frame.length, frame.fin);
        if (frame.stream.sending.terminal) frame.stream.tell(frame.stream.onWritable);
        this.#removeIfDone(frame.stream);
        break;
      case "reset_stream":
        frame.stream.sending.onResetAcked();
        this.#removeIfDone(frame.stream);
    }
  }

  /** A frame of ours is lost. */
  onFrameLost(frame: SentFrame): void {
    if (this.#closed !== undefined) return;
    switch (frame.kind) {
      case "stream":
        frame.stream.sending.onLost(frame.offset, frame.length, frame.fin);
        this.#scheduler.add(frame.stream);
        break;
      case "max_data":
        this.#maxDataPending = true;
        break;
      case "max_streams":
        this.#maxStreamsPending = true;
        break;
      case "max_stream_data":
        if (frame.stream.receiving.state === "recv") {
          frame.stream.receiving.creditPending = true;
          this.#control.add(frame.stream);
        }
        break;
      case "reset_stream":
        if (frame.stream.sending.state === "reset_sent") {
          frame.stream.sending.resetPending = true;
          this.#control.add(frame.stream);
        }
        break;
      case "stop_sending":
        if (!frame.stream.receiving.terminal) {
          frame.stream.receiving.stopPending = true;
          this.#control.add(frame.stream);
        }
    }
  }

  // --- inside ---

  readonly #isReady = (stream: Stream): boolean => stream.sending.hasPending(this.#sendCredit - this.#sent);

  #make(id: number, sendCredit: number): Stream {
    const window = new ReceiveWindow(this.options.streamWindow, this.options.maxStreamWindow);
    const stream = new Stream(id, this, new SendHalf(sendCredit), new ReceiveHalf(window, this.#budget));
    this.#streams.set(id, stream);
    return stream;
  }

  /** The stream of a frame; `undefined` when it is over already. Opens streams of the peer. */
  #peerFrame(id: number): Stream | undefined {
    // A packet may hold more behind the frame that ended the session, or whose reader did.
    if (this.#closed !== undefined) return undefined;
    const stream = this.#streams.get(id);
    if (stream !== undefined) return stream;
    const byInitiator = (id & 3) === 0;
    if ((id & 2) !== 0) {
      throw new ProtocolError(`Receive frame: stream ${id} is unidirectional`, ErrorCode.STREAM_STATE_ERROR);
    }
    const index = Math.floor(id / 4);
    if (byInitiator === this.initiator) {
      if (index >= this.#opened) {
        throw new ProtocolError(`Receive frame: stream ${id} was never opened`, ErrorCode.STREAM_STATE_ERROR);
      }
      return undefined;
    }
    if (index < this.#peerOpened) return undefined;
    if (index >= this.#peerLimit) {
      throw new ProtocolError(
        `Receive frame: stream ${id} exceeds the limit of ${this.#peerLimit}`,
        ErrorCode.STREAM_LIMIT_ERROR,
      );
    }
    // A frame of a later stream opens all before it (RFC 9000 §2.1).
    while (this.#peerOpened <= index) {
      const opened = this.#make(
        4 * this.#peerOpened++ + (this.initiator ? 1 : 0),
        this.peer.initialMaxStreamDataBidiLocal,
      );
      opened.headerBytes = new Uint8Array();
    }
    return this.#streams.get(id);
  }

  /** Reads the header of a peer's stream; true when the stream was handed to the application. */
  #readHeader(stream: Stream): boolean {
    let bytes = stream.headerBytes!;
    while (bytes.length < MAX_STREAM_HEADER) {
      const piece = stream.receiving.read();
      if (piece === undefined) break;
      bytes = concatBytes([bytes, piece]);
    }
    let decoded;
    try {
      decoded = decodeStreamHeader(bytes);
    } catch (cause) {
      if (!(cause instanceof DecodeError)) throw cause;
      throw new ProtocolError(cause.message, ErrorCode.PROTOCOL_VIOLATION, { cause });
    }
    if (decoded === undefined) {
      if (stream.receiving.ended) {
        throw new ProtocolError(
          `Receive stream ${stream.id}: ends inside its header`,
          ErrorCode.PROTOCOL_VIOLATION,
        );
      }
      stream.headerBytes = bytes;
      return false;
    }
    stream.headerBytes = undefined;
    stream.receiving.unread(bytes.subarray(decoded.length));
    this.onStreamRead(stream, decoded.length);
    Object.assign(stream, decoded.header);
    stream.tell(() => this.context.onIncomingStream(stream));
    return true;
  }

  #countReceived(rise: number): void {
    this.#received += rise;
    if (this.#received > this.#receiveWindow.limit) {
      throw new ProtocolError(
        `Receive data: ${this.#received} bytes exceed connection credit ${this.#receiveWindow.limit}`,
        ErrorCode.FLOW_CONTROL_ERROR,
      );
    }
  }

  #consume(bytes: number): void {
    if (bytes === 0 || this.#closed !== undefined) return;
    const { now, smoothedRtt } = this.context;
    if (!this.#receiveWindow.consume(bytes, now, smoothedRtt)) return;
    this.#maxDataPending = true;
    this.context.wake();
  }

  #removeIfDone(stream: Stream): void {
    if (!stream.sending.terminal || !stream.receiving.terminal) return;
    const { resetPending } = stream.sending;
    const { stopPending } = stream.receiving;
    if (resetPending || stopPending || !this.#streams.delete(stream.id)) return;
    this.#control.delete(stream);
    const ours = ((stream.id & 1) === 0) === this.initiator;
    if (ours) return;
    this.#peerLimit++;
    this.#maxStreamsPending = true;
    this.context.wake();
  }
}
