/**
 * One bidirectional stream of a session: both halves and what the application calls. Synchronous and without
 * promises: {@linkcode Stream.write} and {@linkcode Stream.read} move arrays, two callbacks say when to go on. The
 * mesh puts Web Streams on top.
 *
 * @module
 */

import type { HawserError } from "../errors.ts";
import type { ReceiveHalf } from "./receive_half.ts";
import type { SendHalf } from "./send_half.ts";

/** Told by a stream that something is to be sent or was taken. Implemented by the session's stream set. */
export interface StreamOwner {
  /** There may be data to send. */
  onStreamWritten(stream: Stream): void;
  /** There is a control frame to send. */
  onStreamControl(stream: Stream): void;
  /** The application took `bytes`. */
  onStreamRead(stream: Stream, bytes: number): void;
  /** A callback of the application threw: whoever drives the session is told once the packet is done with. */
  onDefect(error: unknown): void;
}

/** What the first bytes of a stream say (`protocol.md` 4). */
export interface StreamHeader {
  /** Number of the protocol spoken on the stream. */
  readonly protocol: number;
  /** 0 highest to 7. @default 3 */
  readonly priority: number;
  /** Share among streams of the same priority, 1 to 256. @default 16 */
  readonly weight: number;
}

/** A stream as the transport sees it. */
export class Stream implements StreamHeader {
  /** Number of the protocol spoken on the stream. */
  protocol = 0;
  /** 0 highest to 7. */
  priority = 3;
  /** Share among streams of the same priority. */
  weight = 16;
  /** Why the peer's direction ended before its end: the peer reset it, or the session is over. */
  readError: HawserError | undefined;
  /** Why our direction ended before its end: the peer reads no more, or the session is over. */
  writeError: HawserError | undefined;
  /** Called when there is something to read, the end, or an error of either direction. */
  onReadable: (() => void) | undefined;
  /** Called when a write is welcome again, everything was acknowledged, or there is an error of either direction. */
  onWritable: (() => void) | undefined;
  /** Bytes that the scheduler still owes the stream in this round. */
  deficit = 0;
  /** Whether the scheduler's queue holds the stream. */
  scheduled = false;
  /** First bytes received, until they make a whole header; `undefined` afterwards. */
  headerBytes: Uint8Array | undefined;

  /** Made by the session's stream set. */
  constructor(
    readonly id: number,
    readonly owner: StreamOwner,
    readonly sending: SendHalf,
    readonly receiving: ReceiveHalf,
  ) {}

  /** Why either direction ended before its end; `undefined` while both live or ended well. */
  get error(): HawserError | undefined {
    return this.readError ?? this.writeError;
  }

  /**
   * Hands over `bytes` to be sent; they are not to be changed afterwards, or not before `onReleased` is called: they
   * have arrived then. It is not when the stream ends early. Throws {@linkcode Stream.writeError}.
   */
  write(bytes: Uint8Array, onReleased?: () => void): void {
    if (this.writeError !== undefined) throw this.writeError;
    this.sending.write(bytes, onReleased);
    this.owner.onStreamWritten(this);
  }

  /** Whether another write is welcome; `onWritable` tells when it is again. */
  get writable(): boolean {
    return this.writeError === undefined && this.sending.writable;
  }

  /** Ends the sending direction after what was written. */
  finish(): void {
    this.sending.finish();
    this.owner.onStreamWritten(this);
  }

  /** Next piece in order; `undefined` when there is none yet, at the end ({@linkcode Stream.ended}) or after an error. */
  read(): Uint8Array | undefined {
    const piece = this.receiving.read();
    if (piece !== undefined) this.owner.onStreamRead(this, piece.length);
    return piece;
  }

  /** As {@linkcode Stream.read}, but the piece may be valid until more arrives only: for what uses it up at once. */
  readView(): Uint8Array | undefined {
    const piece = this.receiving.readView();
    if (piece !== undefined) this.owner.onStreamRead(this, piece.length);
    return piece;
  }

  /** Whether the peer ended its direction and everything was read. */
  get ended(): boolean {
    return this.receiving.ended;
  }

  /** Gives up both directions with an application error code. */
  abort(code: number): void {
    this.reset(code);
    this.stop(code);
  }

  /** Gives up the sending direction (RESET_STREAM). */
  reset(code: number): void {
    if (this.sending.reset(code)) this.owner.onStreamControl(this);
  }

  /** Gives up the receiving direction (STOP_SENDING). */
  stop(code: number): void {
    this.receiving.stop(code);
    this.owner.onStreamControl(this);
  }

  /** Ends both directions with an error and tells whoever waits. */
  fail(error: HawserError): void {
    this.readError ??= error;
    this.writeError ??= error;
    this.tell(this.onReadable);
    this.tell(this.onWritable);
  }

  /** The peer gave its direction up (RESET_STREAM); ours goes on. */
  failReading(error: HawserError): void {
    this.readError ??= error;
    this.tell(this.onReadable);
    this.tell(this.onWritable);
  }

  /** The peer reads no more (STOP_SENDING); its own direction goes on. */
  failWriting(error: HawserError): void {
    this.writeError ??= error;
    this.tell(this.onReadable);
    this.tell(this.onWritable);
  }

  /** Calls back into the application, whose errors must not stop what the transport is in the middle of. */
  tell(callback: (() => void) | undefined): void {
    try {
      callback?.();
    } catch (error) {
      this.owner.onDefect(error);
    }
  }
}
