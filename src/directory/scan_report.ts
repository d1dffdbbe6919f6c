/**
 * What is told of a directory that is read, as far as nothing has to be read for it: limits, progress, and a tree that is
 * known.
 *
 * @module
 */

import { LimitExceededError } from "../errors.ts";
import { chunksOf, decodeBlobRef, MAX_BLOB_SIZE } from "../wire/blob_ref.ts";
import { fromHex } from "../wire/bytes.ts";
import type { HashedTree } from "./hash_tree.ts";
import { HashedResult } from "./hashed_result.ts";
import { DEFAULT_MAX_MANIFEST_BYTES } from "./limits.ts";
import type { WorkPacer } from "./pacer.ts";
import type { RecordTable } from "./record_table.ts";
import type { ScanOptions, ScanResult, ScanSink, ScanStats } from "./scan.ts";
import type { TreeAddress } from "./tree_cache_format.ts";
import type { TreeHashes } from "./tree_hashes.ts";
import type { SkippedEntry } from "./walk.ts";

/** What a reading of a directory has found so far, and tells. */
export class ScanReport {
  /** How far it is. */
  readonly progress = { files: 0, bytes: 0, totalFiles: 0, totalBytes: 0 };

  /**
   * Throws `LimitExceededError` when a file, or all of them, are too large.
   *
   * @param action what is done, for messages. @param table what was listed.
   */
  constructor(
    readonly action: string,
    readonly table: RecordTable,
    readonly options: ScanOptions,
    readonly sink: ScanSink,
  ) {
    for (let entry = 0; entry < table.length; entry++) {
      if (!table.isFile(entry)) continue;
      const size = table.sizeOf(entry);
      if (size > MAX_BLOB_SIZE) {
        const message = `${action}: ${
          JSON.stringify(table.paths[entry])
        } has ${size} bytes, wanted at most ${MAX_BLOB_SIZE}`;
        throw new LimitExceededError(message, "blob size", size, MAX_BLOB_SIZE);
      }
      this.progress.totalFiles++;
      this.progress.totalBytes += size;
    }
    const maxBytes = options.maxBytes ?? Number.MAX_SAFE_INTEGER;
    if (this.progress.totalBytes > maxBytes) {
      const message =
        `${action}: the files have ${this.progress.totalBytes} bytes, wanted at most ${maxBytes}`;
      throw new LimitExceededError(message, "maxBytes", this.progress.totalBytes, maxBytes);
    }
  }

  /** Tells of files that need not be read. */
  tellKnown(hashes: TreeHashes, known: readonly number[]): void {
    if (known.length === 0) return;
    const { table, sink } = this;
    for (const entry of known) this.countFile(table.sizeOf(entry));
    this.options.onProgress?.(this.progress);
    this.#tellLater(() => {
      const { records } = table;
      for (const entry of known) {
        sink.file?.(records[entry].path, records[entry], hashes.chunksOf(entry));
      }
    });
  }

  /** Tells of the very tree that is remembered with an address, and says so. */
  async recall(
    { hashes, known }: HashedTree,
    address: TreeAddress,
    skipped: readonly SkippedEntry[],
    pacer: WorkPacer,
  ): Promise<ScanResult> {
    this.tellKnown(hashes, known);
    this.sink.known?.(hashes, hashes.firstOf(this.table.length));
    // Who follows is told what there is, and an abort that came meanwhile counts.
    await pacer.pause();
    return this.finishRemembered(address, hashes, skipped);
  }

  /** The result for a tree whose address is known: the manifest is made when somebody wants it. */
  finishRemembered(
    { ref: hex, manifestBytes }: TreeAddress,
    hashes: TreeHashes,
    skipped: readonly SkippedEntry[],
  ): ScanResult {
    this.checkManifestSize(manifestBytes);
    const { table, sink } = this;
    const result = new HashedResult(
      decodeBlobRef(fromHex(hex)!)!,
      table,
      hashes,
      this.stats(manifestBytes, skipped),
    );
    this.#tellLater(() => {
      let offset = 0;
      for (const { hash, size } of chunksOf(result.ref)) {
        sink.knownChunk?.(hash, result.manifest.subarray(offset, offset += size));
      }
    });
    return result;
  }

  #tellLater(tell: () => void): void {
    if (this.sink.later === undefined) tell();
    else this.sink.later(tell);
  }

  /** Throws `LimitExceededError` when a manifest is too large. */
  checkManifestSize(bytes: number): void {
    const limit = this.options.maxManifestBytes ?? DEFAULT_MAX_MANIFEST_BYTES;
    if (bytes <= limit) return;
    const message = `${this.action}: the manifest has ${bytes} bytes, wanted at most ${limit}`;
    throw new LimitExceededError(message, "maxManifestBytes", bytes, limit);
  }

  /** What was read, when all was. */
  stats(manifestBytes: number, skipped: readonly SkippedEntry[]): ScanStats {
    const { table, progress } = this;
    return {
      files: progress.files,
      dirs: table.length - progress.totalFiles - table.targets.size,
      symlinks: table.targets.size,
      bytes: progress.bytes,
      manifestBytes,
      skipped,
    };
  }

  /** Counts a file, and its bytes unless its pieces are counted. */
  countFile(bytes: number): void {
    this.progress.files++;
    this.progress.bytes += bytes;
  }

  /** Counts a piece of a file, and tells. */
  countPiece(bytes: number): void {
    this.progress.bytes += bytes;
    this.options.onProgress?.(this.progress);
  }
}
