/**
 * Takes content that is on this machine already: from the old tree at the destination, from other trees the caller
 * names, and from what a killed fetch of the same reference left. Every byte is verified before it counts.
 *
 * @module
 */

import { type Blake3, loadBlake3 } from "../crypto/blake3.ts";
import { lstatSync, realpathSync } from "../runtime/files.ts";
import { CHUNK_SIZE } from "../wire/blob_ref.ts";
import { equalBytes } from "../wire/bytes.ts";
import type { TreeVerdict } from "./compare.ts";
import { FileReader } from "./file_reader.ts";
import type { LocalTree } from "./local_tree.ts";
import type { WorkPacer } from "./pacer.ts";
import type { ManifestPlan, PlannedFile } from "./plan.ts";
import { leftPlaces } from "./staged_dirs.ts";
import { HASH_LENGTH } from "./tree_hashes.ts";
import { SMALL_FILE, type TreeBuilder } from "./tree_builder.ts";
import type { TreeMirror } from "./tree_mirror.ts";

/** Fills a tree from local ones. */
export class LocalReuse {
  /** Bytes that were not fetched because they were here, each chunk counted once. */
  reusedBytes = 0;
  readonly #plan: ManifestPlan;
  readonly #builder: TreeBuilder;
  readonly #pacer: WorkPacer;
  readonly #blake3: Blake3;
  readonly #reader = new FileReader("Reuse content");
  /** The tree that files were linked from, and its entries of which nothing more is to be had. */
  #linked: LocalTree | undefined;
  #spent = new Uint8Array(0);

  private constructor(plan: ManifestPlan, builder: TreeBuilder, pacer: WorkPacer, blake3: Blake3) {
    this.#plan = plan;
    this.#builder = builder;
    this.#pacer = pacer;
    this.#blake3 = blake3;
  }

  /** Gets ready to fill what `builder` makes of `plan`. */
  static async create(plan: ManifestPlan, builder: TreeBuilder, pacer: WorkPacer): Promise<LocalReuse> {
    return new LocalReuse(plan, builder, pacer, await loadBlake3());
  }

  /**
   * Links what is as the plan wants it from the old tree at the destination: no other tree may share files with the
   * new one. What cannot be linked is left to {@linkcode LocalReuse.copyFrom}.
   *
   * @param mirror what of it is linked already.
   */
  async linkFrom(tree: LocalTree, verdict: TreeVerdict, mirror?: TreeMirror): Promise<void> {
    const { chunks, files } = this.#plan;
    this.#linked = tree;
    this.#spent = new Uint8Array(tree.table.length);
    for (const entry of verdict.useless) this.#spent[entry] = 1;
    /** Chunks that are linked and have repeats, by head, and one that is there. */
    const linked = new Map<number, number>();
    for (const [i, index] of verdict.same.entries()) {
      const { path, firstChunk, chunkCount } = files[index];
      const entry = verdict.entries[i];
      if (this.#builder.isMade(index)) continue;
      const look = mirror?.lookOf(index);
      const isLinked = look === undefined
        ? this.#builder.link(index, `${tree.root}/${path}`, tree.table.seen(entry))
        : this.#builder.takeLink(index, look);
      if (!isLinked) continue;
      this.#spent[entry] = 1;
      for (let chunk = firstChunk; chunk < firstChunk + chunkCount; chunk++) {
        const head = chunks.isHead(chunk) ? chunk : chunks.find(chunks.hashOf(chunk))!;
        if (chunks.nextOf(head) !== undefined) {
          if (linked.has(head)) continue;
          linked.set(head, chunk);
        }
        this.reusedBytes += chunks.sizeOf(chunk);
      }
      // What is linked already takes no call, unless it is flushed.
      const isQuick = look !== undefined && !this.#builder.isDurable;
      if (isQuick ? this.#pacer.dueByNow : this.#pacer.due) await this.#pacer.pause();
    }
    for (const [head, chunk] of linked) {
      // Mostly there is none, and a promise would take longer than to find that out.
      if (this.#hasMissing(head)) await this.#placeRepeats(head, chunk);
    }
  }

  /**
   * Moves the larger files of the unfinished tree in a staging folder here, whole or in part. Small files are as
   * quickly copied, which {@linkcode LocalReuse.copyFrom} does.
   */
  async adoptFrom(staging: string): Promise<void> {
    const base = realpathSync(staging);
    const placesOf = leftPlaces(this.#plan);
    const adopted: PlannedFile[] = [];
    for (const [index, file] of this.#plan.files.entries()) {
      if (file.size <= SMALL_FILE || this.#builder.isMade(index)) continue;
      const place = placesOf(file.path).find((place) => isPlainFile(`${base}/${place}`, file.size));
      if (place === undefined) continue;
      this.#builder.adopt(index, `${base}/${place}`);
      adopted.push(file);
    }
    // After all are here: a chunk that is verified in one may be written to another.
    for (const file of adopted) {
      for (let i = 0; i < file.chunkCount; i++) await this.#verifyInPlace(file.firstChunk + i, file.path);
    }
  }

  /** Copies every chunk that is wanted and is in `tree`, wherever there: files may have been renamed. */
  async copyFrom(tree: LocalTree): Promise<void> {
    const wanted = this.#wantedSizes();
    const large = new Set(this.#plan.files.filter((file) => file.chunkCount > 1).map((file) => file.path));
    const { table } = tree;
    for (let entry = 0; entry < table.length; entry++) {
      if (this.#builder.isComplete) return;
      // A large file that grew or changed still begins like the old one; a small one of another size is another one.
      if (!table.isFile(entry) || (tree === this.#linked && this.#spent[entry] === 1)) continue;
      if (!(wanted.has(table.sizeOf(entry)) || large.has(table.paths[entry]))) continue;
      await this.#copyFile(tree, entry);
    }
  }

  async #copyFile(tree: LocalTree, entry: number): Promise<void> {
    const known = tree.known?.hashesOf(entry);
    const size = tree.table.sizeOf(entry);
    const path = `${tree.root}/${tree.table.paths[entry]}`;
    // The reader tells when the file ends earlier than listed; later bytes are of no use.
    for (let offset = 0; offset < size; offset += CHUNK_SIZE) {
      if (known !== undefined && !this.#isWanted(known, offset / CHUNK_SIZE)) continue;
      if (this.#pacer.due) await this.#pacer.pause();
      const length = Math.min(CHUNK_SIZE, size - offset);
      const bytes = this.#reader.tryRead(path, offset, length);
      if (bytes === undefined) return;
      const head = this.#plan.chunks.find(this.#blake3.hash(bytes));
      if (head === undefined) continue;
      if (!this.#builder.isWritten(head)) this.reusedBytes += bytes.length;
      await this.#place(head, bytes);
    }
  }

  /** Whether a chunk is missing anywhere. @param hashes of the chunks of a file. */
  #isWanted(hashes: Uint8Array, ordinal: number): boolean {
    const hash = hashes.subarray(ordinal * HASH_LENGTH, (ordinal + 1) * HASH_LENGTH);
    let chunk = this.#plan.chunks.find(hash);
    while (chunk !== undefined && this.#builder.isWritten(chunk)) chunk = this.#plan.chunks.nextOf(chunk);
    return chunk !== undefined;
  }

  /** Whether a chunk is missing at any of its places. */
  #hasMissing(head: number): boolean {
    let chunk: number | undefined = head;
    while (chunk !== undefined && this.#builder.isWritten(chunk)) chunk = this.#plan.chunks.nextOf(chunk);
    return chunk !== undefined;
  }

  /** Copies a chunk that is there to the other places that lack it. */
  async #placeRepeats(head: number, from: number): Promise<void> {
    const { chunks, files } = this.#plan;
    const path = this.#builder.pathOf(files[chunks.fileOf(from)].path);
    const bytes = this.#reader.tryRead(path, chunks.offsetOf(from), chunks.sizeOf(from));
    if (bytes === undefined || !equalBytes(this.#blake3.hash(bytes), chunks.hashOf(from))) return;
    await this.#place(head, bytes);
  }

  /** Writes a verified chunk to every place that lacks it. */
  async #place(head: number, bytes: Uint8Array): Promise<void> {
    const { chunks } = this.#plan;
    for (let chunk: number | undefined = head; chunk !== undefined; chunk = chunks.nextOf(chunk)) {
      if (this.#builder.isWritten(chunk)) continue;
      this.#builder.writeChunk(chunk, bytes);
      if (this.#pacer.due) await this.#pacer.pause();
    }
  }

  async #verifyInPlace(chunk: number, path: string): Promise<void> {
    const { chunks } = this.#plan;
    const hash = chunks.hashOf(chunk);
    const head = chunks.find(hash)!;
    const place = this.#builder.pathOf(path);
    const bytes = this.#reader.tryRead(place, chunks.offsetOf(chunk), chunks.sizeOf(chunk));
    if (bytes === undefined || !equalBytes(this.#blake3.hash(bytes), hash)) return;
    if (!this.#builder.isWritten(head)) this.reusedBytes += bytes.length;
    this.#builder.finishChunk(chunk);
    await this.#place(head, bytes);
    if (this.#pacer.due) await this.#pacer.pause();
  }

  #wantedSizes(): Set<number> {
    const sizes = new Set<number>();
    for (const file of this.#plan.files) {
      for (let i = 0; i < file.chunkCount; i++) {
        if (this.#builder.isWritten(file.firstChunk + i)) continue;
        sizes.add(file.size);
        break;
      }
    }
    return sizes;
  }
}

/** Whether there is a file of that size that nobody else has a name for, and no link on the way to it. */
function isPlainFile(path: string, size: number): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat !== undefined && stat.isFile() && stat.size === size && stat.nlink === 1 &&
    realpathSync(path) === path;
}
