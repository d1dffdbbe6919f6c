/**
 * From a manifest to a plan: everything about a manifest that can be wrong is found here, before anything is fetched
 * or written (`formats.md` 5.3 and 5.4).
 *
 * @module
 */

import { MAX_STORED_BLOB } from "../blob/store.ts";
import {
  HawserError,
  LimitExceededError,
  ManifestError,
  type UnsafePathError,
  UnsupportedError,
} from "../errors.ts";
import { type HostPlatform, hostPlatform } from "../runtime/host.ts";
import { type BlobRef, chunksOf, decodeBlobRef } from "../wire/blob_ref.ts";
import { equalBytes, fromHex } from "../wire/bytes.ts";
import type { DirEntry, FileEntry } from "../wire/dir_manifest.ts";
import { ChunkTable } from "./chunk_table.ts";
import type { WorkPacer } from "./pacer.ts";
import { DEFAULT_MAX_DEPTH, DEFAULT_MAX_ENTRIES, type ManifestLimits } from "./limits.ts";
import { checkEntryPath, foldPath, parentOf, sortByPath, unsafe } from "./path_rules.ts";
import { type SymlinkPolicy, symlinkProblem, targetProblem } from "./symlink_rules.ts";

/** BLAKE3 of nothing. */
const EMPTY_HASH = fromHex("af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")!;
/** Entries checked between two looks at the clock. */
const SLICE = 512;
/** Permission bits that a fetch applies unless asked for more. */
const PERMISSION_BITS = 0o777;
/** The same with setuid, setgid and sticky. */
const SPECIAL_BITS = 0o7777;

/** Options of {@linkcode checkManifest}. */
export interface CheckOptions extends ManifestLimits {
  /** What to do with symbolic links. @default "inside" */
  readonly symlinks?: SymlinkPolicy;
  /** Applies setuid, setgid and sticky bits too. @default false */
  readonly specialModes?: boolean;
  /** Whose rules of names hold. @default the platform of this process */
  readonly platform?: HostPlatform;
  /**
   * Whether names that differ only in case or in Unicode normalisation are the same file.
   * @default true on Windows and macOS
   */
  readonly foldNames?: boolean;
}

/** A directory to make. */
export interface PlannedDir {
  /** Path below the destination. */
  readonly path: string;
  /** Permission bits to apply; `undefined` leaves what the system gives. */
  readonly mode: number | undefined;
}

/** A file to make. */
export interface PlannedFile extends PlannedDir {
  /** Size, bytes. */
  readonly size: number;
  /** Number of its first chunk; the others follow. */
  readonly firstChunk: number;
  /** Number of its chunks; none when it is empty. */
  readonly chunkCount: number;
}

/** A symbolic link to make. */
export interface PlannedLink {
  /** Path below the destination. */
  readonly path: string;
  /** The link's text. */
  readonly target: string;
}

/** What a checked manifest asks for. */
export interface ManifestPlan {
  /** All directories, also those that only the paths of other entries imply; parents come first. */
  readonly dirs: readonly PlannedDir[];
  /** Files in manifest order. */
  readonly files: readonly PlannedFile[];
  /** Links in manifest order, unless they are skipped. */
  readonly links: readonly PlannedLink[];
  /** Paths of links that the policy `skip` left out. */
  readonly skippedLinks: readonly string[];
  /** Sum of the sizes of all files, bytes. */
  readonly bytes: number;
  /** Where every chunk belongs. */
  readonly chunks: ChunkTable;
  /** Mode bits that are applied. */
  readonly modeMask: number;
}

/**
 * Checks every entry of a manifest against all rules and returns what is to be made. Touches nothing.
 *
 * Throws `UnsafePathError` on a path or link that must not be written, `ManifestError` when entries contradict each
 * other or a reference cannot be read, `LimitExceededError` above a limit, `UnsupportedError` when content is
 * referenced in a way that this release cannot fetch.
 */
export function checkManifest(entries: readonly DirEntry[], options: CheckOptions = {}): ManifestPlan {
  const steps = check(entries, options);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** As {@linkcode checkManifest}, with turns of the event loop in between: a million entries take seconds. */
export async function checkManifestPaced(
  entries: readonly DirEntry[],
  options: CheckOptions,
  pacer: WorkPacer,
): Promise<ManifestPlan> {
  const steps = check(entries, options);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    if (pacer.due) await pacer.pause();
  }
}

/** Work on many entries, in slices. */
type Steps<T> = Generator<void, T, void>;

/** Passes items on, and lets the driver in between slices of them. */
function* sliced<T>(items: Iterable<T>, visit: (item: T) => void): Steps<void> {
  let count = 0;
  for (const item of items) {
    visit(item);
    if (++count % SLICE === 0) yield;
  }
}

function* check(entries: readonly DirEntry[], options: CheckOptions): Steps<ManifestPlan> {
  const platform = options.platform ?? hostPlatform();
  const maxEntries = options.maxEntries ?? DEFAULT_MAX_ENTRIES;
  if (entries.length > maxEntries) {
    const message = `Check manifest: ${entries.length} entries exceed the limit of ${maxEntries}`;
    throw new LimitExceededError(message, "maxEntries", entries.length, maxEntries);
  }
  const maxDepth = options.maxDepth ?? DEFAULT_MAX_DEPTH;
  yield* sliced(entries, (entry) => checkEntryPath(entry.path, platform, maxDepth));
  const foldNames = options.foldNames ?? platform !== "posix";
  const names = new NameTable(foldNames ? foldPath : (path) => path);
  yield* sliced(entries, (entry) => names.add(entry));
  const implied = yield* names.impliedDirs();
  const links = checkLinks(entries, names, platform, options.symlinks ?? "inside");
  const mask = options.specialModes ? SPECIAL_BITS : PERMISSION_BITS;
  const applied = (mode: number) => mode === 0 ? undefined : mode & mask;
  const dirs: PlannedDir[] = implied.map((path) => ({ path, mode: undefined }));
  for (const entry of entries) {
    if (entry.kind === "dir") dirs.push({ path: entry.path, mode: applied(entry.mode) });
  }
  return {
    dirs: sortByPath(dirs),
    ...yield* checkFiles(entries, applied, options.maxBytes ?? Number.MAX_SAFE_INTEGER),
    ...links,
    modeMask: mask,
  };
}

/** All paths of a manifest by what the file system takes them for. */
class NameTable {
  #kinds = new Map<string, DirEntry>();
  #key: (path: string) => string;

  constructor(key: (path: string) => string) {
    this.#key = key;
  }

  /** Adds an entry. Refuses a path that is there. */
  add(entry: DirEntry): void {
    const key = this.#key(entry.path);
    const known = this.#kinds.get(key);
    if (known === undefined) this.#kinds.set(key, entry);
    else if (known.path === entry.path) throw unsafe(entry.path, "is there twice");
    else throw collision(entry.path, known.path);
  }

  isLink(path: string): boolean {
    return this.#kinds.get(this.#key(path))?.kind === "symlink";
  }

  /** Directories that entries lie in without an entry of their own. Refuses entries below something else. */
  *impliedDirs(): Steps<string[]> {
    const implied: string[] = [];
    /** Keys of directories already looked at, and the spelling that the entries use. */
    const seen = new Map<string, string>();
    yield* sliced(this.#kinds.values(), ({ path }) => {
      for (let dir = parentOf(path); dir !== ""; dir = parentOf(dir)) {
        const key = this.#key(dir);
        const spelling = seen.get(key);
        if (spelling === dir) break;
        if (spelling !== undefined) throw collision(dir, spelling);
        seen.set(key, dir);
        if (!this.#isDirectory(key, dir, path)) implied.push(dir);
      }
    });
    return implied;
  }

  /** Whether `dir`, which the entry `path` lies in, has an entry of its own. Refuses one that is no directory. */
  #isDirectory(key: string, dir: string, path: string): boolean {
    const entry = this.#kinds.get(key);
    if (entry === undefined) return false;
    if (entry.kind !== "dir") {
      const what = entry.kind === "file" ? "file" : "symbolic link";
      throw unsafe(path, `lies below the ${what} ${JSON.stringify(entry.path)}`);
    }
    if (entry.path !== dir) throw collision(dir, entry.path);
    return true;
  }
}

/** The error of two paths that are one on the destination's file system. */
export function collision(path: string, other: string): UnsafePathError {
  return unsafe(
    path,
    `is the same as ${JSON.stringify(other)} on a file system that ignores case or normalisation`,
  );
}

function checkLinks(
  entries: readonly DirEntry[],
  names: NameTable,
  platform: HostPlatform,
  policy: SymlinkPolicy,
): Pick<ManifestPlan, "links" | "skippedLinks"> {
  const links: PlannedLink[] = [];
  const skippedLinks: string[] = [];
  const context = { platform, isLink: (path: string) => names.isLink(path) };
  for (const entry of entries) {
    if (entry.kind !== "symlink") continue;
    if (policy === "skip") {
      skippedLinks.push(entry.path);
      continue;
    }
    const problem = targetProblem(entry.target) ??
      (policy === "inside" ? symlinkProblem(entry.path, entry.target, context) : undefined);
    if (problem !== undefined) throw unsafe(entry.path, problem);
    links.push({ path: entry.path, target: entry.target });
  }
  return { links, skippedLinks };
}

function* checkFiles(
  entries: readonly DirEntry[],
  applied: (mode: number) => number | undefined,
  maxBytes: number,
): Steps<Pick<ManifestPlan, "files" | "bytes" | "chunks">> {
  const files: PlannedFile[] = [];
  const chunks = new ChunkTable();
  let bytes = 0;
  yield* sliced(entries, (entry) => {
    if (entry.kind !== "file") return;
    const ref = contentOf(entry);
    // Compared before it is added: the sum stays an exact integer however many sizes are declared.
    if (ref.size > maxBytes - bytes) {
      const name = JSON.stringify(entry.path);
      const message = `Check manifest: the files up to ${name} declare more than ${maxBytes} bytes`;
      throw new LimitExceededError(message, "maxBytes", bytes + ref.size, maxBytes);
    }
    bytes += ref.size;
    const firstChunk = chunks.count;
    if (ref.size > 0) addChunks(chunks, ref, files.length, entry.path);
    files.push({
      path: entry.path,
      mode: applied(entry.mode),
      size: ref.size,
      firstChunk,
      chunkCount: chunks.count - firstChunk,
    });
  });
  return { files, bytes, chunks };
}

function addChunks(chunks: ChunkTable, ref: BlobRef, file: number, path: string): void {
  for (const [ordinal, chunk] of chunksOf(ref).entries()) {
    if (chunk.size > MAX_STORED_BLOB) {
      const message = `Check manifest: entry ${JSON.stringify(path)} has a chunk of ${chunk.size} bytes, ` +
        `wanted at most ${MAX_STORED_BLOB}`;
      throw new LimitExceededError(message, "chunk size", chunk.size, MAX_STORED_BLOB);
    }
    if (chunks.add(chunk.hash, chunk.size, file, ordinal) === undefined) {
      throw new ManifestError(
        `Check manifest: entry ${
          JSON.stringify(path)
        } declares another size for a chunk than an entry before`,
      );
    }
  }
}

/** The reference of a file's content, of a kind that can be fetched. */
function contentOf(entry: FileEntry): BlobRef {
  const name = JSON.stringify(entry.path);
  let ref: BlobRef | undefined;
  try {
    ref = decodeBlobRef(entry.blob);
  } catch (cause) {
    if (!(cause instanceof HawserError)) throw cause;
    throw new ManifestError(`Check manifest: entry ${name} has a malformed blob reference`, { cause });
  }
  if (ref === undefined) throw new ManifestError(`Check manifest: entry ${name} has no blob reference`);
  if (ref.kind === "tree" || (ref.kind === "manifest" && ref.encoding.kind !== "replicated")) {
    const what = ref.kind === "tree" ? "a tree reference" : "erasure coding";
    throw new UnsupportedError(`Check manifest: entry ${name} uses ${what}, which this release cannot fetch`);
  }
  if (ref.kind === "small" && ref.size === 0 && !equalBytes(ref.hash, EMPTY_HASH)) {
    throw new ManifestError(`Check manifest: entry ${name} declares size 0 for content that is not empty`);
  }
  return ref;
}
