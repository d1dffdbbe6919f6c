/**
 * The requester's side of a directory offer (`content.md` 5): asks what a peer offers, and takes names and hashes as
 * they come. What they mean is decided elsewhere: here only the protocol is checked.
 *
 * @module
 */

import {
  DecodeError,
  OfferFailedError,
  StreamResetError,
  TransferProtocolError,
  TransferRefusedError,
  UnsupportedError,
} from "../errors.ts";
import { frameMessage, MessageReader } from "../mesh/messages.ts";
import { ErrorCode, type Session } from "../mesh/mod.ts";
import type { Stream } from "../transport/stream.ts";
import { type BlobRef, decodeBlobRef } from "../wire/blob_ref.ts";
import { concatBytes } from "../wire/bytes.ts";
import type { OutlineEntry } from "../wire/dir_outline.ts";
import {
  decodeOfferAnswer,
  encodeOfferQuestion,
  MAX_OFFER_ANSWER_LENGTH,
  type OfferAnswer,
  type OfferChanges,
  type OfferFailed,
  type OfferOutline,
} from "../wire/offer_message.ts";
import type { DirectoryOffer, RequestOfferOptions } from "./directory_offer.ts";
import { checkChangesSize } from "./packed_changes.ts";
import { checkOutlineSize, unpackOutline } from "./packed_outline.ts";

/** Protocol number of directory offers. */
export const OFFER_PROTOCOL = 0x1101;
/** Priority of the stream: before the content, which cannot be asked for without it. */
const OFFER_PRIORITY = 1;

/**
 * Asks the peer of `session` which directory it offers. Resolves with the outline, if it is to have one, or with the
 * reference.
 *
 * Throws `OfferFailedError` when the holder could not read it, `TransferRefusedError` when it refuses,
 * `UnsupportedError` when it offers none, `TransferProtocolError`, `LimitExceededError` when the outline is above a
 * limit, the session's error, or the signal's reason.
 *
 * @example
 * ```ts
 * import { fetchDir, requestOffer } from "@hawser/mesh/directory";
 * import { type Session, toChunkSource } from "@hawser/mesh/blob";
 *
 * async function fetchWhatIsOffered(session: Session, dest: string): Promise<void> {
 *   const offer = await requestOffer(session, { live: false });
 *   const stats = await fetchDir(toChunkSource(session), await offer.ref, dest);
 *   console.log(stats.files, stats.bytes);
 * }
 * ```
 */
export async function requestOffer(
  session: Session,
  options: RequestOfferOptions = {},
): Promise<DirectoryOffer> {
  const { live = true, base, signal } = options;
  signal?.throwIfAborted();
  const { transport } = await session.openStream({
    protocol: OFFER_PROTOCOL,
    priority: OFFER_PRIORITY,
    signal,
  });
  const offer = new RequestedOffer(session.peerName.slice(0, 10), transport, options);
  transport.write(frameMessage(encodeOfferQuestion({ live, base })));
  transport.finish();
  await offer.begun;
  return offer;
}

interface Settle<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

/** A promise that somebody else settles. Nobody need wait for it. */
function settleLater<T>(): Settle<T> {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((ok, failed) => [resolve, reject] = [ok, failed]);
  promise.catch(() => {});
  return { promise, resolve, reject };
}

class RequestedOffer implements DirectoryOffer {
  outline: readonly OutlineEntry[] | undefined;
  /** Settles once there is an outline or a reference. */
  readonly #begun = settleLater<void>();
  readonly #ref = settleLater<BlobRef>();
  readonly #reader: MessageReader;
  readonly #live: boolean;
  /** The outline or the changes that are being received: what was announced, the pieces so far, and what is missing. */
  #announced: OfferOutline | OfferChanges | undefined;
  #pieces: Uint8Array[] = [];
  #owed = 0;
  /** Who waits for hashes. */
  #waiting: Settle<Uint8Array | undefined> | undefined;
  #failure: { readonly reason: unknown } | undefined;
  #over = false;

  constructor(
    readonly holder: string,
    readonly stream: Stream,
    readonly options: RequestOfferOptions,
  ) {
    this.#live = options.live ?? true;
    this.#reader = new MessageReader(() => stream.read(), MAX_OFFER_ANSWER_LENGTH);
    stream.onReadable = () => this.#read();
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Resolves once there is an outline or a reference. */
  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  get ref(): Promise<BlobRef> {
    return this.#ref.promise;
  }

  nextHashes(): Promise<Uint8Array | undefined> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.reason);
    if (this.#over) return Promise.resolve(undefined);
    if (this.#waiting === undefined) {
      this.#waiting = settleLater();
      const { promise } = this.#waiting;
      this.#read();
      return promise;
    }
    return this.#waiting.promise;
  }

  close(): void {
    this.#fail(new StreamResetError("Take offer: it was closed", ErrorCode.CANCELLED, false));
  }

  readonly #onAbort = (): void => this.#fail(this.options.signal!.reason);

  #read(): void {
    if (this.#over) return;
    try {
      while (!this.#over && this.#step());
    } catch (error) {
      return this.#fail(error instanceof DecodeError ? this.#breach(error.message, { cause: error }) : error);
    }
    if (this.#over) return;
    if (this.stream.readError !== undefined) this.#fail(this.#streamError(this.stream.readError));
    else if (this.stream.ended && !this.#isPaused) {
      this.#fail(this.#breach("it ended its answer before the reference"));
    }
  }

  /** Whether what comes next is left where it is: who does not take hashes gets no more of them, and the holder waits. */
  get #isPaused(): boolean {
    return this.outline !== undefined && this.#waiting === undefined;
  }

  /** Takes one message or one piece of what is packed; false when nothing is there, or nobody waits for it. */
  #step(): boolean {
    if (this.#owed > 0) {
      const piece = this.#reader.raw(this.#owed);
      if (piece === undefined) return false;
      this.#pieces.push(piece);
      this.#owed -= piece.length;
      if (this.#owed === 0) this.#takePacked();
      return true;
    }
    if (this.#isPaused) return false;
    const message = this.#reader.message();
    if (message === undefined) return false;
    this.#onAnswer(decodeOfferAnswer(message));
    return true;
  }

  #onAnswer(answer: OfferAnswer): void {
    switch (answer.kind) {
      case "outline":
        if (!this.#live || this.#announced !== undefined) {
          throw this.#breach("it sends an outline nobody asked for");
        }
        checkOutlineSize(answer.length, answer.packedLength, this.options);
        return this.#announce(answer);
      case "changes":
        if (this.#live || this.options.base === undefined || this.#announced !== undefined) {
          throw this.#breach("it sends changes nobody asked for");
        }
        checkChangesSize(answer.length, answer.packedLength);
        return this.#announce(answer);
      case "hashes": {
        if (this.outline === undefined) throw this.#breach("it sends hashes without an outline");
        const { resolve } = this.#waiting!;
        this.#waiting = undefined;
        return resolve(answer.hashes);
      }
      case "done":
        return this.#finish(this.#refOf(answer.ref));
      case "failed":
        throw this.#refusal(answer);
    }
  }

  #announce(answer: OfferOutline | OfferChanges): void {
    if (answer.packedLength === 0) throw this.#breach(`it announces ${answer.kind} that has no bytes`);
    this.#announced = answer;
    this.#owed = answer.packedLength;
  }

  #takePacked(): void {
    const packed = concatBytes(this.#pieces);
    this.#pieces = [];
    const { kind, length } = this.#announced!;
    if (kind === "changes") this.options.onChanges?.({ length, packed });
    else {
      this.outline = unpackOutline({ length, packed }, this.options);
      this.#begun.resolve();
    }
  }

  #refOf(bytes: Uint8Array): BlobRef {
    const ref = decodeBlobRef(bytes.slice());
    if (ref === undefined) throw this.#breach("its reference is none");
    return ref;
  }

  #finish(ref: BlobRef): void {
    this.#end();
    this.#ref.resolve(ref);
    this.#begun.resolve();
    this.#waiting?.resolve(undefined);
    this.stream.stop(ErrorCode.CANCELLED);
  }

  #fail(reason: unknown): void {
    if (this.#over) return;
    this.#end();
    this.#failure = { reason };
    this.stream.abort(ErrorCode.CANCELLED);
    for (const settle of [this.#begun, this.#ref, this.#waiting]) settle?.reject(reason);
  }

  #end(): void {
    this.#over = true;
    this.#pieces = [];
    this.stream.onReadable = undefined;
    this.options.signal?.removeEventListener("abort", this.#onAbort);
  }

  #refusal({ code, message }: OfferFailed): Error {
    const text = JSON.stringify(message);
    return code === "FAILED"
      ? new OfferFailedError(`Fetch directory: holder ${this.holder} could not read it: ${text}`)
      : new TransferRefusedError(`Fetch directory: holder ${this.holder} refuses (${code}): ${text}`, code);
  }

  #breach(what: string, options?: ErrorOptions): TransferProtocolError {
    const message = `Fetch directory: holder ${this.holder} breaks the offer protocol: ${what}`;
    return new TransferProtocolError(message, options);
  }

  #streamError(error: Error): Error {
    return error instanceof StreamResetError && error.code === ErrorCode.UNKNOWN_PROTOCOL
      ? new UnsupportedError(`Fetch directory: holder ${this.holder} offers none`, { cause: error })
      : error;
  }
}
