/**
 * Reads a directory and says what its manifest is (`formats.md` 5.1): same names, modes, contents and link targets give the
 * same manifest bytes, here and in every program that follows the format.
 *
 * @module
 */

import type { FileIdentity } from "../blob/folder_store.ts";
import type { Blake3Pieces } from "../crypto/blake3.ts";
import { FileSystemError, LimitExceededError } from "../errors.ts";
import { fileError } from "../runtime/file_errors.ts";
import { realpathSync, type Stats, statSync } from "../runtime/files.ts";
import { basename, dirname, resolve } from "../runtime/path.ts";
import {
  type BlobRef,
  blobUri,
  CHUNK_SIZE,
  type ChunkRef,
  encodeBlobRef,
  manifestRef,
} from "../wire/blob_ref.ts";
import { type DirEntry, encodeDirManifest } from "../wire/dir_manifest.ts";
import { requireRead } from "./access.ts";
import { type ChunkSink, ContentHasher, type HashedContent, oneChunk } from "./content_hasher.ts";
import { type FilePiece, FileReader } from "./file_reader.ts";
import { hashFiles, partsOf } from "./hash_files.ts";
import { DEFAULT_MAX_MANIFEST_BYTES, type ManifestLimits } from "./limits.ts";
import { WorkPacer } from "./pacer.ts";
import { PathFilter, type PathPatterns } from "./path_filter.ts";
import { hashOfPiece, identityOfPiece, partOfPiece } from "./piece_batch.ts";
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

/** Reads a directory and gives its chunks, its files and the chunks of its manifest to `sink`. */
export async function scanInto(
  action: string,
  { base, only }: ScanTarget,
  options: ScanOptions,
  sink: ScanSink,
): Promise<ScanResult> {
  const pacer = new WorkPacer(options.signal);
  const filter = await PathFilter.create(options);
  const walked = await walkTree(base, {
    action,
    pacer,
    only,
    filter,
    strict: options.strict,
    maxEntries: options.maxEntries,
    maxDepth: options.maxDepth,
  });
  const records = filter.select(walked.records);
  const scan = new Scan(action, base, records, options, sink, await ContentHasher.create());
  const entries = await scan.entries(pacer);
  const manifest = encodeDirManifest(entries);
  const limit = options.maxManifestBytes ?? DEFAULT_MAX_MANIFEST_BYTES;
  if (manifest.length > limit) {
    const message = `${action}: the manifest has ${manifest.length} bytes, wanted at most ${limit}`;
    throw new LimitExceededError(message, "maxManifestBytes", manifest.length, limit);
  }
  const { ref } = await scan.hasher.hashBytes(manifest, sink.manifestChunk ?? scan.chunkSink);
  const stats: ScanStats = {
    files: scan.progress.files,
    dirs: records.filter(({ kind }) => kind === "dir").length,
    symlinks: records.filter(({ kind }) => kind === "symlink").length,
    bytes: scan.progress.bytes,
    manifestBytes: manifest.length,
    skipped: walked.skipped,
  };
  return { ref, manifest, entries, stats };
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
  readonly progress = { files: 0, bytes: 0, totalFiles: 0, totalBytes: 0 };
  readonly chunkSink: ChunkSink;
  readonly #reader: FileReader;

  constructor(
    readonly action: string,
    readonly base: string,
    readonly records: readonly WalkRecord[],
    readonly options: ScanOptions,
    readonly sink: ScanSink,
    readonly hasher: ContentHasher,
  ) {
    this.#reader = new FileReader(action);
    this.chunkSink = sink.chunk ?? ((bytes) => hasher.blake3.hash(bytes));
    for (const { kind, size } of records) {
      if (kind !== "file") continue;
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

  /** Reads everything; the entries in the order of the records. */
  async entries(pacer: WorkPacer): Promise<DirEntry[]> {
    const { pieces } = this.hasher.blake3;
    const isHashedOnly = this.sink.chunk === undefined && pieces !== undefined;
    return isHashedOnly ? await this.#hashedEntries(pieces, pacer) : await this.#storedEntries(pacer);
  }

  /** For chunks that nobody takes: they are hashed wherever there is time. */
  async #hashedEntries(pieces: Blake3Pieces, pacer: WorkPacer): Promise<DirEntry[]> {
    const { action, base, records } = this;
    const entries: DirEntry[] = [];
    const addUntil = (end: WalkRecord | undefined) => {
      for (let record = records[entries.length]; record !== end; record = records[entries.length]) {
        entries.push(otherEntry(record)!);
      }
    };
    let chunks: ChunkRef[] = [];
    let parts: Uint8Array[] = [];
    await hashFiles(partsOf(records.filter(({ kind }) => kind === "file")), {
      action,
      root: base,
      blake3: this.hasher.blake3,
      pacer,
      bytes: this.progress.totalBytes,
      onPiece: ({ file, offset }, result, index, bytes) => {
        const hash = hashOfPiece(result, index);
        const size = Math.min(CHUNK_SIZE, file.size - offset);
        if (file.size > CHUNK_SIZE) {
          chunks.push({ hash, size });
          parts.push(partOfPiece(result, index));
          this.#countPiece(size);
          if (offset + size < file.size) return;
        }
        const content = file.size <= CHUNK_SIZE ? oneChunk(hash, size) : {
          ref: manifestRef(blobUri(pieces.join(parts)), { kind: "replicated" }, chunks),
          chunks,
        };
        [chunks, parts] = [[], []];
        addUntil(file);
        entries.push(this.#fileEntry(file, content, identityOfPiece(result, index), bytes));
      },
    });
    addUntil(undefined);
    return entries;
  }

  async #storedEntries(pacer: WorkPacer): Promise<DirEntry[]> {
    const entries: (DirEntry | Promise<DirEntry>)[] = [];
    /** Small files that a store is still at work on: one that syncs to a disk does many for the price of one. */
    let waiting: Promise<DirEntry>[] = [];
    let waitingBytes = 0;
    for (const record of this.records) {
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

  #fileEntry(
    record: WalkRecord,
    { ref, chunks }: HashedContent,
    identity: FileIdentity,
    bytes?: Uint8Array,
  ): DirEntry {
    const { path, size, mode } = record;
    this.sink.file?.(path, identity, chunks, size <= CHUNK_SIZE ? bytes : undefined);
    this.progress.files++;
    if (size <= CHUNK_SIZE) this.progress.bytes += size;
    this.options.onProgress?.(this.progress);
    return { kind: "file", path, mode, blob: encodeBlobRef(ref) };
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
      this.#countPiece(piece.bytes.length);
    }
  }

  #countPiece(bytes: number): void {
    this.progress.bytes += bytes;
    this.options.onProgress?.(this.progress);
  }
}

/** The entry of what is no file. */
function otherEntry({ kind, path, mode, target }: WalkRecord): DirEntry | undefined {
  if (kind === "dir") return { kind, path, mode };
  return kind === "symlink" ? { kind, path, target } : undefined;
}
