/**
 * Offering a directory while it is still being read (`content.md` 5).
 *
 * @module
 */

import { FolderBlobStore } from "../blob/folder_store.ts";
import type { BlobStore, SyncReadableStore } from "../blob/store.ts";
import { callLater, yieldToEventLoop } from "../runtime/host.ts";
import type { BlobRef } from "../wire/blob_ref.ts";
import { OfferFeed } from "./offer_feed.ts";
import {
  openDirectoryOrFile,
  scanInto,
  type ScanOptions,
  type ScanSink,
  type ScanStats,
  type ScanTarget,
} from "./scan.ts";
import { storeSink } from "./share.ts";

const ACTION = "Share directory";
/**
 * Bytes of small files kept for those who follow the reading. More would spare some of them the second opening, and cost
 * as much for the memory: 8 MiB.
 */
const RECENT_BYTES: number = 8 * 1024 * 1024;
/** How long they are kept when everything was read, milliseconds: who comes later is no follower. */
const RECENT_MS = 10_000;

/** What was read in the end. */
export interface OfferedContent {
  /** Reference of the manifest: the address of the directory as it was found. */
  readonly ref: BlobRef;
  /** What was read. */
  readonly stats: ScanStats;
}

/** A directory that is being read, or has been, and can be served meanwhile. */
export class FolderOffer implements AsyncDisposable {
  /** Serves what was read so far, in place, and in the end the manifest. Closed with the offer. */
  readonly store: BlobStore & SyncReadableStore;
  /** Absolute path of what is read: a directory, or the one that holds the file. */
  readonly root: string;
  /** Resolves when everything was read; rejects as `scanDir` does. Nobody has to wait for it. */
  readonly done: Promise<OfferedContent>;
  /**
   * What its followers are told.
   *
   * @internal
   */
  readonly feed: OfferFeed;
  readonly #stop: AbortController;
  #cancelForgetting: (() => void) | undefined;

  /**
   * Made by {@linkcode offerFolder}.
   *
   * @internal
   */
  constructor(store: FolderBlobStore, root: string, read: OfferReading) {
    this.store = store;
    this.root = root;
    this.feed = new OfferFeed();
    this.#stop = new AbortController();
    this.done = this.#read(read);
    const onEnd = () => this.#cancelForgetting = callLater(() => store.forgetBytes(), RECENT_MS);
    this.done.then(onEnd, () => store.forgetBytes());
  }

  /** Ends the reading, if it goes on, and closes the store. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.done.catch(() => {});
    this.#cancelForgetting?.();
    await this.store.close();
  }

  /** Same as {@linkcode FolderOffer.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #read(read: OfferReading): Promise<OfferedContent> {
    try {
      // Whoever made the offer has things to do first, such as telling of it.
      await yieldToEventLoop();
      const content = await read(this.feed, this.#stop.signal);
      this.feed.finish(content.ref);
      return content;
    } catch (error) {
      this.feed.fail(error);
      throw error;
    }
  }
}

/**
 * Begins to read the directory `root`, and returns at once what others can be served from meanwhile: `serveOffer` tells
 * them what there is as it becomes known, `serveBlobs` gives them the content. Nothing is copied. A file is offered as a
 * directory that holds nothing else, as with `shareFolder`.
 *
 * What fails while it is read comes with {@linkcode FolderOffer.done}, as from `scanDir`. Throws `FileSystemError` when
 * there is nothing at `root`, `PermissionDeniedError`.
 *
 * @example
 * ```ts
 * import { offerFolder, serveOffer } from "@hawser/mesh/directory";
 * import { type MeshNode, serveBlobs } from "@hawser/mesh";
 *
 * async function share(node: MeshNode, root: string): Promise<void> {
 *   await using offer = offerFolder(root);
 *   using _names = serveOffer(node, offer);
 *   using _content = serveBlobs(node, offer.store);
 *   const { ref, stats } = await offer.done;
 *   console.log(ref.uri, stats.files);
 *   await node.closed;
 * }
 * ```
 */
export function offerFolder(root: string, options: ScanOptions = {}): FolderOffer {
  const target = openDirectoryOrFile(ACTION, root);
  const store = new FolderBlobStore(target.base, { recentBytes: RECENT_BYTES });
  return new FolderOffer(store, target.base, readingOf(target, store, options));
}

/** What reads a directory for an offer. */
export type OfferReading = (feed: OfferFeed, stop: AbortSignal) => Promise<OfferedContent>;

/** Reads `target` and tells `store` and the offer's followers of it. */
export function readingOf(target: ScanTarget, store: FolderBlobStore, options: ScanOptions): OfferReading {
  return async (feed, stop) => {
    const signal = options.signal === undefined ? stop : AbortSignal.any([options.signal, stop]);
    const { ref, stats } = await scanInto(ACTION, target, { ...options, signal }, sinkOf(feed, store));
    return { ref, stats };
  };
}

/** Tells store and followers of everything as soon as it is known. The store first: whoever knows a hash may ask. */
function sinkOf(feed: OfferFeed, store: FolderBlobStore): ScanSink {
  return {
    ...storeSink(store),
    part: (path, identity, chunk, offset) => store.addFile(path, identity, [{ ...chunk, offset }]),
    listed: (table) => feed.list(table),
    changed: (base, changes) => feed.change(base, changes),
    finished: (ref) => feed.finish(ref),
    known: (hashes, count) => feed.know(hashes.bytes, count),
    isFollowed: () => feed.isFollowed,
    catchUp: (limit, signal) => store.waitForRoom(limit, signal),
  };
}
