/**
 * A stream as applications see it: Web Streams on both sides. What moves bulk inside the library uses
 * {@linkcode MeshStream.transport} instead, which makes no promise per piece.
 *
 * @module
 */

import type { HawserError } from "../errors.ts";
import { StreamResetError } from "../errors.ts";
import { ErrorCode } from "../transport/config.ts";
import type { Stream } from "../transport/stream.ts";
import { checkErrorCode } from "./error_code.ts";

/** A bidirectional stream between two nodes. */
export class MeshStream {
  #readable: ReadableStream<Uint8Array> | undefined;
  #writable: WritableStream<Uint8Array> | undefined;

  /**
   * The stream below, for what moves bulk inside the library.
   *
   * @internal
   */
  readonly transport: Stream;

  /**
   * Made by a session.
   *
   * @internal
   */
  constructor(transport: Stream) {
    this.transport = transport;
  }

  /** Stream id, RFC 9000 §2.1. */
  get id(): number {
    return this.transport.id;
  }

  /** Number of the protocol spoken on the stream; 0 is the application's. */
  get protocol(): number {
    return this.transport.protocol;
  }

  /**
   * Bytes from the peer. A reader that stops reading stops the sender of this stream and nothing else. Errors with
   * `StreamResetError` or with the session's error; cancelling sends STOP_SENDING.
   */
  get readable(): ReadableStream<Uint8Array> {
    return this.#readable ??= readableOf(this.transport);
  }

  /**
   * Bytes to the peer. A write resolves when the bytes (copied: the array may be reused) are accepted under flow
   * control, `close` when everything was acknowledged; aborting sends RESET_STREAM.
   */
  get writable(): WritableStream<Uint8Array> {
    return this.#writable ??= writableOf(this.transport);
  }

  /**
   * Gives up both directions. Throws `InvalidArgumentError` when the code is no whole number from 0 to 2^53 - 1.
   *
   * @param code error code that the peer sees in its `StreamResetError`; applications use `ErrorCode.APPLICATION` and up.
   */
  abort(code: number = ErrorCode.CANCELLED): void {
    checkErrorCode("Abort stream", code);
    const error = new StreamResetError(`Use stream ${this.id}: given up here with code ${code}`, code, false);
    this.transport.abort(code);
    this.transport.fail(error);
  }
}

function readableOf(stream: Stream): ReadableStream<Uint8Array> {
  let wake: (() => void) | undefined;
  stream.onReadable = () => wake?.();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      for (;;) {
        const piece = stream.read();
        if (piece !== undefined) return controller.enqueue(piece);
        if (stream.ended) return controller.close();
        if (stream.readError !== undefined) return controller.error(stream.readError);
        await new Promise<void>((resolve) => wake = resolve);
      }
    },
    cancel() {
      stream.stop(ErrorCode.CANCELLED);
      wake?.();
    },
  }, { highWaterMark: 0 });
}

function writableOf(stream: Stream): WritableStream<Uint8Array> {
  let wake: (() => void) | undefined;
  const until = async (done: () => boolean): Promise<void> => {
    while (!done()) {
      if (stream.writeError !== undefined) throw stream.writeError satisfies HawserError;
      await new Promise<void>((resolve) => wake = resolve);
    }
  };
  return new WritableStream<Uint8Array>({
    start(controller) {
      stream.onWritable = () => {
        // A writer that waits for its own source is told, too.
        if (stream.writeError !== undefined) controller.error(stream.writeError);
        wake?.();
      };
      if (stream.writeError !== undefined) controller.error(stream.writeError);
    },
    async write(bytes) {
      await until(() => stream.writable);
      stream.write(bytes.slice());
    },
    async close() {
      stream.finish();
      await until(() => stream.sending.state === "data_recvd");
    },
    abort() {
      stream.reset(ErrorCode.CANCELLED);
      wake?.();
    },
  });
}
