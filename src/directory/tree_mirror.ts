/**
 * The old tree, made anew in a staging folder before it is known what of it belongs in the new one: its directories,
 * and its files by links. While the manifest is fetched and checked a helping thread does it; then both threads do what
 * is left, and what does not belong there is taken out (`content.md` 4).
 *
 * @module
 */

import { lookAt } from "#look";
import { errorCode, fileError } from "../runtime/file_errors.ts";
import { mkdirSync, rmdirSync, unlinkSync } from "../runtime/files.ts";
import type { Look } from "../runtime/look.ts";
import { type BatchResult, lookOf, takeBatch } from "./call_batch.ts";
import type { TreeVerdict } from "./compare.ts";
import type { FileFacts } from "./file_looks.ts";
import type { SeenFile } from "./file_reader.ts";
import type { KnownTree } from "./known_tree.ts";
import type { WorkPacer } from "./pacer.ts";
import type { ManifestPlan } from "./plan.ts";
import { KINDS, type RecordTable } from "./record_table.ts";
import type { TreeHand } from "./tree_hand.ts";

/** Directories or links in a batch: some 2 ms of work. */
const BATCH_FILES = 192;
/** Links that may fail before it is given up: where a few do, such as to files of others, the rest is worth it. */
const MAX_FAILED = 16;

/** What {@linkcode TreeMirror} needs. */
export interface MirrorOptions {
  /** The old tree. */
  readonly from: string;
  /** An empty directory that nobody else uses. */
  readonly to: string;
  /** Whose files may be linked. */
  readonly uid: number;
  /** Makes `to` another name of the file `from`. */
  readonly link: (from: string, to: string) => void;
  /** The helping thread, which makes links its own way. */
  readonly hand?: TreeHand;
}

/** Whether a file that was just given a second name is the one that was seen, has no other name and is `uid`'s. */
export function isOwnLink(look: Look, seen: SeenFile, uid: number): boolean {
  return look.kind === "file" && look.nlink === 2 && look.uid === uid && look.ino === seen.ino &&
    look.size === seen.size && look.mtimeMs === seen.mtimeMs;
}

/** Directories and links that are made ahead. */
export class TreeMirror {
  readonly #options: MirrorOptions;
  /** Paths of the old tree's directories, parents first. */
  readonly #dirs: readonly string[];
  #table: RecordTable;
  /** Its files, by entry, that it is known what they hold, but for empty ones, which are sooner made. */
  #files: readonly number[] = [];
  /** By file: the mode of the link, or 0 where there is none. */
  #modes = new Uint32Array(0);
  /** By batch of directories: who makes or made them. */
  readonly #dirClaims: Int32Array;
  /** By batch of links: who makes or made them. */
  #claims = claimsOf(0);
  /** How many directories are not made. */
  #dirsLeft: number;
  #failed = 0;
  #isBroken = false;
  #making: Promise<void> | undefined;
  /** By file of the plan: which of the files it is, or -1. */
  #numbers = new Int32Array(0);
  /** Directories that belong in the new tree. */
  readonly #kept = new Set<string>();

  /** @param table the old tree, as far as its directories are known. */
  constructor(table: RecordTable, options: MirrorOptions) {
    this.#options = options;
    this.#table = table;
    this.#dirs = dirsOf(table);
    this.#dirsLeft = this.#dirs.length;
    this.#dirClaims = claimsOf(this.#dirs.length);
  }

  /** Begins with the directories, in the helping thread if there is one. */
  makeDirs(pacer: WorkPacer): void {
    this.#making = this.#makeDirs(pacer).catch(() => {
      // Also where it was aborted, which the fetch finds out by itself.
      this.#isBroken = true;
    });
  }

  /** Begins to link the files of the old tree, in the helping thread, if its directories are those that are made. */
  link(tree: KnownTree): void {
    const { table } = tree;
    const dirs = table === this.#table ? this.#dirs : dirsOf(table);
    if (dirs.length !== this.#dirs.length || dirs.some((path, i) => path !== this.#dirs[i])) return;
    const files: number[] = [];
    for (let entry = 0; entry < table.length; entry++) {
      if (table.isFile(entry) && table.sizeOf(entry) > 0 && tree.rowOf(entry) >= 0) files.push(entry);
    }
    this.#table = table;
    this.#files = files;
    this.#modes = new Uint32Array(files.length);
    this.#claims = claimsOf(files.length);
    if (this.#options.hand !== undefined) this.#giveFiles(this.#options.hand);
  }

  /** Makes what is left, on both threads. False when it could not be made. */
  async finish(pacer: WorkPacer): Promise<boolean> {
    await this.#making;
    // If it has not begun, the thread that waits makes them.
    await this.#options.hand?.until(() => this.#dirsLeft === 0 || this.#isBroken);
    for (let batch = this.#claims.length - 1; batch >= 0 && !this.#isBroken; batch--) {
      if (!this.#claim(batch)) continue;
      this.#linkBatch(batch);
      if (pacer.due) await pacer.pause();
    }
    await this.stop();
    return !this.#isBroken;
  }

  /** Makes nothing more. Resolves when the helping thread is done with what it is at. */
  async stop(): Promise<void> {
    await this.#making;
    for (const cells of [this.#dirClaims, this.#claims]) {
      for (let index = 0; index < cells.length; index++) takeBatch({ cells, index });
    }
    await this.#options.hand?.idle();
  }

  /** Takes out all that the plan does not have. */
  async settle(plan: ManifestPlan, { same, entries }: TreeVerdict, pacer: WorkPacer): Promise<void> {
    const { to } = this.#options;
    const wanted = new Uint8Array(this.#files.length);
    this.#numbers = new Int32Array(plan.files.length).fill(-1);
    const fileOf = new Int32Array(this.#table.length).fill(-1);
    for (let file = 0; file < this.#files.length; file++) fileOf[this.#files[file]] = file;
    for (const [i, index] of same.entries()) {
      const file = fileOf[entries[i]] ?? -1;
      if (file < 0) continue;
      wanted[file] = 1;
      this.#numbers[index] = file;
    }
    for (let file = 0; file < this.#files.length; file++) {
      if (wanted[file] === 1 || this.#modes[file] === 0) continue;
      const path = `${to}/${this.#pathOf(file)}`;
      attempt(() => unlinkSync(path), path);
      this.#modes[file] = 0;
      if (pacer.dueByNow) await pacer.pause();
    }
    const dirs = new Set(plan.dirs.map(({ path }) => path));
    for (const path of this.#dirs.toReversed()) {
      if (dirs.has(path)) this.#kept.add(path);
      else attempt(() => rmdirSync(`${to}/${path}`), `${to}/${path}`);
      if (pacer.dueByNow) await pacer.pause();
    }
  }

  /** Whether there is a directory at `path`. */
  hasDir(path: string): boolean {
    return this.#kept.has(path);
  }

  /** How many files it is to hold. */
  get size(): number {
    return this.#files.length;
  }

  /** How the link looks that is a file of the plan, by number; `undefined` when there is none. */
  lookOf(index: number): FileFacts | undefined {
    const file = this.#numbers[index];
    if (file < 0 || this.#modes[file] === 0) return undefined;
    // All else is as it was listed: only such links are left.
    return { ...this.#table.seen(this.#files[file]), mode: this.#modes[file] };
  }

  async #makeDirs(pacer: WorkPacer): Promise<void> {
    const { to, hand } = this.#options;
    if (hand !== undefined) return this.#giveDirs(hand);
    for (const path of this.#dirs) {
      mkdirSync(`${to}/${path}`);
      if (pacer.due) await pacer.pause();
    }
    this.#dirsLeft = 0;
  }

  #giveDirs(hand: TreeHand): void {
    const { to: base } = this.#options;
    for (let index = 0; index < this.#dirClaims.length; index++) {
      const paths = this.#dirs.slice(index * BATCH_FILES, (index + 1) * BATCH_FILES);
      const claim = { cells: this.#dirClaims, index };
      hand.do({ call: "makeDirectory", paths, base, claim }, ({ done, failed }) => {
        this.#dirsLeft -= done;
        if (failed.length > 0) this.#isBroken = true;
      });
    }
  }

  #giveFiles(hand: TreeHand): void {
    const { from: fromBase, to: base } = this.#options;
    for (let batch = 0; batch < this.#claims.length; batch++) {
      const first = batch * BATCH_FILES;
      const paths = this.#files.slice(first, first + BATCH_FILES).map((entry) => this.#table.paths[entry]);
      const claim = { cells: this.#claims, index: batch };
      hand.do(
        { call: "linkFile", paths, base, fromBase, look: true, goesOn: true, claim },
        (result) => this.#note(first, result),
      );
    }
  }

  #note(first: number, result: BatchResult): void {
    const failed = new Set(result.failed.map(({ index }) => index));
    for (const { index, code } of result.failed) {
      this.#countFailure(code);
      this.#unmake(first + index);
    }
    for (let i = 0; i < result.done; i++) {
      if (!failed.has(i)) this.#check(first + i, lookOf(result, i));
    }
  }

  #linkBatch(batch: number): void {
    const { from, to, link } = this.#options;
    const end = Math.min((batch + 1) * BATCH_FILES, this.#files.length);
    for (let file = batch * BATCH_FILES; file < end && !this.#isBroken; file++) {
      const path = this.#pathOf(file);
      try {
        link(`${from}/${path}`, `${to}/${path}`);
      } catch (error) {
        this.#countFailure(errorCode(error));
        continue;
      }
      this.#check(file, undefined);
    }
  }

  /** Keeps a link that was made, unless it is of something else than was listed. */
  #check(file: number, look: Look | undefined): void {
    const path = `${this.#options.to}/${this.#pathOf(file)}`;
    try {
      const found = look ?? lookAt(path);
      if (isOwnLink(found, this.#table.seen(this.#files[file]), this.#options.uid)) {
        this.#modes[file] = found.mode;
      } else unlinkSync(path);
    } catch {
      this.#isBroken = true;
    }
  }

  /** Takes a link away that may have been made. */
  #unmake(file: number): void {
    try {
      unlinkSync(`${this.#options.to}/${this.#pathOf(file)}`);
    } catch (error) {
      if (errorCode(error) !== "ENOENT") this.#isBroken = true;
    }
  }

  #countFailure(code: string | undefined): void {
    // Another file system is another one for all files.
    if (++this.#failed > MAX_FAILED || code === "EXDEV") this.#isBroken = true;
  }

  #claim(batch: number): boolean {
    return takeBatch({ cells: this.#claims, index: batch });
  }

  #pathOf(file: number): string {
    return this.#table.paths[this.#files[file]];
  }
}

/** Paths of directories, parents first. */
function dirsOf(table: RecordTable): string[] {
  return table.paths.filter((_, entry) => KINDS[table.kinds[entry]] === "dir");
}

function claimsOf(count: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * Math.ceil(count / BATCH_FILES)));
}

function attempt(work: () => void, path: string): void {
  try {
    work();
  } catch (error) {
    throw fileError(error, "Fetch directory", path);
  }
}
