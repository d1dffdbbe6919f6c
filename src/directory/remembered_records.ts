/**
 * The entries that a file remembers, left in its columns: an object for each of them would be garbage as soon as it was
 * compared.
 *
 * @module
 */

import type { WalkRecord } from "./walk.ts";

/** The kinds of entries by their numbers in a file. */
export const KINDS = ["file", "dir", "symlink"] as const;

/** The columns, as long as there are entries. */
export interface RecordColumns {
  /** Paths, sorted by their UTF-8 bytes. */
  readonly paths: readonly string[];
  /** Numbers of kinds. */
  readonly kinds: Uint8Array;
  /** Modes. */
  readonly modes: Uint32Array;
  /** Sizes, then mtimes, ctimes, inodes, file systems. */
  readonly wide: Float64Array;
  /** Targets of links, by entry. */
  readonly targets: ReadonlyMap<number, string>;
}

/** Numbers of an entry in {@linkcode RecordColumns.wide}. */
export const WIDE_COLUMNS = 5;

/** A list of entries, such as an array. */
export interface RecordList {
  /** Number of entries. */
  readonly length: number;
  /** Entry number `index`, which there is; valid until the next call. */
  at(index: number): WalkRecord | undefined;
}

/** Entries in columns. */
export class RememberedRecords implements RecordList {
  /** Number of entries. */
  readonly length: number;
  readonly #view: RecordView;

  /** @param columns what there is. */
  constructor(columns: RecordColumns) {
    this.length = columns.paths.length;
    this.#view = new RecordView(columns);
  }

  /** Entry number `index`: the same object each time, which is another entry then. */
  at(index: number): WalkRecord {
    this.#view.index = index;
    return this.#view;
  }

  /** All entries, as objects of their own. */
  toArray(): WalkRecord[] {
    return Array.from({ length: this.length }, (_, index) => {
      const { path, kind, mode, size, mtimeMs, ctimeMs, ino, dev, target } = this.at(index);
      return { path, kind, mode, size, mtimeMs, ctimeMs, ino, dev, target };
    });
  }
}

class RecordView implements WalkRecord {
  index = 0;
  readonly #columns: RecordColumns;
  readonly #count: number;

  constructor(columns: RecordColumns) {
    this.#columns = columns;
    this.#count = columns.paths.length;
  }

  get path(): string {
    return this.#columns.paths[this.index];
  }

  get kind(): WalkRecord["kind"] {
    return KINDS[this.#columns.kinds[this.index]];
  }

  get mode(): number {
    return this.#columns.modes[this.index];
  }

  get size(): number {
    return this.#columns.wide[this.index];
  }

  get mtimeMs(): number {
    return this.#columns.wide[this.#count + this.index];
  }

  get ctimeMs(): number {
    return this.#columns.wide[2 * this.#count + this.index];
  }

  get ino(): number {
    return this.#columns.wide[3 * this.#count + this.index];
  }

  get dev(): number {
    return this.#columns.wide[4 * this.#count + this.index];
  }

  get target(): string {
    return this.#columns.targets.get(this.index) ?? "";
  }
}
