/**
 * Writes a planned tree into an empty folder that nobody else uses. Knows which chunks are there and which are not;
 * where they come from is others' business. Everything is created exclusively, so two names that the file system
 * takes for one are an error here at the latest, and no write ever goes through a link.
 *
 * @module
 */

import { fileCalls } from "#file_calls";
import { lookAt } from "#look";
import { UnsafePathError } from "../errors.ts";
import { errorCode, fileError } from "../runtime/file_errors.ts";
import {
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "../runtime/files.ts";
import { hostPlatform } from "../runtime/host.ts";
import type { Look } from "../runtime/look.ts";
import { syncDirectory } from "./install.ts";
import type { FileFacts } from "./file_looks.ts";
import type { SeenFile } from "./file_reader.ts";
import { HandedFiles } from "./handed_files.ts";
import type { WorkPacer } from "./pacer.ts";
import { parentOf } from "./path_rules.ts";
import type { ManifestPlan } from "./plan.ts";
import type { StagedDirs } from "./staged_dirs.ts";
import type { FileSystemFacts } from "./staging.ts";
import type { TreeHand } from "./tree_hand.ts";
import { isOwnLink, type TreeMirror } from "./tree_mirror.ts";

/** Files up to this size are held in memory until they are verified, then made in one go. 256 KiB. */
export const SMALL_FILE: number = 256 * 1024;
/** Larger files open at the same time. */
const MAX_OPEN = 48;
const OWNER_READ_WRITE = 0o600;
const DEFAULT_FILE_MODE = 0o666;
const NO_BYTES = new Uint8Array(0);
const MODE_BITS = 0o7777;
const ACTION = "Fetch directory";
/** What the system says when a name is taken, the last two where a directory is to be moved to it. */
const TAKEN: readonly string[] = ["EEXIST", "ENOTEMPTY", "ENOTDIR"];

/** Options of {@linkcode TreeBuilder}. */
export interface TreeBuilderOptions {
  /** Flushes every file to the disk. */
  readonly durable: boolean;
  /** When to let the event loop turn. */
  readonly pacer: WorkPacer;
  /** Makes `to` another name of the file `from`. */
  readonly link: (from: string, to: string) => void;
  /** Is told that `bytes` more are in the tree; negative when some have to come again. */
  readonly onBytes: (bytes: number) => void;
  /** Is told when a file is complete. */
  readonly onFile: () => void;
  /** Is told how a complete file looks; its mode and its ctime may yet change. @default nobody looks */
  readonly onLook?: (file: number, look: FileFacts, isLinked: boolean) => void;
  /** Makes directories and small files meanwhile. @default this thread makes them */
  readonly hand?: TreeHand;
}

/** Makes directories, files and links of a plan. */
export class TreeBuilder {
  readonly #plan: ManifestPlan;
  readonly #dirs: StagedDirs;
  readonly #facts: FileSystemFacts;
  readonly #options: TreeBuilderOptions;
  readonly #hasModes = hostPlatform() !== "windows";
  /** By chunk: whether its bytes are where they belong. */
  readonly #written: Uint8Array;
  /** By file: chunks that are not. */
  readonly #missing: Uint32Array;
  /** By file: whether it exists. */
  readonly #made: Uint8Array;
  /** Files whose mode is not yet the planned one. */
  readonly #modesLeft: number[] = [];
  /** By chunk of a larger file that is not all there: how many of its bytes are. */
  readonly #partial = new Map<number, number>();
  /** Larger files by number, the one used last at the end. */
  readonly #open = new Map<number, number>();
  /** How the file looks that is being linked. */
  #linkedAs: FileFacts | undefined;
  #missingChunks: number;
  /** What the hand makes. */
  readonly #handed: HandedFiles | undefined;
  readonly #failure = new AbortController();
  /** Whether links to files outside the tree can be made. */
  #canLink = true;

  /** @param dirs where the tree is made; there is nothing yet. */
  constructor(plan: ManifestPlan, dirs: StagedDirs, facts: FileSystemFacts, options: TreeBuilderOptions) {
    fileCalls.prepare();
    this.#plan = plan;
    this.#dirs = dirs;
    this.#facts = facts;
    this.#options = options;
    this.#written = new Uint8Array(plan.chunks.count);
    this.#missing = Uint32Array.from(plan.files, (file) => file.chunkCount);
    this.#made = new Uint8Array(plan.files.length);
    this.#missingChunks = plan.chunks.count;
    const { hand, durable, onLook } = options;
    this.#handed = hand && new HandedFiles(plan, hand, {
      durable,
      look: onLook !== undefined,
      onMade: (file, look) => this.#completedByHand(file, look),
      onFailed: (error, path) => {
        this.#failure.abort(path === undefined ? error : this.#error(error, path));
      },
    });
  }

  /** Is aborted, with the reason, when something that the hand was given could not be made. */
  get failure(): AbortSignal {
    return this.#failure.signal;
  }

  /** Whether every chunk is where it belongs, or given to the hand. */
  get isComplete(): boolean {
    return this.#missingChunks === 0;
  }

  /** Whether a chunk is where it belongs, or given to the hand. */
  isWritten(chunk: number): boolean {
    return this.#written[chunk] === 1;
  }

  /** Whether files are flushed to the disk when they are complete. */
  get isDurable(): boolean {
    return this.#options.durable;
  }

  /** Whether a file exists; a larger one may still miss chunks. */
  isMade(file: number): boolean {
    return this.#made[file] === 1;
  }

  /** Whether a file is made in one go, from its only chunk. */
  isSmall(file: number): boolean {
    const { chunkCount, size } = this.#plan.files[file];
    return chunkCount === 1 && size <= SMALL_FILE;
  }

  /** Where a file or link lies now. */
  pathOf(path: string): string {
    return this.#dirs.pathOf(path);
  }

  /**
   * Makes all directories and all empty files: what can be made without asking anybody. With a hand they are there only
   * after {@linkcode TreeBuilder.hasDirs}.
   *
   * @param mirror what of the tree is there already; then there is no hand.
   */
  async makeSkeleton(mirror?: TreeMirror): Promise<void> {
    const { pacer } = this.#options;
    const has = (path: string) => mirror?.hasDir(path) === true;
    if (this.#handed !== undefined) this.#handed.makeDirs(this.#dirs.places());
    else await this.#dirs.make(pacer, (error, path) => this.#error(error, path), has);
    for (const [index, file] of this.#plan.files.entries()) {
      if (file.chunkCount > 0) continue;
      if (!this.#handOver(index, NO_BYTES)) {
        this.#makeWhole(index, NO_BYTES);
        this.#completed(index);
      }
      if (pacer.due) await pacer.pause();
    }
  }

  /** Whether all directories are there: before that, only small files can be made. */
  get hasDirs(): boolean {
    return this.#handed?.hasDirs ?? true;
  }

  /** Waits until all directories are there. Throws what went wrong. */
  async dirsMade(): Promise<void> {
    await this.#handed?.dirsMade();
    this.failure.throwIfAborted();
  }

  /** Waits until all is there that was given to the hand. Throws what went wrong. */
  async settle(): Promise<void> {
    await this.#handed?.allMade();
    this.failure.throwIfAborted();
  }

  /** Puts the whole of a chunk where it belongs. */
  writeChunk(chunk: number, bytes: Uint8Array): void {
    const file = this.#plan.chunks.fileOf(chunk);
    if (!this.isSmall(file)) this.writePart(chunk, bytes, 0);
    else if (this.#handOver(file, bytes)) {
      // Complete when the hand says so.
      this.#written[chunk] = 1;
      this.#missingChunks--;
      return;
    } else this.#makeWhole(file, bytes);
    this.finishChunk(chunk);
  }

  /** Puts bytes of a chunk of a larger file where they belong, verified or not. */
  writePart(chunk: number, bytes: Uint8Array, offset: number): void {
    const file = this.#plan.chunks.fileOf(chunk);
    try {
      const fd = this.#descriptor(file);
      writeAll(fd, bytes, this.#plan.chunks.offsetOf(chunk) + offset);
    } catch (error) {
      throw this.#error(error, this.#plan.files[file].path);
    }
    const before = this.#partial.get(chunk) ?? 0;
    this.#partial.set(chunk, offset + bytes.length);
    this.#options.onBytes(offset + bytes.length - before);
  }

  /** Notes that all bytes of a chunk are there and right. */
  finishChunk(chunk: number): void {
    if (this.#written[chunk] === 1) return;
    this.#written[chunk] = 1;
    this.#missingChunks--;
    this.#options.onBytes(this.#plan.chunks.sizeOf(chunk) - (this.#partial.get(chunk) ?? 0));
    this.#partial.delete(chunk);
    const index = this.#plan.chunks.fileOf(chunk);
    if (--this.#missing[index] > 0) return;
    this.#close(index);
    this.#completed(index);
  }

  /**
   * Makes a file another name of `from`, which was found to hold its content when it looked like `seen`. False, with
   * nothing made, when that cannot be or when `from` is not what was seen, has other names, another mode than the
   * planned one, or is somebody else's.
   */
  link(file: number, from: string, seen: SeenFile): boolean {
    if (!this.#canLink) return false;
    const { path } = this.#plan.files[file];
    const to = this.pathOf(path);
    let look: Look;
    try {
      this.#options.link(from, to);
    } catch (error) {
      // Of the others one may be refused and the next one not.
      this.#canLink = errorCode(error) !== "EXDEV";
      return false;
    }
    try {
      // Only now, of the name that was made: whatever took the place of `from` meanwhile is found out.
      look = lookAt(to);
      if (!isOwnLink(look, seen, this.#facts.uid)) {
        unlinkSync(to);
        return false;
      }
    } catch (error) {
      throw this.#error(error, path);
    }
    return this.takeLink(file, look);
  }

  /**
   * Takes a link at a file's place to a file of its content, which looked like `look` when it was made and has no other
   * name. False, and it is gone, when it has not the planned mode.
   */
  takeLink(file: number, look: FileFacts): boolean {
    const { path, firstChunk, chunkCount, mode = DEFAULT_FILE_MODE & ~this.#facts.umask } =
      this.#plan.files[file];
    try {
      if (this.#hasModes && (look.mode & MODE_BITS) !== mode) {
        unlinkSync(this.pathOf(path));
        return false;
      }
      if (this.#options.durable) syncFile(this.pathOf(path));
    } catch (error) {
      throw this.#error(error, path);
    }
    this.#linkedAs = look;
    this.#made[file] = 1;
    for (let chunk = firstChunk; chunk < firstChunk + chunkCount; chunk++) this.finishChunk(chunk);
    this.#linkedAs = undefined;
    return true;
  }

  /** Takes over a larger file of the planned size by renaming it into the tree. Which chunks are right is not known yet. */
  adopt(file: number, from: string): void {
    const { path, mode } = this.#plan.files[file];
    try {
      if (this.#hasModes) chmodSync(from, OWNER_READ_WRITE);
      renameSync(from, this.pathOf(path));
      // What the umask would have left of the mode of a new file.
      if (mode === undefined && this.#hasModes) {
        chmodSync(this.pathOf(path), DEFAULT_FILE_MODE & ~this.#facts.umask);
      }
    } catch (error) {
      throw this.#error(error, path);
    }
    this.#made[file] = 1;
    if (mode !== undefined) this.#modesLeft.push(file);
  }

  /** Puts the tree together, makes the links and applies what is left of the modes, directories last and deepest first. */
  async finish(): Promise<void> {
    const { pacer } = this.#options;
    await this.#dirs.nest(pacer, (error, path) => this.#error(error, path));
    for (const { path, target } of this.#plan.links) {
      try {
        symlinkSync(target, this.pathOf(path));
      } catch (error) {
        throw this.#error(error, path);
      }
      if (pacer.due) await pacer.pause();
    }
    for (const file of this.#hasModes ? this.#modesLeft : []) {
      this.#applyMode(this.#plan.files[file]);
      if (pacer.due) await pacer.pause();
    }
    for (let i = this.#plan.dirs.length - 1; i >= 0; i--) {
      const dir = this.#plan.dirs[i];
      // Before the mode, which may not let us open it any more.
      if (this.#options.durable) syncDirectory(this.pathOf(dir.path));
      if (this.#hasModes && dir.mode !== this.#facts.dirMode) this.#applyMode(dir);
      if (pacer.due) await pacer.pause();
    }
    if (this.#options.durable) syncDirectory(this.#dirs.root);
  }

  /** Closes what is open, and gives the hand nothing more. The tree is then whatever it is. */
  close(): void {
    this.#handed?.close();
    for (const fd of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }

  /** Leaves it to the hand to make a file of known content, unless it has enough to do. */
  #handOver(index: number, bytes: Uint8Array): boolean {
    if (this.#handed === undefined || !this.#handed.isWanted) return false;
    const path = this.pathOf(this.#plan.files[index].path);
    this.#handed.makeFile({ file: index, path, mode: this.#unusualMode(index) }, bytes);
    this.#made[index] = 1;
    return true;
  }

  #completedByHand(index: number, look: Look | undefined): void {
    this.#missing[index] = 0;
    this.#options.onBytes(this.#plan.files[index].size);
    this.#completed(index, look);
  }

  /** Makes a file of known content. */
  #makeWhole(index: number, bytes: Uint8Array): void {
    const { path } = this.#plan.files[index];
    try {
      fileCalls.makeFile(this.pathOf(path), bytes, this.#unusualMode(index), this.#options.durable);
    } catch (error) {
      throw this.#error(error, path);
    }
    this.#made[index] = 1;
  }

  /** @param look how it looks, where that is known. */
  #completed(index: number, look: FileFacts | undefined = this.#linkedAs): void {
    const { onLook } = this.#options;
    if (onLook !== undefined) {
      const { path } = this.#plan.files[index];
      try {
        onLook(index, look ?? lookAt(this.pathOf(path)), this.#linkedAs !== undefined);
      } catch (error) {
        throw this.#error(error, path);
      }
    }
    this.#options.onFile();
  }

  /** The mode to create a file with, unless that is the one that files get unasked: to ask takes Deno a call more. */
  #unusualMode(index: number): number | undefined {
    const mode = this.#creationMode(index, this.#plan.files[index].mode);
    return mode === (DEFAULT_FILE_MODE & ~this.#facts.umask) ? undefined : mode;
  }

  /** The mode to create a file with: its own if that sticks and lets us work, else one that is mended at the end. */
  #creationMode(index: number, mode: number | undefined): number {
    if (mode === undefined) return DEFAULT_FILE_MODE;
    const sticks = (mode & this.#facts.umask) === 0 && mode <= 0o777;
    const workable = (mode & OWNER_READ_WRITE) === OWNER_READ_WRITE;
    if (!sticks || !workable) this.#modesLeft.push(index);
    return (mode & 0o777) | OWNER_READ_WRITE;
  }

  /** The open file, made at its full size when it is new. The one unused for longest is closed when there are many. */
  #descriptor(index: number): number {
    const known = this.#open.get(index);
    if (known !== undefined) {
      this.#open.delete(index);
      this.#open.set(index, known);
      return known;
    }
    if (this.#open.size >= MAX_OPEN) this.#close(this.#open.keys().next().value!);
    const { path, mode, size } = this.#plan.files[index];
    const isNew = this.#made[index] === 0;
    const fd = isNew
      ? openSync(this.pathOf(path), "wx", this.#creationMode(index, mode))
      : openSync(this.pathOf(path), constants.O_RDWR | (constants.O_NOFOLLOW ?? 0));
    this.#open.set(index, fd);
    this.#made[index] = 1;
    if (isNew) ftruncateSync(fd, size);
    return fd;
  }

  #close(index: number): void {
    const fd = this.#open.get(index);
    if (fd === undefined) return;
    this.#open.delete(index);
    try {
      if (this.#options.durable) fsyncSync(fd);
    } catch (error) {
      throw this.#error(error, this.#plan.files[index].path);
    } finally {
      closeSync(fd);
    }
  }

  #applyMode({ path, mode }: { readonly path: string; readonly mode: number | undefined }): void {
    if (mode === undefined) return;
    try {
      chmodSync(this.pathOf(path), mode);
    } catch (error) {
      throw this.#error(error, path);
    }
  }

  #error(error: unknown, path: string): Error {
    if (!TAKEN.includes(errorCode(error) ?? "")) {
      // The permission that lacks is one for the directory around, not for a file in the staging folder.
      const { root } = this.#dirs;
      return fileError(error, ACTION, `${root}/${path}`, parentOf(parentOf(parentOf(root))));
    }
    const problem = "is the same as another entry on this file system";
    return new UnsafePathError(`${ACTION}: entry ${JSON.stringify(path)} ${problem}`, path, { cause: error });
  }
}

function syncFile(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length;) {
    at += writeSync(fd, bytes, at, bytes.length - at, position + at);
  }
}
