/**
 * The holder's side of the blob transfer (`content.md` 2): answers the requests of each stream in order, reading
 * from the store only as fast as the stream takes the bytes.
 *
 * @module
 */

import { SourceChangedError, StoreError } from "../errors.ts";
import type { MeshNode, Session } from "../mesh/mod.ts";
import { ErrorCode } from "../mesh/mod.ts";
import { frameMessage, MessageReader } from "../mesh/messages.ts";
import { log } from "../runtime/logging.ts";
import type { Stream } from "../transport/stream.ts";
import { toHex } from "../wire/bytes.ts";
import {
  decodeTransferControl,
  encodeTransferHeader,
  type HaveMessage,
  MAX_CONTROL_LENGTH,
  MAX_FOUND_LENGTH,
  type RefusalCode,
  type TransferControl,
  type TransferHeader,
  writeFoundHeader,
} from "../wire/transfer_message.ts";
import { AnswerBuffer } from "./answer_buffer.ts";
import { BufferPool } from "./buffer_pool.ts";
import { PackedBlobs } from "./packed_blob.ts";
import { type BlobRange, type BlobStore, MAX_STORED_BLOB, type SyncReadableStore } from "./store.ts";

/** Protocol number of blob transfer streams, the original's. */
export const BLOB_TRANSFER_PROTOCOL = 0x1100;
/** Bytes read from the store at a time: enough to fill several datagrams, few enough to keep the event loop quick. */
const READ_SIZE = 256 * 1024;
/** Shorter reads are not worth a buffer of that size. */
const POOLED_READ = 64 * 1024;
/** Blobs up to this size are answered many at a time, in one buffer. */
const GATHERED_BLOB = 32 * 1024;
/** Buffers kept for the next reads: what a fast path has in flight. */
const MAX_POOLED = 64;
/** The same for stores that answer later, where each read may be a round trip. */
const ASYNC_READ_SIZE = 1024 * 1024;
/** Packed manifests that are kept, bytes, and what is known of how many blobs. */
const MAX_PACKED_BYTES = 8 * 1024 * 1024;
const MAX_PACKED_BLOBS = 64;

/** What {@linkcode serveBlobs} tells of one answered request. */
export interface ServedTransfer {
  /** The session that asked. */
  readonly session: Session;
  /** Address of the blob; valid during the call only. */
  readonly hash: Uint8Array;
  /** Bytes sent, the blob's or those of the range. */
  readonly bytes: number;
}

/** Options of {@linkcode serveBlobs}. */
export interface ServeBlobsOptions {
  /**
   * Whether `peer` (node id) may have the blob `hash`. @default whoever knows a hash may have the bytes
   */
  readonly allow?: (peer: Uint8Array, hash: Uint8Array) => boolean;
  /** Transfer streams that one peer may have open; further ones are refused as busy. @default 16 */
  readonly maxStreamsPerPeer?: number;
  /** Called for every blob or range that was handed to the transport whole. */
  readonly onTransfer?: (transfer: ServedTransfer) => void;
  /** Called when the store fails or a served file changed; the peer is told that the blob is not there. */
  readonly onError?: (error: Error, hash: Uint8Array) => void;
}

/** A store that is being served. */
export interface BlobService extends Disposable {
  /** Stops taking new streams; the node goes on. */
  close(): void;
}

/** Serves the blobs of a store to every peer that the node accepts, until the service or the node is closed. */
export function serveBlobs(
  node: MeshNode,
  store: BlobStore & Partial<SyncReadableStore>,
  options: ServeBlobsOptions = {},
): BlobService {
  const { maxStreamsPerPeer = 16 } = options;
  const streams = new Map<Session, number>();
  const pool = new BufferPool(READ_SIZE, MAX_POOLED);
  const packed = new PackedBlobs(MAX_PACKED_BYTES, MAX_PACKED_BLOBS);
  const unserve = node.serve(BLOB_TRANSFER_PROTOCOL, (stream, session) => {
    const open = streams.get(session) ?? 0;
    if (open >= maxStreamsPerPeer) {
      return refuseStream(stream.transport, "BUSY", `more than ${maxStreamsPerPeer} streams`);
    }
    streams.set(session, open + 1);
    new ServedStream(stream.transport, session, store, options, pool, packed, () => {
      const left = streams.get(session)! - 1;
      if (left === 0) streams.delete(session);
      else streams.set(session, left);
    });
  });
  return { close: unserve, [Symbol.dispose]: unserve };
}

function refuseStream(transport: Stream, code: RefusalCode, message: string): void {
  transport.write(frameMessage(encodeTransferHeader({ kind: "refused", code, message })));
  transport.finish();
  // Not before the answer arrived: a stream that is stopped fails at once, whatever it was told.
  transport.onWritable = () => {
    if (transport.sending.terminal || transport.error !== undefined) transport.stop(ErrorCode.CANCELLED);
  };
}

/** A blob on its way out. */
interface Answer {
  readonly hash: Uint8Array;
  readonly total: number;
  readonly end: number;
  readonly length: number;
  /** What is sent in place of the blob's bytes. */
  readonly packed?: Uint8Array;
  at: number;
}

/** Whether nothing of an answer was sent, not even its header. */
function isBegin({ at, end, length }: Answer): boolean {
  return at === end - length;
}

function headerOf({ total, packed }: Answer): TransferHeader {
  const totalLength = BigInt(total);
  return packed === undefined
    ? { kind: "found", totalLength }
    : { kind: "packed", totalLength, packedLength: packed.length };
}

/** One transfer stream. */
class ServedStream {
  readonly #reader: MessageReader;
  readonly #gathered: AnswerBuffer;
  #answer: Answer | undefined;
  /** The loop runs, or an asynchronous answer is awaited. */
  #busy = false;
  /** An asynchronous answer is awaited. */
  #waiting = false;
  #over = false;

  constructor(
    readonly stream: Stream,
    readonly session: Session,
    readonly store: BlobStore & Partial<SyncReadableStore>,
    readonly options: ServeBlobsOptions,
    readonly pool: BufferPool,
    readonly packed: PackedBlobs,
    readonly onOver: () => void,
  ) {
    this.#reader = new MessageReader(() => stream.read(), MAX_CONTROL_LENGTH);
    this.#gathered = new AnswerBuffer(stream, pool);
    stream.onReadable = () => this.#pump();
    stream.onWritable = () => this.#pump();
    // Requests may be here already: streams are held back until the node has authorized the peer.
    this.#pump();
  }

  /** Works until the stream takes no more or has nothing more to ask. */
  #pump(): void {
    if (this.#busy || this.#over) return;
    // Sending calls back when there is room: not from inside.
    this.#busy = true;
    try {
      while (this.stream.writable && !this.#waiting) {
        if (this.#answer !== undefined) this.#sendPiece(this.#answer);
        else if (!this.#nextRequest()) break;
      }
      this.#gathered.flush();
    } catch (error) {
      this.#abort(error as Error);
    }
    this.#busy = this.#waiting;
    if (this.stream.error !== undefined || this.stream.sending.finished) this.#end();
  }

  /** Takes the next request; false when there is none now. */
  #nextRequest(): boolean {
    let message: Uint8Array | undefined;
    try {
      message = this.#reader.message();
    } catch (error) {
      // Whatever follows cannot be told apart any more.
      this.#gathered.flush();
      refuseStream(this.stream, "BAD_REQUEST", (error as Error).message);
      return false;
    }
    if (message === undefined) {
      this.#gathered.flush();
      if (this.stream.ended) this.stream.finish();
      return false;
    }
    let control: TransferControl;
    try {
      control = decodeTransferControl(message);
    } catch (error) {
      this.#write({ kind: "refused", code: "BAD_REQUEST", message: (error as Error).message });
      return true;
    }
    if (control.kind === "have") this.#later(this.#have(control.hashes.map((hash) => hash.slice())));
    else this.#request(control);
    return true;
  }

  #request(control: Exclude<TransferControl, HaveMessage>): void {
    const { hash: view } = control;
    if (this.options.allow?.(this.session.peerId, view) === false) {
      return this.#write({
        kind: "refused",
        code: "FORBIDDEN",
        message: "this node does not give that blob to you",
      });
    }
    if (control.kind === "request" && this.#gather(view)) return;
    const hash = view.slice();
    const range = control.kind === "request-range" ? control : undefined;
    if (control.kind === "request-packed") this.#packedRequest(hash);
    else if (this.#readsAtOnce) this.#begin(hash, this.store.sizeSync!(hash), range);
    else this.#later(this.store.stat(hash).then((stat) => this.#begin(hash, stat?.size, range)));
  }

  /** Answers at once what is small and can be read now; false, with nothing answered, for what is not. */
  #gather(hash: Uint8Array): boolean {
    const size = this.#readsAtOnce ? this.store.sizeSync!(hash) : undefined;
    if (size === undefined || size > GATHERED_BLOB) return false;
    const room = this.#gathered.room(MAX_FOUND_LENGTH + size);
    const at = writeFoundHeader(room, size);
    const into = room.subarray(at, at + size);
    try {
      const bytes = size === 0 ? into : this.store.readSync!(hash, 0, size, into);
      if (bytes.buffer !== into.buffer) into.set(bytes);
    } catch (error) {
      this.#report(error as Error, hash);
      this.#write({ kind: "not-found" });
      return true;
    }
    this.#gathered.add(at + size);
    this.options.onTransfer?.({ session: this.session, hash, bytes: size });
    return true;
  }

  /** Takes up the answer to a request for a packed form: where there is none, the blob as it is. */
  #packedRequest(hash: Uint8Array): void {
    if (!this.#readsAtOnce) return this.#later(this.#packedRequestLater(hash));
    const size = this.store.sizeSync!(hash);
    const packed = size === undefined || size > MAX_STORED_BLOB ? undefined : this.#packedForm(hash, size);
    this.#begin(hash, size, undefined, packed);
  }

  #packedForm(hash: Uint8Array, size: number): Uint8Array | undefined {
    try {
      return this.packed.get(hash, () => this.store.readSync!(hash, 0, size));
    } catch {
      // Read again as it is, where failures are answered.
      return undefined;
    }
  }

  async #packedRequestLater(hash: Uint8Array): Promise<void> {
    const size = (await this.store.stat(hash))?.size;
    const bytes = size === undefined || size > MAX_STORED_BLOB
      ? undefined
      : await this.store.get(hash).catch(() => undefined);
    this.#begin(hash, size, undefined, bytes === undefined ? undefined : this.packed.get(hash, () => bytes));
  }

  get #readsAtOnce(): boolean {
    return this.store.sizeSync !== undefined && this.store.readSync !== undefined;
  }

  /** Takes an answer up. */
  #begin(hash: Uint8Array, total: number | undefined, range?: BlobRange, packed?: Uint8Array): void {
    if (total === undefined) return this.#write({ kind: "not-found" });
    if (packed !== undefined) {
      this.#answer = { hash, total, packed, at: 0, end: packed.length, length: packed.length };
      return;
    }
    const offset = range?.offset ?? 0;
    if (offset > total) {
      const message = `range begins at ${offset}, the blob has ${total} bytes`;
      return this.#write({ kind: "refused", code: "BAD_REQUEST", message });
    }
    const end = range === undefined ? total : Math.min(total, offset + range.length);
    this.#answer = { hash, total, at: offset, end, length: end - offset };
  }

  /** Sends the next piece, the first with the header before it: what cannot be read is not announced. */
  #sendPiece(answer: Answer): void {
    const { hash, at, end, packed } = answer;
    if (packed !== undefined) return this.#sent(answer, packed.subarray(at, Math.min(at + READ_SIZE, end)));
    if (at === end) return this.#sent(answer, new Uint8Array());
    if (!this.#readsAtOnce) return this.#later(this.#sendPieceLater(answer));
    const length = Math.min(READ_SIZE, end - at);
    const buffer = length >= POOLED_READ ? this.pool.take() : undefined;
    const onReleased = buffer === undefined ? undefined : () => this.pool.give(buffer);
    let piece: Uint8Array;
    try {
      piece = this.store.readSync!(hash, at, length, buffer);
    } catch (error) {
      onReleased?.();
      return this.#unreadable(answer, error as Error);
    }
    this.#sent(answer, piece, onReleased);
  }

  async #sendPieceLater(answer: Answer): Promise<void> {
    const { hash, at, end } = answer;
    let piece: Uint8Array | undefined;
    try {
      piece = await this.store.get(hash, { offset: at, length: Math.min(ASYNC_READ_SIZE, end - at) });
    } catch (error) {
      return this.#unreadable(answer, error as Error);
    }
    if (piece === undefined) this.#unreadable(answer, new StoreError("Read blob: it is gone from the store"));
    else this.#sent(answer, piece);
  }

  #sent(answer: Answer, piece: Uint8Array, onReleased?: () => void): void {
    if (isBegin(answer)) this.#write(headerOf(answer));
    this.#gathered.flush();
    this.stream.write(piece, onReleased);
    answer.at += piece.length;
    if (answer.at < answer.end) return;
    this.#answer = undefined;
    this.options.onTransfer?.({ session: this.session, hash: answer.hash, bytes: answer.length });
  }

  /** The store failed: the answer is that the blob is not there, or in its middle the end of the stream. */
  #unreadable(answer: Answer, error: Error): void {
    if (!isBegin(answer)) throw error;
    this.#answer = undefined;
    this.#report(error, answer.hash);
    this.#write({ kind: "not-found" });
  }

  async #have(hashes: readonly Uint8Array[]): Promise<void> {
    const bitmap = new Uint8Array(Math.ceil(hashes.length / 8));
    for (let i = 0; i < hashes.length; i++) {
      const allowed = this.options.allow?.(this.session.peerId, hashes[i]) !== false;
      if (allowed && await this.store.has(hashes[i])) bitmap[i >>> 3] |= 1 << (i & 7);
    }
    this.#write({ kind: "have-reply", bitmap });
  }

  /** Answers in order: nothing else is taken up until `work` is done. */
  #later(work: Promise<void>): void {
    this.#waiting = true;
    work.catch((error) => this.#abort(error)).finally(() => {
      this.#waiting = this.#busy = false;
      this.#pump();
    });
  }

  #write(header: TransferHeader): void {
    this.#gathered.put(frameMessage(encodeTransferHeader(header)));
  }

  /** Something broke in the middle of a blob: only the end of the stream can say so. */
  #abort(error: Error): void {
    if (this.stream.error === undefined) {
      this.#report(error, this.#answer?.hash ?? new Uint8Array());
      this.stream.abort(ErrorCode.INTERNAL_ERROR);
    }
    this.#end();
  }

  #report(error: Error, hash: Uint8Array): void {
    const level = error instanceof SourceChangedError ? "warn" : "error";
    log("blob", level, "Cannot serve blob {hash}: {error}", { hash: toHex(hash), error });
    this.options.onError?.(error, hash);
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#answer = undefined;
    // Given up by the peer in one direction: the other is of no use then.
    if (this.stream.error !== undefined) this.stream.abort(ErrorCode.CANCELLED);
    this.onOver();
  }
}
