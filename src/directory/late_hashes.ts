/**
 * The hashes of a directory whose outline was known before: they are put into the plan as they come, and in the end they
 * make the manifest (`content.md` 5).
 *
 * @module
 */

import { ManifestError } from "../errors.ts";
import { equalBytes } from "../wire/bytes.ts";
import { blobUri, chunksOf, decodeBlobRef, encodeBlobRef, manifestRef } from "../wire/blob_ref.ts";
import { type DirEntry, DirManifestWriter } from "../wire/dir_manifest.ts";
import type { OutlineEntry } from "../wire/dir_outline.ts";
import { EMPTY_HASH, type PlannedFile } from "./plan_files.ts";
import type { ManifestPlan } from "./plan.ts";
import { sliced, type Steps } from "./steps.ts";

const HASH_LENGTH = 32;

/** Fills the table of an outline's plan. */
export class LateHashes {
  /** Chunks whose hash is known: those with a number below. */
  known = 0;
  readonly #outline: readonly OutlineEntry[];
  readonly #plan: ManifestPlan;
  /** All hashes in the order in which they come, and how many of their bytes came. */
  readonly #hashes: Uint8Array;
  #length = 0;
  /** The file whose hashes are next. */
  #file = 0;

  /** @param plan made of `outline`; no hash is known in it. */
  constructor(outline: readonly OutlineEntry[], plan: ManifestPlan) {
    this.#outline = outline;
    this.#plan = plan;
    const large = plan.files.reduce((count, { chunkCount }) => count + (chunkCount > 1 ? 1 : 0), 0);
    this.#hashes = new Uint8Array((plan.chunks.count + large) * HASH_LENGTH);
    this.#skipFinished();
  }

  /** Hashes that came, those of whole files included. */
  get count(): number {
    return this.#length / HASH_LENGTH;
  }

  /** Whether all hashes came. */
  get isComplete(): boolean {
    return this.#length === this.#hashes.length;
  }

  /**
   * Takes the next hashes. Throws `ManifestError` when they are more than the outline has, or when equal ones are said
   * to be of chunks of different sizes.
   */
  accept(hashes: Uint8Array): void {
    const left = (this.#hashes.length - this.#length) / HASH_LENGTH;
    if (hashes.length > left * HASH_LENGTH) {
      const message = `Take hashes: ${hashes.length / HASH_LENGTH} came where the outline leaves ${left}`;
      throw new ManifestError(message);
    }
    this.#hashes.set(hashes, this.#length);
    const end = this.#length + hashes.length;
    for (; this.#length < end; this.#length += HASH_LENGTH) {
      const { firstChunk, chunkCount } = this.#plan.files[this.#file];
      // After the last chunk of a large file comes the hash of the whole.
      if (this.known < firstChunk + chunkCount) this.#setChunk(this.#length);
      else this.#file++;
      this.#skipFinished();
    }
  }

  /**
   * Takes what is missing from the manifest that the outline has become. Throws `ManifestError` when it is of another
   * outline, or when hashes that came before are not in it.
   */
  *acceptManifest(entries: readonly DirEntry[]): Steps<void> {
    const { chunks } = this.#plan;
    let chunk = 0;
    yield* sliced(entries, (entry) => {
      if (entry.kind !== "file") return;
      for (const { hash, size } of chunksOf(decodeBlobRef(entry.blob)!)) {
        if (size === 0) continue;
        if (chunk >= this.known) this.#set(chunk, hash);
        else if (!equalBytes(chunks.hashOf(chunk), hash)) {
          throw new ManifestError("Take hashes: those that came before are not those of the manifest");
        }
        chunk++;
      }
    });
    this.known = chunk;
    this.#length = this.#hashes.length;
  }

  /** The manifest, once all hashes came in {@linkcode LateHashes.accept}. */
  *manifest(): Steps<Uint8Array> {
    let at = 0;
    let file = 0;
    const next = () => this.#hashes.subarray(at, at += HASH_LENGTH);
    const writer = new DirManifestWriter(this.#outline.length);
    yield* sliced(this.#outline, (entry) => {
      const { kind, path } = entry;
      if (kind === "dir") return writer.dir(path, entry.mode);
      if (kind === "symlink") return writer.symlink(path, entry.target);
      const { mode, size } = entry;
      const { firstChunk, chunkCount } = this.#plan.files[file++];
      if (chunkCount === 0) return writer.smallFile(path, mode, EMPTY_HASH, 0, 0);
      if (chunkCount === 1) return writer.smallFile(path, mode, next(), 0, size);
      const chunks = [];
      for (let i = 0; i < chunkCount; i++) {
        chunks.push({ hash: next(), size: this.#plan.chunks.sizeOf(firstChunk + i) });
      }
      writer.file(path, mode, encodeBlobRef(manifestRef(blobUri(next()), { kind: "replicated" }, chunks)));
    });
    return writer.finish();
  }

  #setChunk(at: number): void {
    this.#set(this.known, this.#hashes.subarray(at, at + HASH_LENGTH));
    this.known++;
  }

  #set(chunk: number, hash: Uint8Array): void {
    if (this.#plan.chunks.setHash(chunk, hash)) return;
    const { path } = this.#plan.files[this.#plan.chunks.fileOf(chunk)];
    const message = `Take hashes: that of a chunk of ${
      JSON.stringify(path)
    } is that of a chunk of another size`;
    throw new ManifestError(message);
  }

  /** Goes on to the next file that has hashes to come. */
  #skipFinished(): void {
    const { files } = this.#plan;
    const isFinished = ({ firstChunk, chunkCount }: PlannedFile) =>
      chunkCount === 0 || (chunkCount === 1 && this.known > firstChunk);
    while (this.#file < files.length && isFinished(files[this.#file])) this.#file++;
  }
}
