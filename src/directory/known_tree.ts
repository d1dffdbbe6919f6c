/**
 * A listed tree beside what is remembered of it: what its files hold as far as that is known without reading them, and
 * the reference it was fetched from, if it still is that tree (`content.md` 6).
 *
 * @module
 */

import { loadBlake3 } from "../crypto/blake3.ts";
import { type BlobRef, CHUNK_SIZE, encodeBlobRef } from "../wire/blob_ref.ts";
import { equalBytes, toHex } from "../wire/bytes.ts";
import { FileReader } from "./file_reader.ts";
import type { WorkPacer } from "./pacer.ts";
import type { RecordTable } from "./record_table.ts";
import { type TreeAddress, type TreeMemory, TRUST } from "./tree_cache_format.ts";
import { HASH_LENGTH } from "./tree_hashes.ts";
import { encodeTree } from "./tree_manifest.ts";
import { matchTree, type TreeMatch } from "./tree_match.ts";

/** What is known of a tree on this machine. */
export class KnownTree {
  /** Its entries, sorted by the UTF-8 bytes of their paths. */
  readonly table: RecordTable;
  /** What is remembered of it. */
  readonly memory: TreeMemory;
  readonly #match: TreeMatch;
  /** Number of files of which it is not known what they hold. */
  #unknown: number;
  /** Files of which it is known because they were read. */
  readonly #read = new Set<number>();

  private constructor(table: RecordTable, memory: TreeMemory) {
    this.table = table;
    this.memory = memory;
    this.#match = matchTree(table, memory, "chunks");
    this.#unknown = this.#match.unknown;
  }

  /**
   * Compares the entries of the tree at `root`, sorted by the UTF-8 bytes of their paths, with what is remembered. Files
   * that it cannot be said of whether they changed are read and hashed: those that were changed just before they were
   * remembered, and those that something was done to.
   */
  static async compare(
    root: string,
    table: RecordTable,
    memory: TreeMemory,
    pacer: WorkPacer,
  ): Promise<KnownTree> {
    const tree = new KnownTree(table, memory);
    if (tree.#unknown > 0) await tree.#confirm(root, pacer);
    return tree;
  }

  /** Whether it is the tree that is remembered. */
  get isUnchanged(): boolean {
    return this.#match.isSameShape && this.#unknown === 0;
  }

  /** Whether any file had to be read. */
  get hasRead(): boolean {
    return this.#read.size > 0;
  }

  /** Whether a file was found to hold what is remembered of it by reading it. */
  wasRead(entry: number): boolean {
    return this.#read.has(entry);
  }

  /** Number of an entry in the memory; below 0 when it is no file of which it is known what it holds. */
  rowOf(entry: number): number {
    return this.#match.rows[entry];
  }

  /** The hashes of a file's chunks, one after another; `undefined` when it has to be read. */
  hashesOf(entry: number): Uint8Array | undefined {
    const row = this.rowOf(entry);
    if (row < 0) return undefined;
    const chunks = Math.ceil(this.table.sizeOf(entry) / CHUNK_SIZE);
    return this.memory.hashes.of(row).subarray(0, chunks * HASH_LENGTH);
  }

  /** What is remembered of a fetch of `ref` that made this very tree. @param options of the fetch, as text. */
  madeFrom(ref: BlobRef, options: string): TreeAddress | undefined {
    const { fetched } = this.memory;
    if (fetched === undefined || fetched.options !== options || !this.isUnchanged) return undefined;
    return fetched.ref === toHex(encodeBlobRef(ref)) ? fetched : undefined;
  }

  /**
   * A manifest of the entries of which everything is known: likely to have much in common with that of a newer tree.
   * Modes are those that the tree has here.
   */
  manifest(): Uint8Array {
    const { hashes, trust } = this.memory;
    const { rows } = this.#match;
    return encodeTree(this.table, hashes, (entry) => {
      const row = rows[entry];
      return row < 0 || (trust[row] & TRUST.chunksOnly) !== 0 ? -1 : row;
    });
  }

  async #confirm(root: string, pacer: WorkPacer): Promise<void> {
    const { rows, sameSize } = this.#match;
    const { hashes } = this.memory;
    const blake3 = await loadBlake3();
    const reader = new FileReader("Compare directory");
    for (const [entry, row] of sameSize) {
      const record = this.table.records[entry];
      let offset = 0;
      for (let index = hashes.firstOf(row); offset < record.size; index++, offset += CHUNK_SIZE) {
        if (pacer.due) await pacer.pause();
        const length = Math.min(CHUNK_SIZE, record.size - offset);
        const bytes = reader.tryRead(`${root}/${record.path}`, offset, length);
        if (bytes === undefined || !equalBytes(blake3.hash(bytes), hashes.at(index))) break;
      }
      if (offset < record.size) continue;
      rows[entry] = row;
      this.#unknown--;
      this.#read.add(entry);
    }
  }
}
