/**
 * Whether a second thread makes the files of a fetch, and which.
 *
 * @module
 */

import { permissions } from "#permissions";
import type { FileThread } from "./file_thread.ts";
import { TreeHand } from "./tree_hand.ts";

/** Entries of a new tree from which on a thread is worth its start. */
const FROM = 4000;
/** The same where one is there already. */
const FROM_KEPT = 700;
/** How long one waits for what is in a tree when it is taken for a large one, milliseconds. */
const LARGE_AFTER_MS = 80;

/** What {@linkcode FetchHand} needs. */
export interface FetchHandOptions {
  /** Whether everything is made anew, by nobody else. */
  readonly isFresh: boolean;
  /** The thread that is kept. */
  readonly fileThread: FileThread | undefined;
  /** For tests: one that is made use of for every tree, and closed like others. */
  readonly given?: TreeHand;
}

/** The hand of one fetch. */
export class FetchHand {
  /** The one that makes files, as far as that is known. */
  hand: TreeHand | undefined;
  readonly #fileThread: FileThread | undefined;
  /** Whether one may be worth its memory, some 20 MiB. Elsewhere a file is made in half of the time. */
  readonly #isWorth: boolean;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor({ isFresh, fileThread, given }: FetchHandOptions) {
    this.hand = given;
    this.#fileThread = fileThread;
    this.#isWorth = isFresh && given === undefined && permissions.resolvesPaths();
    // While its holder lists a large tree there is nothing else to do.
    if (this.#isWorth) this.#timer = setTimeout(() => this.hand = this.start(), LARGE_AFTER_MS);
  }

  /** The thread that is kept, or one of its own; `undefined` where none is to be had. */
  start(): TreeHand | undefined {
    return TreeHand.borrow(this.#fileThread) ?? TreeHand.start();
  }

  /** Has files of a tree of so many entries made, or not. */
  async settle(entries: number): Promise<void> {
    clearTimeout(this.#timer);
    if (!this.#isWorth) return;
    if (entries >= FROM) this.hand ??= this.start();
    else if (entries >= FROM_KEPT) this.hand ??= TreeHand.borrow(this.#fileThread);
    else await this.close();
  }

  /** Ends the thread, or gives it back. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    const { hand } = this;
    this.hand = undefined;
    await hand?.close();
  }
}
