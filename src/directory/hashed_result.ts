/**
 * What was read of a directory of which all hashes are known; entries and manifest are made when they are asked for.
 *
 * @module
 */

import { type BlobRef, encodeBlobRef } from "../wire/blob_ref.ts";
import type { DirEntry } from "../wire/dir_manifest.ts";
import type { RecordTable } from "./record_table.ts";
import type { ScanResult, ScanStats } from "./scan.ts";
import type { TreeHashes } from "./tree_hashes.ts";
import { encodeTree } from "./tree_manifest.ts";
import type { WalkRecord } from "./walk.ts";

/** A result as table and hashes. */
export class HashedResult implements ScanResult {
  #entries: readonly DirEntry[] | undefined;
  #manifest: Uint8Array | undefined;

  /** @param manifest if it was made already. */
  constructor(
    readonly ref: BlobRef,
    readonly table: RecordTable,
    readonly hashes: TreeHashes,
    readonly stats: ScanStats,
    manifest?: Uint8Array,
  ) {
    this.#manifest = manifest;
  }

  get entries(): readonly DirEntry[] {
    return this.#entries ??= this.table.records.map((record, index): DirEntry => {
      const { path, mode } = record;
      const file = () => encodeBlobRef(this.hashes.contentOf(index).ref);
      return otherEntry(record) ?? { kind: "file", path, mode, blob: file() };
    });
  }

  get manifest(): Uint8Array {
    return this.#manifest ??= encodeTree(this.table, this.hashes, (entry) => entry);
  }
}

/** The entry of what is no file. */
export function otherEntry({ kind, path, mode, target }: WalkRecord): DirEntry | undefined {
  if (kind === "dir") return { kind, path, mode };
  return kind === "symlink" ? { kind, path, target } : undefined;
}
