/**
 * One transfer stream on the requester's side: requests go out pipelined, answers come back in the same order.
 *
 * @module
 */

import { DecodeError, TransferProtocolError, TransferRefusedError } from "../errors.ts";
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
  /** The holder announced another size than the reference. */
  onJobSize(lane: TransferLane, job: TransferJob, size: bigint): void;
  /** The stream is of no use any more; `jobs` were not answered. */
  onLaneLost(lane: TransferLane, jobs: readonly TransferJob[], error: Error): void;
  /** A job's own code threw: the fetch is over. */
  onFatal(error: unknown): void;
}

/** A stream with the jobs that were asked for on it. */
export class TransferLane {
  /** Declared bytes asked for and not yet received. */
  outstandingBytes = 0;
  readonly #jobs: TransferJob[] = [];
  readonly #reader: MessageReader;
  #requests: Uint8Array[] = [];
  /** Bytes of the first job that its answer still owes; `undefined` before its header. */
  #owed: number | undefined;
  #over = false;

  /** @param holder index of the holder. @param bulk whether the lane is for large chunks. */
  constructor(
    readonly stream: Stream,
    readonly holder: number,
    readonly bulk: boolean,
    readonly handler: LaneHandler,
  ) {
    this.#reader = new MessageReader(() => stream.read(), MAX_HEADER_LENGTH);
    stream.onReadable = () => this.#onReadable();
  }

  /** Jobs asked for and not answered. */
  get size(): number {
    return this.#jobs.length;
  }

  /** Whether jobs can be asked for. */
  get isOpen(): boolean {
    return !this.#over;
  }

  /** Notes a request; {@linkcode TransferLane.flush} sends all that were noted. */
  request(job: TransferJob): void {
    this.#jobs.push(job);
    this.outstandingBytes += job.length - job.received;
    const message = job.received === 0 ? encodeRequest(job.hash) : encodeTransferControl({
      kind: "request-range",
      hash: job.hash,
      offset: job.received,
      length: job.length - job.received,
    });
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
    this.#over = true;
    this.stream.onReadable = undefined;
    this.stream.finish();
    this.stream.stop(ErrorCode.CANCELLED);
  }

  /** Gives the lane up; its jobs are not called any more. */
  abort(): void {
    this.#over = true;
    this.stream.onReadable = undefined;
    this.stream.abort(ErrorCode.CANCELLED);
  }

  /** Takes the lane's jobs away because its session is of no use any more. */
  lose(error: Error): void {
    if (this.#over) return;
    this.abort();
    this.#requests = [];
    this.outstandingBytes = 0;
    this.handler.onLaneLost(this, this.#jobs.splice(0), error);
  }

  #onReadable(): void {
    try {
      while (!this.#over && this.#step());
    } catch (error) {
      const byHolder = error instanceof TransferProtocolError || error instanceof TransferRefusedError ||
        error instanceof DecodeError;
      if (byHolder) this.lose(error);
      else this.handler.onFatal(error);
    }
    if (!this.#over && this.stream.error !== undefined) this.lose(this.stream.error);
    else if (!this.#over && this.stream.ended && this.#jobs.length > 0) {
      this.lose(
        new TransferProtocolError("Fetch chunks: holder ended its stream before it answered everything"),
      );
    }
  }

  /** Takes one header or one run of bytes; false when nothing is there. */
  #step(): boolean {
    const job = this.#jobs[0];
    if (this.#owed !== undefined && this.#owed > 0) {
      const bytes = this.#reader.raw(this.#owed);
      if (bytes === undefined) return false;
      this.#owed -= bytes.length;
      this.outstandingBytes -= bytes.length;
      job.write(bytes);
      this.handler.onBytes(this, bytes.length);
    } else {
      const message = this.#reader.message();
      if (message === undefined) return false;
      this.#onHeader(job, decodeTransferHeader(message));
    }
    if (this.#owed === 0) {
      this.#owed = undefined;
      this.handler.onJobReceived(this, this.#jobs.shift()!);
    }
    return true;
  }

  #onHeader(job: TransferJob | undefined, header: TransferHeader): void {
    if (job === undefined) {
      if (header.kind === "refused") {
        throw new TransferRefusedError(
          `Fetch chunks: holder refuses the stream: ${header.message}`,
          header.code,
        );
      }
      throw new TransferProtocolError("Fetch chunks: holder answers what was not asked");
    }
    switch (header.kind) {
      case "found":
        if (header.totalLength === BigInt(job.length)) {
          this.#owed = job.length - job.received;
          return;
        }
        // Its bytes would follow: nothing behind them can be told apart any more.
        this.#jobs.shift();
        this.handler.onJobSize(this, job, header.totalLength);
        this.lose(new TransferProtocolError("Fetch chunks: holder announced a wrong size"));
        return;
      case "have-reply":
        throw new TransferProtocolError("Fetch chunks: holder answers a question that was not asked");
      default:
        this.#jobs.shift();
        this.outstandingBytes -= job.length - job.received;
        this.handler.onJobDenied(this, job, header);
    }
  }
}
