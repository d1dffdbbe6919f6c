/**
 * What the tests of the blob transfer share: jobs, holders that obey and holders that do not.
 *
 * @module
 */

import { loadBlake3 } from "../../src/crypto/blake3.ts";
import {
  BLOB_TRANSFER_PROTOCOL,
  serveBlobs,
  type ServeBlobsOptions,
} from "../../src/blob/transfer_server.ts";
import type { ChunkJob, ChunkJobs } from "../../src/blob/source.ts";
import type { BlobStore } from "../../src/blob/store.ts";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { toChunkSource, type TransferOptions } from "../../src/blob/transfer_client.ts";
import { frameMessage, MessageReader } from "../../src/mesh/messages.ts";
import type { MeshNode, MeshStream, NodeOptions, Session } from "../../src/mesh/mod.ts";
import {
  decodeTransferControl,
  decodeTransferHeader,
  encodeTransferControl,
  encodeTransferHeader,
  MAX_CONTROL_LENGTH,
  MAX_HEADER_LENGTH,
  type TransferControl,
  type TransferHeader,
} from "../../src/wire/transfer_message.ts";
import { closeAll, startNode, targetOf } from "../mesh/nodes.ts";
import { pattern } from "../support/tree.ts";

export const blake3 = await loadBlake3();

/** A job that keeps what it is given. */
export class CollectingJob implements ChunkJob {
  readonly hash: Uint8Array;
  readonly length: number;
  readonly bytes: Uint8Array;
  completed = 0;
  /** Offsets that `write` was called with. */
  readonly offsets: number[] = [];

  constructor(content: Uint8Array, length: number = content.length) {
    this.hash = blake3.hash(content);
    this.length = length;
    this.bytes = new Uint8Array(length);
  }

  write(bytes: Uint8Array, offset: number): void {
    this.offsets.push(offset);
    this.bytes.set(bytes, offset);
  }

  complete(): void {
    this.completed++;
  }
}

/** Contents of the given sizes, each another. */
export function contents(sizes: readonly number[], seed = 0): Uint8Array[] {
  return sizes.map((size, i) => {
    const bytes = pattern(size, i + seed);
    // Sizes repeat and patterns are few: a counter makes each its own.
    if (size >= 8) new DataView(bytes.buffer).setUint32(0, (seed << 16) + i);
    return bytes;
  });
}

/** A store with these blobs. */
export async function storeOf(blobs: Iterable<Uint8Array>): Promise<MemoryBlobStore> {
  const store = new MemoryBlobStore();
  for (const blob of blobs) await store.put(blob);
  return store;
}

/** The same store without its synchronous calls. */
export function asynchronous(store: BlobStore): BlobStore {
  return new Proxy(store, {
    has: (target, name) => name !== "sizeSync" && name !== "readSync" && Reflect.has(target, name),
    get(target, name) {
      if (name === "sizeSync" || name === "readSync") return undefined;
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Makes a node that serves a store. */
export async function startHolder(
  store: BlobStore,
  serve: ServeBlobsOptions = {},
  options: NodeOptions = {},
): Promise<MeshNode> {
  const node = await startNode(options);
  serveBlobs(node, store, serve);
  return node;
}

/** Makes a node that does with transfer streams what it likes. */
export async function startRawHolder(
  handle: (stream: MeshStream, session: Session, count: number) => void,
  options: NodeOptions = {},
): Promise<MeshNode> {
  const node = await startNode(options);
  let count = 0;
  node.serve(BLOB_TRANSFER_PROTOCOL, (stream, session) => handle(stream, session, count++));
  return node;
}

/** Makes a node that answers every request with `answer`, by hand; what it writes is sent as it is. */
export function startAnsweringHolder(
  answer: (control: TransferControl, stream: MeshStream, session: Session) => void,
  options: NodeOptions = {},
): Promise<MeshNode> {
  return startRawHolder((stream, session) => {
    const { transport } = stream;
    const reader = new MessageReader(() => transport.read(), MAX_CONTROL_LENGTH);
    transport.onReadable = () => {
      for (let message = reader.message(); message !== undefined; message = reader.message()) {
        if (transport.error !== undefined) return;
        answer(decodeTransferControl(message), stream, session);
      }
    };
  }, options);
}

/** A header as it goes over the stream. */
export function header(value: TransferHeader): Uint8Array {
  return frameMessage(encodeTransferHeader(value));
}

/** "Found" for so many bytes. */
export function found(length: number | bigint): Uint8Array {
  return header({ kind: "found", totalLength: BigInt(length) });
}

/** A control message as it goes over the stream. */
export function control(value: TransferControl): Uint8Array {
  return frameMessage(encodeTransferControl(value));
}

/** Deadlines short enough for tests. */
export const quick: TransferOptions = { retryTimeout: 700, stallTimeout: 1000 };

/** Connects a fresh node to the holders and calls `work` with the sessions; closes all. */
export async function withHolders<T>(
  holders: readonly MeshNode[],
  work: (sessions: Session[], requester: MeshNode) => Promise<T>,
): Promise<T> {
  const requester = await startNode();
  try {
    const sessions = await Promise.all(holders.map((holder) => requester.connect(targetOf(holder))));
    return await work(sessions, requester);
  } finally {
    await closeAll(requester, ...holders);
  }
}

/** Fetches `jobs` from the holders. */
export function fetchFrom(
  holders: readonly MeshNode[],
  jobs: ChunkJobs,
  options: TransferOptions = {},
): Promise<void> {
  return withHolders(holders, (sessions) => toChunkSource(sessions, options).fetchChunks(jobs));
}

/** A requester's stream, by hand. */
export class RawRequester {
  readonly #reader: MessageReader;
  #wake: (() => void) | undefined;

  private constructor(readonly stream: MeshStream) {
    const { transport } = stream;
    this.#reader = new MessageReader(() => transport.read(), MAX_HEADER_LENGTH);
    transport.onReadable = () => this.#wake?.();
  }

  /** Opens one. */
  static async open(session: Session): Promise<RawRequester> {
    return new RawRequester(await session.openStream({ protocol: BLOB_TRANSFER_PROTOCOL }));
  }

  /** Sends bytes as they are. */
  send(bytes: Uint8Array): void {
    this.stream.transport.write(bytes);
  }

  /** The next header; rejects with the stream's error, or when it ends. */
  header(): Promise<TransferHeader> {
    return this.#next(() => {
      const message = this.#reader.message();
      return message === undefined ? undefined : decodeTransferHeader(message.slice());
    });
  }

  /** So many raw bytes. */
  async bytes(length: number): Promise<Uint8Array> {
    const out = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const piece = await this.#next(() => this.#reader.raw(length - at));
      out.set(piece, at);
      at += piece.length;
    }
    return out;
  }

  async #next<T>(take: () => T | undefined): Promise<T> {
    const { transport } = this.stream;
    for (;;) {
      const value = take();
      if (value !== undefined) return value;
      if (transport.error !== undefined) throw transport.error;
      if (transport.ended) throw new Error("the stream ended");
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}
