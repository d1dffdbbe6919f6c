/**
 * What a fetch does beforehand, as soon as it is known that the destination is not what is fetched: the staging folder,
 * and in it what the old tree and the new one are likely to share.
 *
 * @module
 */

import { yieldToEventLoop } from "../runtime/host.ts";
import type { TreeVerdict } from "./compare.ts";
import type { Destination } from "./destination.ts";
import { INSTALL_CALLS, type InstallCalls } from "./install.ts";
import type { KnownTree } from "./known_tree.ts";
import { WorkPacer } from "./pacer.ts";
import type { ManifestPlan } from "./plan.ts";
import { removeTree } from "./remove_tree.ts";
import { removeTreeWith } from "./shared_removal.ts";
import type { RecordTable } from "./record_table.ts";
import { keepSame, type Leftover, Staging } from "./staging.ts";
import type { TreeMemory } from "./tree_cache_format.ts";
import type { TreeHand } from "./tree_hand.ts";
import { TreeMirror } from "./tree_mirror.ts";

/** Entries from which it is worth a thread, which takes some 25 ms to start: it links as many in that time. */
const MIRROR_FROM = 2048;
/** The key of no directory. */
const NO_KEY = "";

/** What {@linkcode FetchAhead} needs. */
export interface FetchAheadOptions {
  /** The calls that touch the old tree. */
  readonly calls: InstallCalls;
  /** Ends the work. */
  readonly signal: AbortSignal;
  /** The options of the fetch, as text. */
  readonly optionsText: string;
  /** Gives a thread that makes links; `undefined` where none is to be had. */
  readonly startHand: () => TreeHand | undefined;
  /** Number of entries from which a tree is mirrored. @default 2048 */
  readonly mirrorFrom?: number;
}

/** The staging folder of one fetch, before and while it is made use of. */
export class FetchAhead {
  readonly #destination: Destination;
  readonly #leftovers: Leftover[];
  readonly #options: FetchAheadOptions;
  #beginning: Promise<void> | undefined;
  #staging: Staging | undefined;
  #isTaken = false;
  #hand: TreeHand | undefined;
  #mirror: TreeMirror | undefined;

  /** @param leftovers of earlier fetches; those that are of nothing are removed from it. */
  constructor(destination: Destination, leftovers: Leftover[], options: FetchAheadOptions) {
    this.#destination = destination;
    this.#leftovers = leftovers;
    this.#options = options;
  }

  /** Gets ready to mirror the old tree, which is likely to be the one remembered: something else is to take its place. */
  expect(memory: TreeMemory): void {
    if (this.#isWorth(memory)) this.#beginning ??= this.#getReady(memory.table);
  }

  /** Begins to mirror the old tree, which something else is to take the place of, if it is worth that. */
  begin(old: KnownTree): void {
    if (!this.#isWorth(old.memory)) return;
    // The manifest is asked for first: to start a thread takes this one some time.
    const ready = this.#beginning ?? yieldToEventLoop().then(() => this.#getReady(old.table));
    this.#beginning = ready.then(() => this.#mirror?.link(old));
  }

  /** The staging folder, of what has this key. To be removed by whoever takes it, after {@linkcode FetchAhead.stop}. */
  async takeStaging(key: string): Promise<Staging> {
    await this.#beginning;
    const staging = this.#staging ?? await Staging.create(this.#destination);
    this.#staging = staging;
    staging.setKey(key);
    this.#isTaken = true;
    return staging;
  }

  /** Removes the leftovers of other directories. */
  async keepSame(key: string): Promise<void> {
    await this.#beginning;
    await keepSame(this.#leftovers, key);
  }

  /** What of the old tree is in the staging folder, nothing but what the plan has; `undefined` when nothing is. */
  async mirrorFor(
    plan: ManifestPlan,
    verdict: TreeVerdict,
    pacer: WorkPacer,
  ): Promise<TreeMirror | undefined> {
    const mirror = this.#mirror;
    if (mirror === undefined) return undefined;
    const { same } = verdict;
    // Where files are made rather than linked, they are sooner made in another layout (`StagedDirs`).
    const isWorth = same.length * 3 >= plan.files.length * 2 && same.length * 2 >= mirror.size;
    if (isWorth && await mirror.finish(pacer)) {
      await mirror.settle(plan, verdict, pacer);
      return mirror;
    }
    await mirror.stop();
    await this.#staging!.clear();
    return undefined;
  }

  /** Gives away the thread that was started, if one was, to whoever closes it. */
  takeHand(): TreeHand | undefined {
    const hand = this.#hand;
    this.#hand = undefined;
    return hand;
  }

  /** Removes a tree, on two threads if a second one is up. */
  async remove(path: string): Promise<void> {
    if (this.#hand === undefined) await removeTree(path);
    else await removeTreeWith(this.#hand, path);
  }

  /** Does nothing more beforehand. Resolves when nobody touches the staging folder any more. */
  async stop(): Promise<void> {
    await this.#beginning;
    await this.#mirror?.stop();
    await this.#hand?.close();
    this.#hand = undefined;
  }

  /** Leaves nothing, unless the staging folder was taken. */
  async close(): Promise<void> {
    await this.stop();
    if (!this.#isTaken) await this.#staging?.remove(false);
  }

  #isWorth({ fetched, table }: TreeMemory): boolean {
    const { optionsText, mirrorFrom = MIRROR_FROM } = this.#options;
    // One that no fetch made may be what is fetched, although nothing says so.
    return fetched?.options === optionsText && table.length >= mirrorFrom;
  }

  #getReady(table: RecordTable): Promise<void> {
    // Whatever is wrong is so, too, when it is done again.
    return this.#makeReady(table).catch(() => {});
  }

  /** Starts the thread, makes the staging folder and begins with the directories. */
  async #makeReady(table: RecordTable): Promise<void> {
    const { calls, signal, startHand } = this.#options;
    // They may hold names of the old files, which are linked only when they have no other.
    if (this.#leftovers.some(({ key }) => key !== undefined)) return;
    const isSystem = calls === INSTALL_CALLS;
    this.#hand = isSystem ? startHand() : undefined;
    if (isSystem && this.#hand === undefined) return;
    await keepSame(this.#leftovers, NO_KEY);
    if (signal.aborted) return;
    this.#staging = await Staging.create(this.#destination);
    const { facts, tree } = this.#staging;
    if (facts.foldsNames) return;
    const { path: from } = this.#destination;
    const options = { from, to: tree, uid: facts.uid, link: calls.link, hand: this.#hand };
    this.#mirror = new TreeMirror(table, options);
    this.#mirror.makeDirs(new WorkPacer(signal));
  }
}
