/**
 * One transfer stream on the requester's side: requests go out pipelined, answers come back in the same order.
 *
 * @module
 */

import {
  DecodeError,
  LimitExceededError,
  StreamResetError,
  TransferProtocolError,
  TransferRefusedError,
} from "../errors.ts";
import { MessageReader } from "../mesh/messages.ts";
import { ErrorCode } from "../mesh/mod.ts";
import type { Stream } from "../transport/stream.ts";
import { concatBytes } from "../wire/bytes.ts";
import { writeVarint } from "../wire/varint.ts";
import {
  decodeTransferHeader,
  encodeRequest,
  encodeTransferControl,
  MAX_HEADER_LENGTH,
  type TransferHeader,
} from "../wire/transfer_message.ts";
import type { TransferJob } from "./transfer_job.ts";

/** Told what becomes of a lane's jobs. */
export interface LaneHandler {
  /** Bytes of a job arrived and were taken. */
  onBytes(lane: TransferLane, count: number): void;
  /** The holder answered all of a job; its digest is to be checked. */
  onJobReceived(lane: TransferLane, job: TransferJob): void;
  /** The holder does not give the job: `not-found`, or a refusal. */
  onJobDenied(lane: TransferLane, job: TransferJob, header: TransferHeader): void;
  /** The holder announced another size than the reference; the lane fails next. */
  onJobSize(lane: TransferLane, job: TransferJob, size: bigint): void;
  /** The stream is of no use any more; {@linkcode TransferLane.take} gives the jobs that were not answered. */
  onLaneFailed(lane: TransferLane, error: Error): void;
  /** A job's own code threw: the fetch is over. */
  onFatal(error: unknown): void;
}

/** Bytes from which on there is nothing to wait for: a large datagram has more. */
const READ_AT_ONCE = 48 * 1024;
/** What a job that is not complete has got meanwhile is read after this time, milliseconds, if it is less than that. */
const GATHER_TIME = 5;

/** A stream with the jobs that were asked for on it. */
export class TransferLane {
  /** Declared bytes asked for and not yet received. */
  outstandingBytes = 0;
  readonly #jobs: TransferJob[] = [];
  readonly #reader: MessageReader;
  #requests: Uint8Array[] = [];
  /** Bytes of the first job that its answer still owes; `undefined` before its header. */
  #owed: number | undefined;
  /** The holder said last that it is busy: when the stream ends then, that was about the stream. */
  #busy: TransferRefusedError | undefined;
  #over = false;
  /** Reads at the end of this turn of the event loop. */
  #reading = false;
  /** Reads soon. */
  #gathering: ReturnType<typeof setTimeout> | undefined;
  /** Why the lane failed. */
  failure: Error | undefined;

  /**
   * @param holder index of the holder. @param name the holder's, for messages. @param bulk whether the lane is for
   * large chunks.
   */
  constructor(
    readonly stream: Stream,
    readonly holder: number,
    readonly name: string,
    readonly bulk: boolean,
    readonly handler: LaneHandler,
  ) {
    this.#reader = new MessageReader(() => stream.readView(), MAX_HEADER_LENGTH);
    stream.onReadable = () => this.#onReadable();
  }

  /** Jobs asked for and not answered. */
  get size(): number {
    return this.#jobs.length;
  }

  /** Notes a request; {@linkcode TransferLane.flush} sends all that were noted. */
  request(job: TransferJob): void {
    this.#jobs.push(job);
    this.outstandingBytes += job.length - job.received;
    const message = requestFor(job);
    const head = new Uint8Array(1);
    writeVarint(head, 0, message.length);
    this.#requests.push(head, message);
  }

  /** Sends the noted requests in one write. */
  flush(): void {
    if (this.#requests.length === 0 || this.#over) return;
    const requests = concatBytes(this.#requests);
    this.#requests = [];
    this.stream.write(requests);
  }

  /** Ends the lane when everything was answered. */
  finish(): void {
    if (this.#over) return;
    this.#end();
    this.stream.finish();
    this.stream.stop(ErrorCode.CANCELLED);
  }

  /** Gives the lane up; its jobs are not called any more. */
  abort(): void {
    this.#end();
    this.stream.abort(ErrorCode.CANCELLED);
  }

  /** Gives the lane up, and the jobs that were not answered back. */
  take(): TransferJob[] {
    this.abort();
    this.#requests = [];
    this.outstandingBytes = 0;
    return this.#jobs.splice(0);
  }

  #end(): void {
    this.#over = true;
    this.stream.onReadable = undefined;
    clearTimeout(this.#gathering);
  }

  #onReadable(): void {
    const { readable, credit } = this.stream.receiving;
    if (readable === 0 || readable >= READ_AT_ONCE || credit < READ_AT_ONCE) return this.#read();
    // Small packets come many at a time: hashing and writing what each brings costs more than the packet.
    if (this.#owed !== undefined && readable < this.#owed) {
      this.#gathering ??= setTimeout(() => {
        this.#gathering = undefined;
        this.#read();
      }, GATHER_TIME);
    } else if (!this.#reading) {
      this.#reading = true;
      queueMicrotask(() => {
        this.#reading = false;
        this.#read();
      });
    }
  }

  #read(): void {
    if (this.#over) return;
    try {
      while (!this.#over && this.#step());
    } catch (error) {
      this.#fail(
        error instanceof DecodeError || error instanceof LimitExceededError
          ? this.#breach(error.message, { cause: error })
          : error as Error,
      );
    }
    this.#reader.keepRest();
    if (this.#over) return;
    if (this.stream.error !== undefined) this.#fail(this.#streamError(this.stream.error));
    else if (this.stream.ended) {
      this.#fail(this.#busy ?? this.#breach("it ended its stream before it answered everything"));
    }
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.abort();
    this.failure = error;
    this.handler.onLaneFailed(this, error);
  }

  #breach(what: string, options?: ErrorOptions): TransferProtocolError {
    return new TransferProtocolError(
      `Fetch chunks: holder ${this.name} breaks the transfer protocol: ${what}`,
      options,
    );
  }

  #streamError(error: Error): Error {
    return error instanceof StreamResetError && error.code === ErrorCode.UNKNOWN_PROTOCOL
      ? new TransferProtocolError(`Fetch chunks: holder ${this.name} serves no blobs`, { cause: error })
      : error;
  }

  /** Takes one header or one run of bytes; false when nothing is there. */
  #step(): boolean {
    const job = this.#jobs[0];
    if (this.#owed !== undefined && this.#owed > 0) {
      const bytes = this.#reader.raw(this.#owed);
      if (bytes === undefined) return false;
      this.#owed -= bytes.length;
      this.outstandingBytes -= bytes.length;
      if (!this.#write(() => job.write(bytes))) return false;
      this.handler.onBytes(this, bytes.length);
      if (job.isPacked && this.#owed === 0 && !this.#over) return this.#unpack(job);
    } else {
      const message = this.#reader.message();
      if (message === undefined) return false;
      this.#onHeader(job, decodeTransferHeader(message));
    }
    if (this.#owed === 0 && !this.#over) this.#received();
    return true;
  }

  #received(): void {
    this.#owed = undefined;
    this.handler.onJobReceived(this, this.#jobs.shift()!);
  }

  /** Takes what was packed; the bytes that this saved are bytes that are no longer waited for. */
  #unpack(job: TransferJob): boolean {
    const saved = job.length - job.received;
    if (!this.#write(() => job.unpack())) return false;
    this.outstandingBytes -= saved;
    this.handler.onBytes(this, saved);
    if (!this.#over) this.#received();
    return true;
  }

  /** Lets a job take bytes; false when its own code threw, which ends the fetch. */
  #write(take: () => void): boolean {
    try {
      take();
      return true;
    } catch (error) {
      // Packed bytes that are none are the holder's fault.
      if (error instanceof DecodeError) throw error;
      this.handler.onFatal(error);
      return false;
    }
  }

  #onHeader(job: TransferJob | undefined, header: TransferHeader): void {
    this.#busy = header.kind === "refused" && header.code === "BUSY"
      ? new TransferRefusedError(
        `Fetch chunks: holder ${this.name} refuses the stream: BUSY, "${header.message}"`,
        header.code,
      )
      : undefined;
    if (job === undefined) {
      // Perhaps about the stream: the end of it will tell.
      if (this.#busy !== undefined) return;
      throw this.#breach("it answers what was not asked");
    }
    switch (header.kind) {
      case "packed":
      case "found":
        if (header.kind === "packed") this.#checkPacked(job, header.packedLength);
        if (header.totalLength === BigInt(job.length)) {
          if (header.kind === "packed") job.beginPacked(this.#owed = header.packedLength);
          else this.#owed = job.length - job.received;
          return;
        }
        // Its bytes would follow: nothing behind them can be told apart any more.
        this.#jobs.shift();
        this.handler.onJobSize(this, job, header.totalLength);
        this.#fail(
          this.#breach(`it announced ${header.totalLength} bytes, the reference says ${job.length}`),
        );
        return;
      case "have-reply":
      case "delta":
        throw this.#breach("it answers a question that was not asked");
      default:
        this.#jobs.shift();
        this.outstandingBytes -= job.length - job.received;
        this.handler.onJobDenied(this, job, header);
    }
  }

  #checkPacked(job: TransferJob, packedLength: number): void {
    if (!job.asksPacked || job.received > 0) throw this.#breach("it packs what was not to be packed");
    if (packedLength > 0 && packedLength < job.length) return;
    throw this.#breach(`it packs ${job.length} bytes into ${packedLength}`);
  }
}

/** What asks for a job, or for what is missing of it. */
function requestFor(job: TransferJob): Uint8Array {
  const { hash, received, length } = job;
  if (received > 0) {
    return encodeTransferControl({
      kind: "request-range",
      hash,
      offset: received,
      length: length - received,
    });
  }
  return job.asksPacked ? encodeTransferControl({ kind: "request-packed", hash }) : encodeRequest(hash);
}
