/**
 * The small files and the directories of a new tree that a {@linkcode TreeHand} makes: files are collected into batches,
 * in memory that both threads see and that is used again.
 *
 * @module
 */

import { yieldToEventLoop } from "../runtime/host.ts";
import type { Look } from "../runtime/look.ts";
import { type BatchResult, type CallBatch, errorOf, lookOf, runBatch, takeBatch } from "./call_batch.ts";
import type { ManifestPlan } from "./plan.ts";
import type { TreeHand } from "./tree_hand.ts";

/** Content of a batch, bytes: at least that of the largest file. 256 KiB. */
const BATCH_BYTES = 256 * 1024;
/** Calls of a batch: some milliseconds of work. */
const BATCH_CALLS = 128;
/** Batches given and not told of as done when this thread makes files itself: 8 MiB of content. */
const BATCHES_OPEN = 32;
/** How long a batch that is not full waits for more, milliseconds. */
const WAIT_MS = 10;

/** A file to make. */
export interface HandedFile {
  /** Its number. */
  readonly file: number;
  /** Where it is made. */
  readonly path: string;
  /** The mode to make it with; `undefined` for that of every new file. */
  readonly mode: number | undefined;
}

/** What {@linkcode HandedFiles} needs. */
export interface HandedFilesOptions {
  /** Flushes every file to the disk. */
  readonly durable: boolean;
  /** Whether somebody wants to know how files look. */
  readonly look: boolean;
  /** Is told that a file was made, and how it looks where the hand could tell. */
  readonly onMade: (file: number, look: Look | undefined) => void;
  /** Is told the first thing that went wrong: what `onMade` threw, or what a call threw and for which path of the plan. */
  readonly onFailed: (error: unknown, path?: string) => void;
}

class Batch {
  /** By whom it is done: the hand, or this thread, as long as the hand has not begun. */
  readonly claim = { cells: new Int32Array(new SharedArrayBuffer(4)), index: 0 };
  readonly files: number[] = [];
  readonly paths: string[] = [];
  readonly modes: number[] = [];
  readonly ends: number[] = [];

  constructor(readonly content: Uint8Array) {}

  get length(): number {
    return this.ends.at(-1) ?? 0;
  }

  has(room: number): boolean {
    return this.files.length < BATCH_CALLS && this.length + room <= this.content.length;
  }

  add({ file, path, mode = -1 }: HandedFile, bytes: Uint8Array): void {
    const at = this.length;
    this.content.set(bytes, at);
    this.files.push(file);
    this.paths.push(path);
    this.modes.push(mode);
    this.ends.push(at + bytes.length);
  }
}

/** What the hand is given to make. */
export class HandedFiles {
  readonly #plan: ManifestPlan;
  readonly #hand: TreeHand;
  readonly #options: HandedFilesOptions;
  #batch: Batch | undefined;
  /** What the hand has and has not told of, in order. */
  #given: Batch[] = [];
  /** Directories that are not made yet. */
  #dirsLeft = 0;
  #hasFailed = false;
  #isClosed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param plan of the tree. @param hand that makes what is given. */
  constructor(plan: ManifestPlan, hand: TreeHand, options: HandedFilesOptions) {
    this.#plan = plan;
    this.#hand = hand;
    this.#options = options;
  }

  /** Whether all directories are made, so that this thread may make what is in them. */
  get hasDirs(): boolean {
    return this.#dirsLeft === 0;
  }

  /** Has directories made, parents first. @param places by path of the plan. */
  makeDirs(places: ReadonlyMap<string, string>): void {
    const dirs = [...places.keys()];
    this.#dirsLeft = dirs.length;
    for (let start = 0; start < dirs.length; start += BATCH_CALLS) {
      const batch = dirs.slice(start, start + BATCH_CALLS);
      const paths = batch.map((path) => places.get(path)!);
      this.#hand.do({ call: "makeDirectory", paths }, ({ failed }) => {
        this.#dirsLeft -= batch.length;
        if (failed.length > 0) this.#fail(errorOf(failed[0]), batch[failed[0].index]);
      });
    }
  }

  /** Waits until all directories are made, or something went wrong. */
  async dirsMade(): Promise<void> {
    await this.#hand.until(() => this.hasDirs || this.#hasFailed);
  }

  /**
   * Whether a file that is to be made now should be left to the hand: unless it has enough to do. It must while
   * directories are missing.
   */
  get isWanted(): boolean {
    return !this.hasDirs || (this.#hand.isUp && this.#given.length < BATCHES_OPEN);
  }

  /** Has a file made. @param bytes its content, at most 256 KiB, which is copied. */
  makeFile(file: HandedFile, bytes: Uint8Array): void {
    if (this.#batch !== undefined && !this.#batch.has(bytes.length)) this.#give();
    this.#batch ??= this.#begin();
    this.#batch.add(file, bytes);
  }

  /** Waits until all that was given is made, or something went wrong. This thread makes what the hand has not begun. */
  async allMade(): Promise<void> {
    this.#give();
    if (this.hasDirs) await this.#makeHere();
    await this.#hand.until(() => this.#given.length === 0 && this.hasDirs || this.#hasFailed);
  }

  /** Gives the hand nothing more, and makes nothing more. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#batch = undefined;
  }

  #begin(): Batch {
    this.#timer = setTimeout(() => this.#give(), WAIT_MS);
    return new Batch(this.#hand.memory.pop() ?? new Uint8Array(new SharedArrayBuffer(BATCH_BYTES)));
  }

  #give(): void {
    clearTimeout(this.#timer);
    const batch = this.#batch;
    if (batch === undefined) return;
    this.#batch = undefined;
    this.#given.push(batch);
    this.#hand.do(this.#callOf(batch), (result) => {
      // Those that this thread took are gone from the end.
      if (this.#given[0] !== batch) return;
      this.#given.shift();
      this.#tell(batch, result);
    });
  }

  #callOf({ paths, modes, ends, content, claim }: Batch): CallBatch {
    const { durable, look } = this.#options;
    return { call: "makeFile", paths, modes, ends, content, durable, look, claim };
  }

  /** The last first, until the hand has begun all that is left. Not what is flushed: that would hold this thread up. */
  async #makeHere(): Promise<void> {
    if (this.#options.durable) return;
    for (let batch = this.#given.at(-1); batch !== undefined; batch = this.#given.at(-1)) {
      if (this.#isClosed || this.#hasFailed || !takeBatch(batch.claim)) return;
      this.#given.pop();
      this.#tell(batch, runBatch({ ...this.#callOf(batch), claim: undefined }, () => false));
      await yieldToEventLoop();
    }
  }

  #tell({ files, content }: Batch, result: BatchResult): void {
    this.#hand.memory.push(content);
    const { done, failed } = result;
    try {
      for (let i = 0; i < done - failed.length; i++) this.#options.onMade(files[i], lookOf(result, i));
    } catch (error) {
      this.#fail(error);
    }
    if (failed.length > 0) this.#fail(errorOf(failed[0]), this.#plan.files[files[failed[0].index]].path);
  }

  #fail(error: unknown, path?: string): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#options.onFailed(error, path);
  }
}
