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
  type RequestDeltaMessage,
  type TransferControl,
  type TransferHeader,
  writeFoundHeader,
} from "../wire/transfer_message.ts";
import { AnswerBuffer } from "./answer_buffer.ts";
import { BufferPool } from "./buffer_pool.ts";
import { type BlobReader, type DeltaAnswer, ManifestDeltas } from "./manifest_deltas.ts";
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
const NOT_ALLOWED = "this node does not give that blob to you";

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
  const made = {
    packed: new PackedBlobs(MAX_PACKED_BYTES, MAX_PACKED_BLOBS),
    deltas: new ManifestDeltas(),
  };
  const unserve = node.serve(BLOB_TRANSFER_PROTOCOL, (stream, session) => {
    const open = streams.get(session) ?? 0;
    if (open >= maxStreamsPerPeer) {
      return refuseStream(stream.transport, "BUSY", `more than ${maxStreamsPerPeer} streams`);
    }
    streams.set(session, open + 1);
    new ServedStream(stream.transport, session, store, options, pool, made, () => {
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

/** Other forms of manifests, made once for all streams. */
interface MadeForms {
  readonly packed: PackedBlobs;
  readonly deltas: ManifestDeltas;
}

/** A blob on its way out. */
interface Answer {
  readonly hash: Uint8Array;
  readonly header: TransferHeader;
  readonly end: number;
  readonly length: number;
  /** What is sent in place of the blob's bytes. */
  readonly made?: Uint8Array;
  at: number;
}

/** Whether nothing of an answer was sent, not even its header. */
function isBegin({ at, end, length }: Answer): boolean {
  return at === end - length;
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
    readonly made: MadeForms,
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
      this.#refuse("BAD_REQUEST", (error as Error).message);
      return true;
    }
    if (control.kind === "have") this.#later(this.#have(control.hashes.map((hash) => hash.slice())));
    else if (control.kind === "request-delta") this.#deltaRequest(control);
    else this.#request(control);
    return true;
  }

  #mayHave(hash: Uint8Array): boolean {
    return this.options.allow?.(this.session.peerId, hash) !== false;
  }

  #refuse(code: RefusalCode, message: string): void {
    this.#write({ kind: "refused", code, message });
  }

  #request(control: Exclude<TransferControl, HaveMessage | RequestDeltaMessage>): void {
    const { hash: view } = control;
    if (!this.#mayHave(view)) return this.#refuse("FORBIDDEN", NOT_ALLOWED);
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
      return this.made.packed.get(hash, () => this.store.readSync!(hash, 0, size));
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
    const packed = bytes === undefined ? undefined : this.made.packed.get(hash, () => bytes);
    this.#begin(hash, size, undefined, packed);
  }

  #deltaRequest({ kind, hashes: views, shift, fingerprints }: RequestDeltaMessage): void {
    if (!views.every((view) => this.#mayHave(view))) return this.#refuse("FORBIDDEN", NOT_ALLOWED);
    const hashes = views.map((view) => view.slice());
    const request = { kind, hashes, shift, fingerprints: fingerprints.slice() };
    const unreadable = (error: Error): DeltaAnswer => {
      this.#report(error, hashes[0]);
      return { kind: "not-found" };
    };
    this.#later(
      this.made.deltas.answer(request, this.#blobs).catch(unreadable)
        .then((answer) => this.#beginDelta(hashes[0], answer)),
    );
  }

  #beginDelta(hash: Uint8Array, answer: DeltaAnswer): void {
    if (answer.kind === "not-found") return this.#write({ kind: "not-found" });
    // Whoever asked goes on with the manifest as it is.
    if (answer.kind === "useless") return this.#refuse("TOO_LARGE", "no small difference from what you have");
    const { total, delta } = answer;
    const header = { kind: "delta", totalLength: BigInt(total), deltaLength: delta.length } as const;
    this.#answer = { hash, header, made: delta, at: 0, end: delta.length, length: delta.length };
  }

  get #blobs(): BlobReader {
    const { store } = this;
    return this.#readsAtOnce
      ? { size: (hash) => store.sizeSync!(hash), read: (hash, size) => store.readSync!(hash, 0, size) }
      : {
        size: async (hash) => (await store.stat(hash))?.size,
        read: (hash) => store.get(hash),
      };
  }

  get #readsAtOnce(): boolean {
    return this.store.sizeSync !== undefined && this.store.readSync !== undefined;
  }

  /** Takes an answer up. */
  #begin(hash: Uint8Array, total: number | undefined, range?: BlobRange, packed?: Uint8Array): void {
    if (total === undefined) return this.#write({ kind: "not-found" });
    const totalLength = BigInt(total);
    if (packed !== undefined) {
      const { length } = packed;
      const header = { kind: "packed", totalLength, packedLength: length } as const;
      this.#answer = { hash, header, made: packed, at: 0, end: length, length };
      return;
    }
    const offset = range?.offset ?? 0;
    if (offset > total) {
      const message = `range begins at ${offset}, the blob has ${total} bytes`;
      return this.#refuse("BAD_REQUEST", message);
    }
    const end = range === undefined ? total : Math.min(total, offset + range.length);
    this.#answer = { hash, header: { kind: "found", totalLength }, at: offset, end, length: end - offset };
  }

  /** Sends the next piece, the first with the header before it: what cannot be read is not announced. */
  #sendPiece(answer: Answer): void {
    const { hash, at, end, made } = answer;
    if (made !== undefined) return this.#sent(answer, made.subarray(at, Math.min(at + READ_SIZE, end)));
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
    if (isBegin(answer)) this.#write(answer.header);
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
      if (this.#mayHave(hashes[i]) && await this.store.has(hashes[i])) bitmap[i >>> 3] |= 1 << (i & 7);
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
