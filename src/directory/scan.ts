/**
 * Reads a directory and says what its manifest is (`formats.md` 5.1): same names, modes, contents and link targets give the
 * same manifest bytes, here and in every program that follows the format.
 *
 * @module
 */

import type { FileIdentity } from "../blob/folder_store.ts";
import { FileSystemError } from "../errors.ts";
import { fileError } from "../runtime/file_errors.ts";
import { realpathSync, type Stats, statSync } from "../runtime/files.ts";
import { basename, dirname, resolve } from "../runtime/path.ts";
import { type BlobRef, CHUNK_SIZE, type ChunkRef, encodeBlobRef } from "../wire/blob_ref.ts";
import { toHex } from "../wire/bytes.ts";
import { type DirEntry, encodeDirManifest } from "../wire/dir_manifest.ts";
import { requireRead } from "./access.ts";
import { type ChunkSink, ContentHasher, type HashedContent } from "./content_hasher.ts";
import { type FilePiece, FileReader } from "./file_reader.ts";
import { type HashedTree, hashTree, recallTree } from "./hash_tree.ts";
import { HashedResult, otherEntry } from "./hashed_result.ts";
import type { ManifestLimits } from "./limits.ts";
import { WorkPacer, type WorkTakers } from "./pacer.ts";
import { baseKey } from "./packed_changes.ts";
import { PathFilter, type PathPatterns } from "./path_filter.ts";
import { RecordTable } from "./record_table.ts";
import { ScanReport } from "./scan_report.ts";
import { TreeCache, type TreeName } from "./tree_cache.ts";
import type { TreeMemory } from "./tree_cache_format.ts";
import { changesOf } from "./tree_changes.ts";
import type { TreeHashes } from "./tree_hashes.ts";
import { encodeTree } from "./tree_manifest.ts";
import { type SkippedEntry, type WalkRecord, walkTree } from "./walk.ts";

/** How far the reading of a directory is. The object is reused: copy what you keep. */
export interface ScanProgress {
  /** Files read. */
  readonly files: number;
  /** Their bytes. */
  readonly bytes: number;
  /** Files to read in all. */
  readonly totalFiles: number;
  /** Bytes to read in all. */
  readonly totalBytes: number;
}

/** Options of {@linkcode scanDir}, `storeDir` and `shareFolder`. */
export interface ScanOptions extends PathPatterns, ManifestLimits {
  /** Ends the work with the signal's reason, within some milliseconds or one chunk. */
  readonly signal?: AbortSignal;
  /** Called after every file and every chunk of a large one; throwing ends the work. Must be quick. */
  readonly onProgress?: (progress: ScanProgress) => void;
  /**
   * Refuses trees that hold what a manifest cannot (devices, sockets, FIFOs, names and link targets that are no
   * UTF-8) with `UnsupportedError`, instead of leaving it out and saying so in the stats.
   * @default false
   */
  readonly strict?: boolean;
  /**
   * A folder in which trees are remembered: files that did not change since they were hashed last are not read again,
   * and of a tree in which nothing changed nothing is (`content.md` 6). Made when it is not there; not used where it
   * must not be read and written. `storeDir` reads all files and does not use it.
   * @default none
   */
  readonly cache?: string;
  /** Reads and hashes all files, and remembers that, whatever `cache` remembers of them. @default false */
  readonly verify?: boolean;
}

/** What was read. */
export interface ScanStats {
  /** Regular files. */
  readonly files: number;
  /** Directories, the root not counted. */
  readonly dirs: number;
  /** Symbolic links. */
  readonly symlinks: number;
  /** Sum of the files' sizes, bytes. */
  readonly bytes: number;
  /** Size of the manifest, bytes. */
  readonly manifestBytes: number;
  /** What was left out because a manifest cannot hold it. */
  readonly skipped: readonly SkippedEntry[];
}

/** A directory's manifest. */
export interface ScanResult {
  /** Reference of the manifest: the directory's address. */
  readonly ref: BlobRef;
  /** The encoded manifest. */
  readonly manifest: Uint8Array;
  /** Its entries, sorted by the UTF-8 bytes of their paths. */
  readonly entries: readonly DirEntry[];
  /** What was read. */
  readonly stats: ScanStats;
}

/** Receives what a scan finds. */
export interface ScanSink {
  /** Keeps a chunk of a file; see {@linkcode ChunkSink}. Without it chunks are hashed only. */
  readonly chunk?: ChunkSink;
  /** Keeps a chunk of the manifest. @default `chunk` */
  readonly manifestChunk?: ChunkSink;
  /**
   * Is told of every file after its last chunk: its path below the root, how it looked when it was read and, valid
   * during the call, its bytes where it has one chunk only and they are at hand.
   */
  readonly file?: (
    path: string,
    identity: FileIdentity,
    chunks: readonly ChunkRef[],
    bytes?: Uint8Array,
  ) => void;
  /**
   * Is given what tells of files that did not have to be read, and of a manifest that did not have to be made: to be
   * called when that is needed. @default it is called at once
   */
  readonly later?: (tell: () => void) => void;
  /** Keeps a chunk of a manifest whose hash is known. */
  readonly knownChunk?: (hash: Uint8Array, bytes: Uint8Array) => void;
  /**
   * Is told of a chunk of a file of several, and where it begins, as soon as that is hashed; `file` comes all the same.
   */
  readonly part?: (path: string, identity: FileIdentity, chunk: ChunkRef, offset: number) => void;
  /** Is told of everything that was found, before any of it is read; not where it is read by one thread in one go. */
  readonly listed?: (table: RecordTable) => void;
  /** Is told that the first `count` hashes of the tree are known; `file`, `part` or `later` were called before. */
  readonly known?: (hashes: TreeHashes, count: number) => void;
  /**
   * Is told, before the reference, how the tree differs from the one that is remembered: what that one is known by (see
   * `baseKey`), and the encoded changes.
   */
  readonly changed?: (base: Uint8Array, changes: Uint8Array) => void;
  /** Is told the reference when it is known before all is done. */
  readonly finished?: (ref: BlobRef) => void;
  /** Whether what is found is in demand already, and this thread has that to do, too. @default never */
  readonly isFollowed?: () => boolean;
  /** Lets those whose demand it is catch up when the reading is far ahead of them. @default see `WorkTakers` */
  readonly catchUp?: WorkTakers["catchUp"];
}

/**
 * Reads the directory `root` (a link to a directory will do) and returns its manifest and reference. Nothing is
 * stored. Needs permission to read `root`.
 *
 * Throws `SourceChangedError` when a file changes while it is read, `UnsupportedError` with `strict`,
 * `LimitExceededError` above a limit, `FileSystemError` when something cannot be read, `PermissionDeniedError`.
 *
 * @example
 * ```ts
 * import { scanDir } from "@hawser/mesh/directory";
 *
 * const { ref, stats } = await scanDir(".", { include: ["src"], exclude: ["**" + "/*.log"] });
 * console.log(ref.uri, stats.files, stats.bytes);
 * ```
 */
export async function scanDir(root: string, options: ScanOptions = {}): Promise<ScanResult> {
  const action = "Scan directory";
  return await scanInto(action, { base: openRoot(action, root) }, options, {});
}

/** What to scan: a directory, or of a directory one name only. Paths are absolute, links resolved. */
export interface ScanTarget {
  /** The directory. */
  readonly base: string;
  /** The only name in it that counts. */
  readonly only?: string;
}

/** Pauses that let followers take what they were told, and tell that they did: less than a millisecond. */
const TURNS_TO_TELL = 10;

/** Reads a directory and gives its chunks, its files and the chunks of its manifest to `sink`. */
export async function scanInto(
  action: string,
  { base, only }: ScanTarget,
  options: ScanOptions,
  sink: ScanSink,
): Promise<ScanResult> {
  const pacer = new WorkPacer(options.signal, { areWaiting: sink.isFollowed, catchUp: sink.catchUp });
  const filter = await PathFilter.create(options);
  const cache = sink.chunk === undefined ? TreeCache.open(options.cache) : undefined;
  const { include, exclude } = options;
  const name: TreeName = { root: base, only, include, exclude };
  const since = Date.now();
  const memory = cache?.load(name);
  const walked = await walkTree(base, {
    action,
    pacer,
    only,
    filter,
    strict: options.strict,
    maxEntries: options.maxEntries,
    maxDepth: options.maxDepth,
    expected: memory?.table,
  });
  const table = include === undefined ? walked.table : RecordTable.of(filter.select(walked.table.records));
  const report = new ScanReport(action, table, options, sink);
  const address = options.verify ? undefined : memory?.scanned;
  const recalled = address && recallTree(table, memory!);
  let result: ScanResult;
  let tree: HashedTree;
  if (recalled !== undefined) {
    // Nothing is read, and nothing made ready for that.
    sink.listed?.(table);
    result = await report.recall(recalled, address!, walked.skipped, pacer);
    tree = recalled;
  } else {
    const scan = new Scan(report, base, await ContentHasher.create());
    if (sink.chunk !== undefined || scan.hasher.blake3.pieces === undefined) {
      return await scan.finish(await scan.storedEntries(pacer), walked.skipped);
    }
    sink.listed?.(table);
    tree = await scan.hash(pacer, since, memory);
    if (!tree.isRemembered && memory?.scanned !== undefined && sink.changed !== undefined) {
      const changes = changesOf(table, tree, memory);
      if (changes !== undefined) sink.changed(baseKey(scan.hasher.blake3, memory.scanned), changes);
      // Whoever has that one makes the manifest of it while it is made here, if all of it has left by then: that takes
      // some round trips where little was sent before.
      for (let turn = 0; turn < TURNS_TO_TELL; turn++) await pacer.pause();
    }
    result = tree.isRemembered && memory?.scanned !== undefined
      ? report.finishRemembered(memory.scanned, tree.hashes, walked.skipped)
      : await scan.finishHashed(tree.hashes, walked.skipped);
  }
  if (cache !== undefined && (tree.isNews || memory?.scanned === undefined)) {
    // Nobody who waits for the reference need wait for this.
    sink.finished?.(result.ref);
    await pacer.pause();
    const scanned = { ref: toHex(encodeBlobRef(result.ref)), manifestBytes: result.stats.manifestBytes };
    const fetched = tree.isRemembered ? memory?.fetched : undefined;
    cache.save(name, { ...tree, table, scanned, fetched });
  }
  return result;
}

/** A directory, or a file as a directory that holds nothing else. */
export function openDirectoryOrFile(action: string, path: string): ScanTarget {
  const absolute = resolve(path);
  requireRead(action, absolute);
  const found = resolveExisting(action, absolute);
  if (found.stat.isDirectory()) return { base: found.path };
  if (found.stat.isFile()) return { base: dirname(found.path), only: basename(found.path) };
  throw new FileSystemError(`${action}: "${path}" is neither a file nor a directory`, absolute);
}

/** The absolute path of a directory to read, links resolved. */
export function openRoot(action: string, root: string): string {
  const absolute = resolve(root);
  requireRead(action, absolute);
  const { path, stat } = resolveExisting(action, absolute);
  if (!stat.isDirectory()) {
    throw new FileSystemError(`${action}: "${root}" is not a directory`, absolute, "ENOTDIR");
  }
  return path;
}

/** Follows links to what is there. Asks again for permission where a link led elsewhere. */
export function resolveExisting(action: string, absolute: string): { path: string; stat: Stats } {
  try {
    const path = realpathSync(absolute);
    if (path !== absolute) requireRead(action, path);
    return { path, stat: statSync(path) };
  } catch (error) {
    throw fileError(error, action, absolute);
  }
}

/** Small files given to a store at once; so many bytes of them as one chunk has are enough, too. */
const MAX_WAITING = 512;

class Scan {
  readonly chunkSink: ChunkSink;
  readonly #reader: FileReader;

  constructor(readonly report: ScanReport, readonly base: string, readonly hasher: ContentHasher) {
    this.#reader = new FileReader(report.action);
    this.chunkSink = report.sink.chunk ?? ((bytes) => hasher.blake3.hash(bytes));
  }

  /** Finds out what all files hold, for chunks that nobody takes: they are hashed wherever there is time. */
  async hash(pacer: WorkPacer, since: number, memory: TreeMemory | undefined): Promise<HashedTree> {
    const { base, report } = this;
    const { action, table, sink, options } = report;
    return await hashTree(table, {
      action,
      root: base,
      blake3: this.hasher.blake3,
      pacer,
      memory,
      verify: options.verify ?? false,
      since,
      isBusy: sink.isFollowed,
      onKnown: (hashes, known) => report.tellKnown(hashes, known),
      onPiece: (entry, identity, chunk, offset) => {
        sink.part?.(table.paths[entry], identity, chunk, offset);
        this.report.countPiece(chunk.size);
      },
      onFile: (entry, identity, hashes, bytes) => {
        this.#tellFile(table.records[entry], identity, hashes.chunksOf(entry), bytes);
      },
      onHashes: (hashes, count) => sink.known?.(hashes, count),
    });
  }

  /** Makes the manifest of all entries. */
  async finish(entries: readonly DirEntry[], skipped: readonly SkippedEntry[]): Promise<ScanResult> {
    const manifest = encodeDirManifest(entries);
    const ref = await this.#refOf(manifest);
    return { ref, manifest, entries, stats: this.report.stats(manifest.length, skipped) };
  }

  /** The same of a tree of which all hashes are known. */
  async finishHashed(hashes: TreeHashes, skipped: readonly SkippedEntry[]): Promise<ScanResult> {
    const { table } = this.report;
    const manifest = encodeTree(table, hashes, (entry) => entry);
    const stats = this.report.stats(manifest.length, skipped);
    return new HashedResult(await this.#refOf(manifest), table, hashes, stats, manifest);
  }

  async #refOf(manifest: Uint8Array): Promise<BlobRef> {
    this.report.checkManifestSize(manifest.length);
    return (await this.hasher.hashBytes(manifest, this.report.sink.manifestChunk ?? this.chunkSink)).ref;
  }

  /** Reads everything and gives it to the sink; the entries in the order of the records. */
  async storedEntries(pacer: WorkPacer): Promise<DirEntry[]> {
    const entries: (DirEntry | Promise<DirEntry>)[] = [];
    /** Small files that a store is still at work on: one that syncs to a disk does many for the price of one. */
    let waiting: Promise<DirEntry>[] = [];
    let waitingBytes = 0;
    for (const record of this.report.table.records) {
      const entry = this.#entry(record, pacer);
      entries.push(entry);
      if (entry instanceof Promise) {
        // It is awaited below in any case; until then its failure is no stray one.
        entry.catch(() => {});
        waiting.push(entry);
        waitingBytes += record.size;
        if (waitingBytes >= CHUNK_SIZE || waiting.length >= MAX_WAITING) {
          await Promise.all(waiting);
          waiting = [];
          waitingBytes = 0;
        }
      }
      if (pacer.due) await pacer.pause();
    }
    return await Promise.all(entries);
  }

  #entry(record: WalkRecord, pacer: WorkPacer): DirEntry | Promise<DirEntry> {
    const other = otherEntry(record);
    if (other !== undefined) return other;
    const content = this.#hash(record, pacer);
    // Who takes files hashes them at once, so the one read last is this one.
    return content instanceof Promise
      ? content.then((content) => this.#fileEntry(record, content, this.#reader.lastStat!))
      : this.#fileEntry(record, content, this.#reader.lastStat!);
  }

  #fileEntry(record: WalkRecord, { ref, chunks }: HashedContent, identity: FileIdentity): DirEntry {
    this.#tellFile(record, identity, chunks);
    const { path, mode } = record;
    return { kind: "file", path, mode, blob: encodeBlobRef(ref) };
  }

  #tellFile(
    record: WalkRecord,
    identity: FileIdentity,
    chunks: readonly ChunkRef[],
    bytes?: Uint8Array,
  ): void {
    const { path, size } = record;
    const { sink, options, progress } = this.report;
    sink.file?.(path, identity, chunks, bytes);
    // The pieces of a larger one were counted as they came.
    this.report.countFile(size <= CHUNK_SIZE ? size : 0);
    options.onProgress?.(progress);
  }

  #hash(record: WalkRecord, pacer: WorkPacer): HashedContent | Promise<HashedContent> {
    const pieces = this.#reader.chunks(`${this.base}/${record.path}`, record);
    const counted = record.size <= CHUNK_SIZE ? pieces : this.#counted(pieces);
    return this.hasher.hash(record.size, counted, this.chunkSink, pacer);
  }

  /** Tells of every piece of a large file once it was taken: such a file can take minutes. */
  *#counted(pieces: Iterable<FilePiece>): Generator<FilePiece> {
    for (const piece of pieces) {
      yield piece;
      this.report.countPiece(piece.bytes.length);
    }
  }
}
