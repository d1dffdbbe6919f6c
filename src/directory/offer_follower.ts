/**
 * Follows an offer from its outline to its reference: hashes become known as they come, an answer that breaks off is
 * asked for again, and what came is in the end compared with what the holder says it is (`content.md` 5).
 *
 * @module
 */

import { referenceOf } from "../blob/chunking.ts";
import type { ChunkSource } from "../blob/source.ts";
import { type Blake3, loadBlake3 } from "../crypto/blake3.ts";
import { ManifestError, OfferFailedError, PeerSilentError, TransferProtocolError } from "../errors.ts";
import { withSignal } from "../mesh/abort.ts";
import { type BlobRef, encodeBlobRef } from "../wire/blob_ref.ts";
import { equalBytes } from "../wire/bytes.ts";
import type { OutlineEntry } from "../wire/dir_outline.ts";
import type { DirectoryOffer, OfferSource } from "./directory_offer.ts";
import type { KnownChunks } from "./fetch_jobs.ts";
import type { ReadManifestOptions } from "./fetch_options.ts";
import { LateHashes } from "./late_hashes.ts";
import { isOfferLost } from "./offer_loss.ts";
import { manifestKey, outlineKey } from "./outline_key.ts";
import { WorkPacer } from "./pacer.ts";
import { checkManifestPaced, type ManifestPlan } from "./plan.ts";
import { readManifest } from "./read_manifest.ts";
import { runStepsPaced } from "./steps.ts";

const HASH_LENGTH = 32;
/** Milliseconds in which a holder has to tell of another hash: it takes less to read a chunk from any disk. */
const STALL_TIMEOUT = 30_000;
/** Times that an answer may break off without another hash in between. */
const MAX_LOSSES = 20;

/** What a followed offer came to. */
export interface FollowedOffer {
  /** The directory's reference. */
  readonly ref: BlobRef;
  /** Size of its manifest, bytes. */
  readonly manifestBytes: number;
}

/** What following needs besides the offer. */
export interface FollowOptions extends ReadManifestOptions {
  /** Where the manifest comes from when the holder has read everything by the time it is asked again. */
  readonly source: ChunkSource;
  /** Who is asked again; without it an answer that breaks off is the end. */
  readonly offers?: OfferSource;
  /** Milliseconds without another hash after which the holder is given up. @default 30000 */
  readonly stallTimeout?: number;
}

/** Follows one offer. */
export class OfferFollower implements KnownChunks {
  /** What the offer comes to. Nobody has to wait for it. */
  readonly done: Promise<FollowedOffer>;
  readonly #outline: readonly OutlineEntry[];
  readonly #hashes: LateHashes;
  readonly #options: FollowOptions;
  #offer: DirectoryOffer;
  /** Ends everything: the caller's signal, {@linkcode OfferFollower.close}, or a holder that says nothing. */
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #pacer: WorkPacer;
  /** Who waits for hashes. */
  #more: { promise: Promise<void>; resolve: () => void; reject: (reason: unknown) => void } | undefined;
  #failure: { readonly reason: unknown } | undefined;

  /** Begins. @param offer one with an outline. @param plan made of it, with no hash known. */
  constructor(offer: DirectoryOffer, plan: ManifestPlan, options: FollowOptions) {
    this.#offer = offer;
    this.#outline = offer.outline!;
    this.#hashes = new LateHashes(this.#outline, plan);
    this.#options = options;
    const { signal } = options;
    this.#signal = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
    this.#pacer = new WorkPacer(this.#signal);
    this.done = this.#run();
    this.done.catch((reason) => {
      this.#failure = { reason };
      this.#more?.reject(reason);
    });
  }

  get known(): number {
    return this.#hashes.known;
  }

  more(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.reason);
    if (this.#more === undefined) {
      let [resolve, reject] = [(): void => {}, (_reason: unknown): void => {}];
      const promise = new Promise<void>((ok, failed) => [resolve, reject] = [ok, failed]);
      promise.catch(() => {});
      this.#more = { promise, resolve, reject };
    }
    return this.#more.promise;
  }

  /** Gives up. */
  close(): void {
    this.#stop.abort();
    this.#offer.close();
  }

  #wake(): void {
    this.#more?.resolve();
    this.#more = undefined;
  }

  async #run(): Promise<FollowedOffer> {
    let losses = 0;
    for (;;) {
      const before = this.#hashes.count;
      try {
        return await this.#follow(this.#offer);
      } catch (error) {
        this.#offer.close();
        if (this.#hashes.count > before) losses = 0;
        if (this.#signal.aborted || !isOfferLost(error) || ++losses > MAX_LOSSES) throw error;
        await this.#askAgain(error);
      }
    }
  }

  async #askAgain(reason: unknown): Promise<void> {
    const { offers, maxEntries, maxManifestBytes } = this.#options;
    if (offers === undefined) throw reason;
    this.#offer = await offers.ask({ live: true, signal: this.#signal, maxEntries, maxManifestBytes });
    const { outline } = this.#offer;
    if (outline !== undefined) await this.#checkSame((blake3) => outlineKey(blake3, outline));
  }

  async #follow(offer: DirectoryOffer): Promise<FollowedOffer> {
    if (offer.outline === undefined) return await this.#followManifest(offer);
    const hashes = this.#hashes;
    // An answer that was asked for again begins at the beginning.
    let known = hashes.count;
    for (;;) {
      const batch = await this.#next(offer);
      if (batch === undefined) break;
      const skipped = Math.min(known, batch.length / HASH_LENGTH);
      known -= skipped;
      await this.#accept(() => hashes.accept(batch.subarray(skipped * HASH_LENGTH)));
      this.#wake();
    }
    const ref = await withSignal(offer.ref, this.#signal);
    if (!hashes.isComplete) throw this.#breach("it ends before all hashes came");
    const manifest = await runStepsPaced(hashes.manifest(), this.#pacer);
    const made = await referenceOf(manifest);
    if (!equalBytes(encodeBlobRef(made), encodeBlobRef(ref))) {
      throw this.#breach(`its reference is "${ref.uri}", what it sent is "${made.uri}"`);
    }
    return { ref, manifestBytes: manifest.length };
  }

  /** The holder has read it all by now: it gives the reference alone. */
  async #followManifest(offer: DirectoryOffer): Promise<FollowedOffer> {
    const ref = await withSignal(offer.ref, this.#signal);
    const { entries, manifestBytes } = await readManifest(this.#options.source, ref, {
      ...this.#options,
      signal: this.#signal,
    });
    const { files } = await checkManifestPaced(entries, {}, this.#pacer);
    await this.#checkSame((blake3) => manifestKey(blake3, entries, files));
    await this.#accept(() => runStepsPaced(this.#hashes.acceptManifest(entries), this.#pacer));
    this.#wake();
    return { ref, manifestBytes };
  }

  /** The next hashes. A holder that is there and says nothing is given up. */
  async #next(offer: DirectoryOffer): Promise<Uint8Array | undefined> {
    const { stallTimeout = STALL_TIMEOUT } = this.#options;
    const timer = setTimeout(() => {
      const message = `Fetch directory: holder ${offer.holder} told of no hash in ${stallTimeout} ms`;
      this.#stop.abort(new PeerSilentError(message, stallTimeout));
    }, stallTimeout);
    try {
      return await withSignal(offer.nextHashes(), this.#signal);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Throws unless the directory is still the one that the fetch began with. */
  async #checkSame(keyNow: (blake3: Blake3) => string): Promise<void> {
    const blake3 = await loadBlake3();
    if (keyNow(blake3) === outlineKey(blake3, this.#outline)) return;
    const message =
      `Fetch directory: holder ${this.#offer.holder} offers another one since the session was lost`;
    throw new OfferFailedError(message);
  }

  async #accept(take: () => void | Promise<void>): Promise<void> {
    try {
      await take();
    } catch (error) {
      if (!(error instanceof ManifestError)) throw error;
      throw this.#breach(error.message, { cause: error });
    }
  }

  #breach(what: string, options?: ErrorOptions): TransferProtocolError {
    const message = `Fetch directory: holder ${this.#offer.holder} breaks the offer protocol: ${what}`;
    return new TransferProtocolError(message, options);
  }
}
