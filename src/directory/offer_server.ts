/**
 * The holder's side of a directory offer (`content.md` 5): tells every requester what is known of the directory, each as
 * fast as it takes it.
 *
 * @module
 */

import { HawserError } from "../errors.ts";
import { frameMessage, MessageReader } from "../mesh/messages.ts";
import { ErrorCode, type MeshNode, type Session } from "../mesh/mod.ts";
import { log } from "../runtime/logging.ts";
import type { Stream } from "../transport/stream.ts";
import { encodeBlobRef } from "../wire/blob_ref.ts";
import {
  decodeOfferQuestion,
  encodeOfferAnswer,
  MAX_OFFER_QUESTION_LENGTH,
  type OfferAnswer,
  type OfferFailureCode,
  type OfferQuestion,
} from "../wire/offer_message.ts";
import type { FolderOffer } from "./offer_folder.ts";
import { OFFER_PROTOCOL } from "./offer_request.ts";
import { HASH_LENGTH } from "./tree_hashes.ts";

/** A peer follows an offer on one stream; more are those of connections that it has lost. */
const DEFAULT_STREAMS_PER_PEER = 4;

/** Options of {@linkcode serveOffer}. */
export interface ServeOfferOptions {
  /** Whether `peer` (node id) may know what is offered. @default every peer that the node accepts */
  readonly allow?: (peer: Uint8Array) => boolean;
  /** Streams on which one peer may follow the offer; further ones are refused as busy. @default 4 */
  readonly maxStreamsPerPeer?: number;
  /** Called when a peer was told the reference: it knows all there is. */
  readonly onTold?: (session: Session) => void;
}

/** An offer that is being served. */
export interface OfferService extends Disposable {
  /** Stops taking new streams; those that are open go on. */
  close(): void;
}

/**
 * Tells peers what a directory holds while it is read, and its reference once everything was read, until the service or
 * the node is closed. The content is served by `serveBlobs`.
 */
export function serveOffer(
  node: MeshNode,
  offer: FolderOffer,
  options: ServeOfferOptions = {},
): OfferService {
  const { maxStreamsPerPeer = DEFAULT_STREAMS_PER_PEER } = options;
  const streams = new Map<Session, number>();
  const unserve = node.serve(OFFER_PROTOCOL, ({ transport }, session) => {
    const open = streams.get(session) ?? 0;
    const served = new ServedOffer(transport, session, offer, options, () => {
      const left = streams.get(session)! - 1;
      if (left === 0) streams.delete(session);
      else streams.set(session, left);
    });
    streams.set(session, open + 1);
    if (open >= maxStreamsPerPeer) served.refuse("BUSY", `more than ${maxStreamsPerPeer} streams`);
    else if (options.allow?.(session.peerId) === false) {
      served.refuse("FORBIDDEN", "this node does not offer it to you");
    } else served.begin();
  });
  return { close: unserve, [Symbol.dispose]: unserve };
}

/** One requester's stream. */
class ServedOffer {
  readonly #reader: MessageReader;
  /** `undefined` before it came. */
  #asked: OfferQuestion | undefined;
  #hasChanges = false;
  #hasOutline = false;
  /** Hashes told. */
  #told = 0;
  #unfollow: (() => void) | undefined;
  /** The last message is on its way. */
  #finished = false;
  #over = false;

  constructor(
    readonly stream: Stream,
    readonly session: Session,
    readonly offer: FolderOffer,
    readonly options: ServeOfferOptions,
    readonly onOver: () => void,
  ) {
    this.#reader = new MessageReader(() => stream.read(), MAX_OFFER_QUESTION_LENGTH);
    stream.onReadable = stream.onWritable = () => this.#pump();
  }

  /** Takes the question when it is there, and answers as far as that is possible. */
  begin(): void {
    this.#pump();
  }

  /** Answers that there is nothing. */
  refuse(code: OfferFailureCode, message: string): void {
    this.#answer({ kind: "failed", code, message });
    this.#finish();
  }

  #pump(): void {
    if (this.#over) return;
    try {
      if (this.stream.error !== undefined || this.stream.sending.terminal) return this.#end();
      if (this.#finished) return;
      if (this.#asked === undefined) this.#question();
      while (this.#asked !== undefined && this.stream.writable && this.#step(this.#asked));
    } catch (error) {
      log("directory", "error", "Cannot tell of the offer: {error}", { error });
      this.stream.abort(ErrorCode.INTERNAL_ERROR);
      this.#end();
    }
  }

  #question(): void {
    try {
      const message = this.#reader.message();
      if (message !== undefined) this.#asked = decodeOfferQuestion(message.slice());
      else if (this.stream.ended) this.#finish();
    } catch (error) {
      if (!(error instanceof HawserError)) throw error;
      this.refuse("BAD_REQUEST", error.message);
    }
    if (this.#asked === undefined) return;
    this.#unfollow = this.offer.feed.follow(() => this.#pump(), this.#asked.live);
  }

  /** Tells the next piece of what is known; false when that was told. */
  #step({ live, base }: OfferQuestion): boolean {
    const { feed } = this.offer;
    if (feed.failure !== undefined) {
      this.refuse("FAILED", this.#reason(feed.failure.error));
      return false;
    }
    if (live && !this.#hasOutline && feed.ref === undefined) return this.#outline();
    if (this.#hasOutline && this.#told < feed.count) {
      const hashes = feed.hashesFrom(this.#told);
      this.#answer({ kind: "hashes", hashes });
      this.#told += hashes.length / HASH_LENGTH;
      return true;
    }
    if (!live && base !== undefined && !this.#hasChanges && this.#changes(base)) return true;
    if (feed.ref === undefined) return false;
    this.#answer({ kind: "done", ref: encodeBlobRef(feed.ref) });
    this.#finish();
    this.options.onTold?.(this.session);
    return false;
  }

  #outline(): boolean {
    const { outline } = this.offer.feed;
    if (outline === undefined) return false;
    this.#hasOutline = true;
    const { length, packed } = outline;
    this.#answer({ kind: "outline", length, packedLength: packed.length });
    this.stream.write(packed);
    return true;
  }

  #changes(base: Uint8Array): boolean {
    const changes = this.offer.feed.changesFrom(base);
    if (changes === undefined) return false;
    this.#hasChanges = true;
    const { length, packed } = changes;
    this.#answer({ kind: "changes", length, packedLength: packed.length });
    this.stream.write(packed);
    return true;
  }

  /** Why it failed, for people elsewhere: where the directory lies on this machine is none of their business. */
  #reason(error: unknown): string {
    const { message } = error as Error;
    return message.replaceAll(`${this.offer.root}/`, "").replaceAll(this.offer.root, ".");
  }

  #answer(answer: OfferAnswer): void {
    this.stream.write(frameMessage(encodeOfferAnswer(answer)));
  }

  #finish(): void {
    this.#finished = true;
    this.stream.finish();
    this.#unfollow?.();
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#unfollow?.();
    // Whatever else comes is of no use.
    this.stream.stop(ErrorCode.CANCELLED);
    // Given up by the peer in one direction: the other is of no use then.
    if (this.stream.error !== undefined) this.stream.abort(ErrorCode.CANCELLED);
    this.onOver();
  }
}
