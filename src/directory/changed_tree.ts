/**
 * The requester's side of changes (`content.md` 5): a directory as what is remembered of an earlier one and what changed
 * since. What is remembered is what a fetch made of that one's manifest, which can differ from it; so only the manifest
 * that comes of it shows whether it is the right one.
 *
 * @module
 */

import type { Blake3 } from "../crypto/blake3.ts";
import { ManifestError } from "../errors.ts";
import { CHUNK_SIZE } from "../wire/blob_ref.ts";
import { type DirEntry, DirManifestWriter } from "../wire/dir_manifest.ts";
import type { TreeChanges } from "../wire/tree_changes.ts";
import { OutlineKey } from "./outline_key.ts";
import { comparePaths } from "./path_rules.ts";
import { EMPTY_HASH, type PlannedFile } from "./plan_files.ts";
import { KINDS } from "./record_table.ts";
import { inSlices, type Steps } from "./steps.ts";
import type { TreeMemory } from "./tree_cache_format.ts";
import { HASH_LENGTH } from "./tree_hashes.ts";

/** A directory by its changes. */
export class ChangedTree {
  /** Number of its entries. */
  readonly length: number;
  /**
   * By entry, sorted by the UTF-8 bytes of their paths: its number in what is remembered, or the complement of its number
   * among the changed ones.
   */
  readonly origins: Int32Array;

  private constructor(
    /** What is remembered. */
    readonly base: TreeMemory,
    /** What is new or other. */
    readonly entries: readonly DirEntry[],
    /** What is there no more, or is other: numbers in what is remembered. */
    readonly gone: readonly number[],
    origins: Int32Array,
  ) {
    this.origins = origins;
    this.length = origins.length;
  }

  /**
   * Applies changes. Throws `ManifestError` when they are not sorted, name something twice, or remove what is not there.
   */
  static apply(base: TreeMemory, { removed, entries }: TreeChanges): ChangedTree {
    const { paths } = base.table;
    const origins = new Int32Array(paths.length + entries.length);
    const gone: number[] = [];
    let length = 0;
    /** Everything before is in the new tree, or gone. */
    let row = 0;
    let last: string | undefined;
    for (let entry = 0, removal = 0; entry < entries.length || removal < removed.length;) {
      const isRemoval = entry === entries.length ||
        (removal < removed.length && comparePaths(removed[removal], entries[entry].path) < 0);
      const path = isRemoval ? removed[removal++] : entries[entry].path;
      if (last !== undefined && comparePaths(last, path) >= 0) throw refused(path, "is not in order");
      last = path;
      const found = firstNotBefore(path, row, paths.length, (at) => paths[at]);
      while (row < found) origins[length++] = row++;
      if (paths[found] === path) gone.push(row++);
      else if (isRemoval) throw refused(path, "is not there");
      if (!isRemoval) origins[length++] = ~entry++;
    }
    while (row < paths.length) origins[length++] = row++;
    return new ChangedTree(base, entries, gone, origins.subarray(0, length));
  }

  /** Path of an entry. */
  pathAt(entry: number): string {
    const origin = this.origins[entry];
    return origin < 0 ? this.entries[~origin].path : this.base.table.paths[origin];
  }

  /** Kind of an entry. */
  kindAt(entry: number): DirEntry["kind"] {
    const origin = this.origins[entry];
    return origin < 0 ? this.entries[~origin].kind : KINDS[this.base.table.kinds[origin]];
  }

  /** Number of the first entry whose path is not before `path`: that of `path`, if it is there. */
  firstNotBefore(path: string): number {
    return firstNotBefore(path, 0, this.length, (entry) => this.pathAt(entry));
  }

  /** Its manifest, if what is remembered is just what the manifest of the earlier one said. */
  *manifest(): Steps<Uint8Array> {
    const writer = new DirManifestWriter(this.length);
    yield* inSlices(this.length, (from, to) => this.#write(writer, from, to));
    return writer.finish();
  }

  /** What its staging folders are known by. @param files those of its plan. */
  key(blake3: Blake3, files: readonly PlannedFile[]): string {
    const { paths, kinds, modes, targets } = this.base.table;
    const key = new OutlineKey(this.length);
    let file = 0;
    for (let i = 0; i < this.length; i++) {
      const row = this.origins[i];
      if (row < 0) {
        const entry = this.entries[~row];
        if (entry.kind !== "file") key.other(entry);
        else key.file(entry.path, entry.mode, files[file++].size);
        continue;
      }
      const kind = KINDS[kinds[row]];
      if (kind === "dir") key.dir(paths[row], modes[row]);
      else if (kind === "symlink") key.symlink(paths[row], targets.get(row)!);
      else key.file(paths[row], modes[row], files[file++].size);
    }
    return key.finish(blake3);
  }

  #write(writer: DirManifestWriter, from: number, to: number): void {
    const { table, hashes } = this.base;
    const { paths, kinds, modes, targets } = table;
    for (let i = from; i < to; i++) {
      const row = this.origins[i];
      if (row < 0) {
        writer.entry(this.entries[~row]);
        continue;
      }
      const path = paths[row];
      const kind = KINDS[kinds[row]];
      if (kind === "dir") writer.dir(path, modes[row]);
      else if (kind === "symlink") writer.symlink(path, targets.get(row)!);
      else {
        const size = table.sizeOf(row);
        if (size > CHUNK_SIZE) throw refused(path, "has several chunks and did not come along");
        if (size === 0) writer.smallFile(path, modes[row], EMPTY_HASH, 0, 0);
        else writer.smallFile(path, modes[row], hashes.bytes, hashes.firstOf(row) * HASH_LENGTH, size);
      }
    }
  }
}

/** The first of sorted paths, from number `from` to before `to`, that is not before `path`. */
function firstNotBefore(path: string, from: number, to: number, pathAt: (index: number) => string): number {
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (comparePaths(pathAt(middle), path) < 0) from = middle + 1;
    else to = middle;
  }
  return from;
}

function refused(path: string, problem: string): ManifestError {
  return new ManifestError(`Apply changes: entry ${JSON.stringify(path)} ${problem}`);
}
