/**
 * How files of a new tree looked when they were complete: numbers in columns, for there may be a million.
 *
 * @module
 */

import { hostPlatform } from "../runtime/host.ts";
import type { Look } from "../runtime/look.ts";
import type { WalkRecord } from "./walk.ts";

/** Numbers of a file that are noted. */
const LOOK_NUMBERS = 4;
/** Where a file came from. */
const MADE = 1;
const LINKED = 2;
const MODE_BITS = 0o7777;

/** What is noted of how a file looks. */
export type FileFacts = Pick<Look, "size" | "mtimeMs" | "ino" | "dev" | "mode">;

/** The files of one tree. */
export class FileLooks {
  readonly #numbers: Float64Array;
  readonly #modes: Uint32Array;
  /** By file: 0 for not complete, or where it came from. */
  readonly #origins: Uint8Array;
  readonly #hasModes = hostPlatform() !== "windows";
  #missing: number;

  /** @param count of files. */
  constructor(count: number) {
    this.#numbers = new Float64Array(count * LOOK_NUMBERS);
    this.#modes = new Uint32Array(count);
    this.#origins = new Uint8Array(count);
    this.#missing = count;
  }

  /** Whether all files have been seen. */
  get isComplete(): boolean {
    return this.#missing === 0;
  }

  /** Whether a file is one of the old tree. */
  isLinked(file: number): boolean {
    return this.#origins[file] === LINKED;
  }

  /** Notes how a file looks. @param isLinked whether it is one of the old tree. */
  set(file: number, { size, mtimeMs, ino, dev, mode }: FileFacts, isLinked: boolean): void {
    if (this.#origins[file] === 0) this.#missing--;
    this.#origins[file] = isLinked ? LINKED : MADE;
    const at = file * LOOK_NUMBERS;
    this.#numbers[at] = size;
    this.#numbers[at + 1] = mtimeMs;
    this.#numbers[at + 2] = ino;
    this.#numbers[at + 3] = dev;
    this.#modes[file] = mode;
  }

  /** A file's entry, without its ctime. */
  recordOf(file: number, path: string, mode: number | undefined): WalkRecord {
    const at = file * LOOK_NUMBERS;
    const seen = this.#modes[file];
    return {
      path,
      kind: "file",
      mode: !this.#hasModes ? 0 : mode === undefined ? seen : (seen & ~MODE_BITS) | mode,
      size: this.#numbers[at],
      mtimeMs: this.#numbers[at + 1],
      ctimeMs: 0,
      ino: this.#numbers[at + 2],
      dev: this.#numbers[at + 3],
      target: "",
    };
  }
}
