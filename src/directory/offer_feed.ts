/**
 * What is known of a directory while it is being read, for any number of followers, each at its own place: the hashes
 * of its files in one array that fills. Nothing of it is kept per follower but where it stands.
 *
 * @module
 */

import type { BlobRef } from "../wire/blob_ref.ts";
import { equalBytes } from "../wire/bytes.ts";
import type { OutlineEntry } from "../wire/dir_outline.ts";
import { MAX_OFFER_HASHES } from "../wire/offer_message.ts";
import { packChanges, type PackedChanges } from "./packed_changes.ts";
import { type PackedOutline, packOutline } from "./packed_outline.ts";
import { HASH_LENGTH } from "./tree_hashes.ts";

/** What there is in a directory, made when it is asked for. */
export interface ListedEntries {
  /** Everything but the hashes, in the order of the manifest. */
  readonly records: readonly OutlineEntry[];
}

/** How the directory differs from an earlier one. */
interface Change {
  /** What that one is known by. */
  readonly base: Uint8Array;
  /** Packs the changes when somebody wants them. */
  readonly pack: () => PackedChanges;
}

/** Somebody who is to be told of news. */
interface Follower {
  readonly onNews: () => void;
  /** Whether it fetches while the directory is being read. */
  readonly live: boolean;
}

/** Names, hashes and the end of one reading of a directory. */
export class OfferFeed {
  /** Reference of the manifest, once everything was read. */
  ref: BlobRef | undefined;
  /** Why there will be no reference. */
  failure: { readonly error: unknown } | undefined;
  #listed: ListedEntries | undefined;
  #outline: PackedOutline | undefined;
  #change: Change | undefined;
  /** The hashes of all files, of which the first ones are known. */
  #hashes: Uint8Array = new Uint8Array();
  #count = 0;
  readonly #followers = new Set<Follower>();
  #live = 0;
  #telling = false;

  /** Hashes known. */
  get count(): number {
    return this.#count;
  }

  /** Whether somebody fetches already. */
  get isFollowed(): boolean {
    return this.#live > 0;
  }

  /** Everything in the directory, once it is listed; `undefined` when everything was read and nobody needs it any more. */
  get outline(): PackedOutline | undefined {
    if (this.#listed !== undefined) this.#outline ??= packOutline(this.#listed.records);
    return this.#outline;
  }

  /** Notes what there is in the directory. */
  list(entries: ListedEntries): void {
    this.#listed = entries;
    this.#tell();
  }

  /** Notes that the first `count` hashes are known. `hashes` is kept, not copied: the others may follow there. */
  know(hashes: Uint8Array, count: number): void {
    this.#hashes = hashes;
    this.#count = count;
    this.#tell();
  }

  /** Notes how the directory differs from the one that is known by `base`. @param changes encoded. */
  change(base: Uint8Array, changes: Uint8Array): void {
    let packed: PackedChanges | undefined;
    this.#change = { base, pack: () => packed ??= packChanges(changes) };
    this.#tell();
  }

  /** How it differs from the one that is known by `base`; `undefined` when that is not known, or not yet. */
  changesFrom(base: Uint8Array): PackedChanges | undefined {
    const change = this.#change;
    return change !== undefined && equalBytes(change.base, base) ? change.pack() : undefined;
  }

  /** Notes that everything was read. */
  finish(ref: BlobRef): void {
    this.ref = ref;
    this.#end();
  }

  /** Notes that the reading has failed. No effect once it is over. */
  fail(error: unknown): void {
    if (this.ref !== undefined || this.failure !== undefined) return;
    this.failure = { error };
    this.#end();
  }

  /** Hashes from number `from` on: a view, no more than go into a message, and none when no more are known. */
  hashesFrom(from: number): Uint8Array {
    const end = Math.min(this.#count, from + MAX_OFFER_HASHES);
    return this.#hashes.subarray(from * HASH_LENGTH, Math.max(from, end) * HASH_LENGTH);
  }

  /**
   * Calls `onNews` when more is known, once for all that a slice of work brought. Returns what ends it.
   *
   * @param live whether the follower fetches while the directory is being read.
   */
  follow(onNews: () => void, live: boolean): () => void {
    const follower: Follower = { onNews, live };
    this.#followers.add(follower);
    if (live) this.#live++;
    return () => {
      if (!this.#followers.delete(follower)) return;
      if (live) this.#live--;
      this.#release();
    };
  }

  #end(): void {
    // Whoever asks from now on is told the end; who has the outline has it packed.
    this.#listed = undefined;
    this.#release();
    this.#tell();
  }

  /** What was sent is given up once nobody can ask for it any more. */
  #release(): void {
    const isOver = this.ref !== undefined || this.failure !== undefined;
    if (!isOver || this.#followers.size > 0) return;
    this.#outline = undefined;
    this.#hashes = new Uint8Array();
    this.#count = 0;
  }

  /** Tells of news, after the work that is going on. */
  #tell(): void {
    if (this.#telling || this.#followers.size === 0) return;
    this.#telling = true;
    queueMicrotask(() => {
      this.#telling = false;
      for (const { onNews } of [...this.#followers]) onNews();
    });
  }
}
