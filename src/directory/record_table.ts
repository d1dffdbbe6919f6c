/**
 * The entries of a tree in columns: an object for each of thousands would be garbage as soon as it was compared, and
 * columns go into a file as they are.
 *
 * @module
 */

import type { WalkRecord } from "./walk.ts";

/** The kinds of entries by their numbers. */
export const KINDS = ["file", "dir", "symlink"] as const;
const FILE = 0;
const DIR = 1;
const SYMLINK = 2;

/** How many numbers an entry has. */
export const NUMBERS = 5;
/** Which of them is its size, */
export const SIZE = 0;
/** its mtime, */
export const MTIME = 1;
/** its ctime, */
export const CTIME = 2;
/** its inode, */
export const INO = 3;
/** its file system. */
export const DEV = 4;

/** Entries that there is room for at first. */
const FIRST_CAPACITY = 1024;

/** The numbers of an entry. */
export type LookNumbers = Pick<WalkRecord, "size" | "mtimeMs" | "ctimeMs" | "ino" | "dev">;

/** The columns; those of numbers may be longer than there are entries. */
export interface RecordColumns {
  /** Paths, sorted by their UTF-8 bytes. */
  readonly paths: readonly string[];
  /** Numbers of kinds. */
  readonly kinds: Uint8Array;
  /** Modes. */
  readonly modes: Uint32Array;
  /** Of each entry one after another: size, mtime, ctime, inode, file system. */
  readonly numbers: Float64Array;
  /** Targets of links, by entry. */
  readonly targets: ReadonlyMap<number, string>;
}

/** Entries in columns. */
export class RecordTable implements RecordColumns {
  /** As in {@linkcode RecordColumns}. */
  readonly paths: string[];
  /** As in {@linkcode RecordColumns}. */
  readonly targets: Map<number, string>;
  /** The paths in UTF-8, separated by NUL, where they are at hand. */
  encodedPaths: Uint8Array | undefined;
  #kinds: Uint8Array;
  #modes: Uint32Array;
  #numbers: Float64Array;
  #records: readonly WalkRecord[] | undefined;

  /** @param columns whose arrays and map become the table's own. */
  constructor({ paths, kinds, modes, numbers, targets }: RecordColumns) {
    this.paths = paths as string[];
    this.targets = targets as Map<number, string>;
    this.#kinds = kinds;
    this.#modes = modes;
    this.#numbers = numbers;
  }

  /** A table without entries. @param capacity how many are expected. */
  static empty(capacity: number = FIRST_CAPACITY): RecordTable {
    const room = Math.max(capacity, 1);
    const kinds = new Uint8Array(room);
    const modes = new Uint32Array(room);
    const numbers = new Float64Array(room * NUMBERS);
    return new RecordTable({ paths: [], kinds, modes, numbers, targets: new Map() });
  }

  /** The same entries as `records`, in their order. */
  static of(records: readonly WalkRecord[]): RecordTable {
    const table = RecordTable.empty(records.length);
    for (const record of records) {
      table.add(record.path, record.kind, record.mode, record, record.target);
    }
    table.#records = records;
    return table;
  }

  /** Number of entries. */
  get length(): number {
    return this.paths.length;
  }

  /** As in {@linkcode RecordColumns}. */
  get kinds(): Uint8Array {
    return this.#kinds;
  }

  /** As in {@linkcode RecordColumns}. */
  get modes(): Uint32Array {
    return this.#modes;
  }

  /** As in {@linkcode RecordColumns}. */
  get numbers(): Float64Array {
    return this.#numbers;
  }

  /** The entries as objects, made when they are asked for first; then nothing is added any more. */
  get records(): readonly WalkRecord[] {
    return this.#records ??= this.paths.map((path, entry) => this.#record(path, entry));
  }

  /** Adds an entry. @param target what a link holds. */
  add(path: string, kind: WalkRecord["kind"], mode: number, look: LookNumbers, target: string): void {
    const entry = this.paths.length;
    if (entry === this.#kinds.length) this.#grow();
    this.paths.push(path);
    this.#kinds[entry] = kind === "file" ? FILE : kind === "dir" ? DIR : SYMLINK;
    this.#modes[entry] = mode;
    const numbers = this.#numbers;
    const at = entry * NUMBERS;
    numbers[at + SIZE] = look.size;
    numbers[at + MTIME] = look.mtimeMs;
    numbers[at + CTIME] = look.ctimeMs;
    numbers[at + INO] = look.ino;
    numbers[at + DEV] = look.dev;
    if (kind === "symlink") this.targets.set(entry, target);
  }

  /** Sets the ctime of all regular files. */
  setCtimes(ctimeMs: number): void {
    for (let entry = 0; entry < this.length; entry++) {
      if (this.isFile(entry)) this.#numbers[entry * NUMBERS + CTIME] = ctimeMs;
    }
    this.#records = undefined;
  }

  /** Takes the encoded paths of another table, if it has the same paths. */
  shareEncodedPaths({ paths, encodedPaths }: RecordTable): void {
    if (paths.length !== this.paths.length) return;
    for (let i = 0; i < paths.length; i++) if (paths[i] !== this.paths[i]) return;
    this.encodedPaths = encodedPaths;
  }

  /** Whether an entry is a regular file. */
  isFile(entry: number): boolean {
    return this.#kinds[entry] === FILE;
  }

  /** An entry's size, bytes. */
  sizeOf(entry: number): number {
    return this.#numbers[entry * NUMBERS + SIZE];
  }

  /** How a file looked. */
  seen(entry: number): Pick<WalkRecord, "size" | "mtimeMs" | "ino" | "dev"> {
    const numbers = this.#numbers;
    const at = entry * NUMBERS;
    return {
      size: numbers[at + SIZE],
      mtimeMs: numbers[at + MTIME],
      ino: numbers[at + INO],
      dev: numbers[at + DEV],
    };
  }

  /** Whether an entry has the kind, mode, size and target of number `other` of another table. */
  hasShapeOf(entry: number, table: RecordTable, other: number): boolean {
    const kind = this.#kinds[entry];
    if (kind !== table.#kinds[other]) return false;
    if (kind === SYMLINK) return this.targets.get(entry) === table.targets.get(other);
    return this.#modes[entry] === table.#modes[other] &&
      (kind === DIR || this.sizeOf(entry) === table.sizeOf(other));
  }

  #record(path: string, entry: number): WalkRecord {
    const numbers = this.#numbers;
    const at = entry * NUMBERS;
    return {
      path,
      kind: KINDS[this.#kinds[entry]],
      mode: this.#modes[entry],
      size: numbers[at + SIZE],
      mtimeMs: numbers[at + MTIME],
      ctimeMs: numbers[at + CTIME],
      ino: numbers[at + INO],
      dev: numbers[at + DEV],
      target: this.targets.get(entry) ?? "",
    };
  }

  #grow(): void {
    const room = 2 * this.#kinds.length;
    const kinds = new Uint8Array(room);
    kinds.set(this.#kinds);
    this.#kinds = kinds;
    const modes = new Uint32Array(room);
    modes.set(this.#modes);
    this.#modes = modes;
    const numbers = new Float64Array(room * NUMBERS);
    numbers.set(this.#numbers);
    this.#numbers = numbers;
  }
}
