/**
 * Remembers what a fetch made, or found to be there already, so that the next one need not read it (`content.md` 6).
 *
 * @module
 */

import { lstatSync } from "../runtime/files.ts";
import { hostPlatform } from "../runtime/host.ts";
import { type BlobRef, CHUNK_SIZE, encodeBlobRef } from "../wire/blob_ref.ts";
import { equalBytes, toHex } from "../wire/bytes.ts";
import type { Destination } from "./destination.ts";
import type { FetchDirOptions } from "./fetch_options.ts";
import { type FileFacts, FileLooks } from "./file_looks.ts";
import type { FileSystemFacts } from "./staging.ts";
import type { KnownTree } from "./known_tree.ts";
import type { LocalTree } from "./local_tree.ts";
import { comparePaths, sortByPath } from "./path_rules.ts";
import type { ManifestPlan } from "./plan.ts";
import { RecordTable } from "./record_table.ts";
import type { TreeCache } from "./tree_cache.ts";
import { type FetchedAddress, type TreeMemory, TRUST } from "./tree_cache_format.ts";
import { TreeHashes } from "./tree_hashes.ts";
import { isSettled } from "./tree_match.ts";
import type { WalkRecord } from "./walk.ts";

/** What clocks of file systems with fine time stamps may be coarse, milliseconds, and of others. */
const FINE_TICK_MS = 20;
const COARSE_TICK_MS = 2000;
const DIRECTORY = 0o040000;

/** A directory as a fetch came to know it. */
export interface FetchedDirectory {
  /** Its reference. */
  readonly ref: BlobRef;
  /** Size of its manifest, bytes. */
  readonly manifestBytes: number;
}

/** The options that decide what a fetch makes of a manifest, or whether it refuses it, as text. */
export function fetchOptionsText(options: FetchDirOptions): string {
  const { symlinks = "inside", specialModes = false } = options;
  const limits = [options.maxEntries, options.maxManifestBytes, options.maxDepth, options.maxBytes];
  return JSON.stringify([symlinks, specialModes, ...limits.map((limit) => limit ?? null)]);
}

/** What is to be remembered of one fetch. */
export class FetchMemory {
  /** Where it is remembered. */
  readonly cache: TreeCache;
  readonly #destination: Destination;
  readonly #options: FetchDirOptions;
  /** A moment before anything was listed. */
  readonly #since = Date.now();
  #looks = new FileLooks(0);
  #prepared: TreeMemory | undefined;

  /** @param cache where it is remembered. @param destination of the fetch. @param options of the fetch. */
  constructor(cache: TreeCache, destination: Destination, options: FetchDirOptions) {
    this.cache = cache;
    this.#destination = destination;
    this.#options = options;
  }

  /** Gets ready for a new tree of so many files. */
  expect(files: number): void {
    this.#looks = new FileLooks(files);
  }

  /** Notes how a file of the new tree looks, now that it is complete. @param isLinked whether it is one of the old tree. */
  note(file: number, look: FileFacts, isLinked: boolean): void {
    this.#looks.set(file, look, isLinked);
  }

  /** Remembers an old tree that was found to be what the plan wants. */
  keep(plan: ManifestPlan, old: LocalTree, from: FetchedDirectory): void {
    const { table, known } = old;
    const files = new Map(plan.files.map(({ path }, file) => [path, file]));
    const hashes = new PlannedHashes(plan, table);
    for (let entry = 0; entry < table.length; entry++) {
      if (!table.isFile(entry)) continue;
      this.#takeOld(hashes, entry, files.get(table.paths[entry])!, old, entry, TRUST.sameCtime);
    }
    const scanned = known?.isUnchanged ? known.memory.scanned : undefined;
    this.#save({ table, ...hashes.taken, scanned, fetched: this.#address(plan, from) });
  }

  /** Remembers that nothing changed, with what the tree looks like now. */
  refresh(known: KnownTree): void {
    const { table, memory, hasRead } = known;
    const trust = new Uint8Array(table.length);
    for (let entry = 0; entry < trust.length; entry++) {
      if (!table.isFile(entry)) continue;
      const isTrusted = !hasRead || !known.wasRead(entry) ||
        isSettled(table.records[entry], this.#since);
      trust[entry] = (isTrusted ? TRUST.sameCtime : TRUST.none) | (memory.trust[entry] & TRUST.chunksOnly);
    }
    if (hasRead || !equalBytes(trust, memory.trust)) this.#save({ ...memory, table, trust });
  }

  /**
   * Gets ready to remember the new tree, which is in place by now.
   *
   * @param installedAt a moment before it was put there.
   */
  prepare(
    plan: ManifestPlan,
    facts: FileSystemFacts,
    old: LocalTree | undefined,
    installedAt: number,
    from: FetchedDirectory,
  ): void {
    const looks = this.#looks;
    if (!looks.isComplete) return;
    const files = plan.files.map(({ path, mode }, file) => looks.recordOf(file, path, mode));
    const records = sortByPath([...dirRecords(plan, facts), ...files, ...linkRecords(plan)]);
    const table = RecordTable.of(records);
    const hashes = new PlannedHashes(plan, table);
    const numberOf = numbering(files);
    const oldEntryOf = old && finder(old.table.paths);
    for (const [entry, record] of records.entries()) {
      if (record.kind !== "file") continue;
      const file = numberOf(record);
      const before = looks.isLinked(file) ? oldEntryOf?.(record.path) : undefined;
      if (before !== undefined) this.#takeOld(hashes, entry, file, old!, before, TRUST.ctimeUntil);
      else hashes.take(entry, file, isPast(record, installedAt) ? TRUST.ctimeUntil : TRUST.none);
    }
    this.#prepared = { table, ...hashes.taken, fetched: this.#address(plan, from) };
  }

  /** Remembers the tree that it is prepared for, now that the old one is removed. */
  install(): void {
    if (this.#prepared === undefined) return;
    const parent = lstatSync(this.#destination.parent, { throwIfNoEntry: false });
    if (parent === undefined) return;
    // By the clock of the file system. Removing the staging folder was the last that was done to it.
    this.#prepared.table.setCtimes(parent.mtimeMs);
    this.#save(this.#prepared);
  }

  /** Takes the hashes of a file that was here before, and was found to be as planned. @param before its entry then. */
  #takeOld(
    hashes: PlannedHashes,
    entry: number,
    file: number,
    { table, known }: LocalTree,
    before: number,
    trust: number,
  ): void {
    const row = known?.rowOf(before) ?? -1;
    const isTrusted = row >= 0 && !known!.wasRead(before) || isSettled(table.records[before], this.#since);
    if (row < 0) hashes.take(entry, file, isTrusted ? trust : TRUST.none);
    else hashes.takeKnown(entry, known!.memory, row, isTrusted ? trust : TRUST.none);
  }

  #address(plan: ManifestPlan, { ref, manifestBytes }: FetchedDirectory): FetchedAddress | undefined {
    // Which links were left out is part of a fetch's result, and not remembered.
    if (plan.skippedLinks.length > 0) return undefined;
    return { ref: toHex(encodeBlobRef(ref)), manifestBytes, options: fetchOptionsText(this.#options) };
  }

  #save(tree: Parameters<TreeCache["save"]>[1]): void {
    this.cache.save({ root: this.#destination.path }, tree);
  }
}

/** Whether a file whose content came with its mtime would have another one if it changed after `moment`. */
function isPast({ mtimeMs }: WalkRecord, moment: number): boolean {
  const tick = mtimeMs % 1000 === 0 ? COARSE_TICK_MS : FINE_TICK_MS;
  return mtimeMs < moment - tick;
}

/** The number of each of `items`, which is quickest told when they are asked for in order. */
function numbering<T>(items: readonly T[]): (item: T) => number {
  let next = 0;
  let numbers: Map<T, number> | undefined;
  return (item) => {
    if (item === items[next]) return next++;
    numbers ??= new Map(items.map((item, number) => [item, number]));
    return numbers.get(item)!;
  };
}

/** The number of a path among `paths`, if it is there; both they and what is asked for are sorted by their UTF-8 bytes. */
function finder(paths: readonly string[]): (path: string) => number | undefined {
  let next = 0;
  return (path) => {
    while (next < paths.length && paths[next] !== path && comparePaths(paths[next], path) < 0) next++;
    return paths[next] === path ? next : undefined;
  };
}

/** Hashes of a tree that a plan describes, and what of them can be relied upon. */
class PlannedHashes {
  readonly taken: { readonly hashes: TreeHashes; readonly trust: Uint8Array };

  /** @param table the tree's entries, sorted. */
  constructor(readonly plan: ManifestPlan, table: RecordTable) {
    this.taken = { hashes: new TreeHashes(table), trust: new Uint8Array(table.length) };
  }

  /** Takes a file's hashes from the plan, unless its chunks are not those that a scan would make of it. */
  take(entry: number, file: number, trust: number): void {
    const { files, chunks } = this.plan;
    const { size, firstChunk, chunkCount } = files[file];
    if (chunkCount !== Math.ceil(size / CHUNK_SIZE)) return;
    for (let i = 0; i < chunkCount; i++) this.taken.hashes.set(entry, i, chunks.hashOf(firstChunk + i));
    this.taken.trust[entry] = trust | (chunkCount > 1 ? TRUST.chunksOnly : 0);
  }

  /** Takes them from what is remembered, where that of the whole file may be. */
  takeKnown(entry: number, memory: TreeMemory, row: number, trust: number): void {
    this.taken.hashes.copy(entry, memory.hashes, row);
    this.taken.trust[entry] = trust | (memory.trust[row] & TRUST.chunksOnly);
  }
}

const hasModes = (): boolean => hostPlatform() !== "windows";

function dirRecords({ dirs }: ManifestPlan, { dirMode }: FileSystemFacts): WalkRecord[] {
  const nothing = { size: 0, mtimeMs: 0, ctimeMs: 0, ino: 0, dev: 0, target: "" };
  return dirs.map(({ path, mode = dirMode }) => {
    return { path, kind: "dir", mode: hasModes() ? DIRECTORY | mode : 0, ...nothing };
  });
}

function linkRecords({ links }: ManifestPlan): WalkRecord[] {
  const nothing = { mode: 0, size: 0, mtimeMs: 0, ctimeMs: 0, ino: 0, dev: 0 };
  return links.map(({ path, target }) => ({ path, kind: "symlink", target, ...nothing }));
}
