/**
 * A blob store that serves the files of a folder in place.
 *
 * @module
 */

import { SourceChangedError, UnsupportedError } from "../errors.ts";
import { loadBlake3 } from "../crypto/blake3.ts";
import { errorCode, fileError } from "../runtime/file_errors.ts";
import { closeSync, constants, fstatSync, openSync, readSync } from "../runtime/files.ts";
import { join } from "../runtime/path.ts";
import { blobKey } from "./blob_key.ts";
import type { ContentChunk } from "./chunking.ts";
import { type FileIdentity, FolderIndex } from "./folder_store_index.ts";
import { OpenFiles } from "./open_files.ts";
import { RecentBytes } from "./recent_bytes.ts";
import type { GcResult } from "./store.ts";
import { hashForPut, SyncBlobStore } from "./sync_store.ts";

export type { FileIdentity };

/** Large files kept open between reads of their parts. */
const MAX_OPEN_FILES = 16;
/** Larger files are not kept: reading them takes longer than opening them. */
const MAX_KEPT_FILE = 64 * 1024;

/** Errors of opening that say: this is not the file that was hashed. */
const GONE: Readonly<Record<string, string>> = {
  ENOENT: "it is gone",
  ENOTDIR: "it is gone",
  ELOOP: "it is a symbolic link",
  EMLINK: "it is a symbolic link",
  EISDIR: "it is a directory",
  ENXIO: "it is not a regular file",
};

/** Options of {@linkcode FolderBlobStore}. */
export interface FolderBlobStoreOptions {
  /**
   * Bytes of small files that are kept in memory until they were asked for, or until
   * {@linkcode FolderBlobStore.forgetBytes}: who asks for files in the order in which they are added, soon after they
   * were, gets them without their being opened again.
   * @default 0
   */
  readonly recentBytes?: number;
}

/**
 * Serves files where they are; nothing is copied. Which blob is where is told with {@linkcode FolderBlobStore.addFile}
 * by whoever hashed the files. A file that is no longer what was hashed is noticed by its size, times and identity,
 * after every read, and reading it throws `SourceChangedError`. What changes the store, but for the
 * `add` methods, throws `UnsupportedError`.
 *
 * The system's clocks are coarse: a change within some milliseconds of the hashing that keeps the size goes unnoticed
 * by that, though not by `get`, nor by the receiver of a transfer, which verify the hash.
 */
export class FolderBlobStore extends SyncBlobStore {
  /** As {@linkcode SyncBlobStore.label}. */
  protected override readonly label: string;
  readonly #root: string;
  readonly #index = new FolderIndex();
  readonly #memory = new Map<string, Uint8Array>();
  readonly #open: OpenFiles<number>;
  #recent: RecentBytes | undefined;
  /** What is yet to be told. */
  #later: (() => void)[] = [];

  /**
   * A store without blobs.
   *
   * @param root The folder; nothing outside of it is opened unless a path says so.
   */
  constructor(root: string, { recentBytes = 0 }: FolderBlobStoreOptions = {}) {
    super();
    this.#root = root;
    if (recentBytes >= MAX_KEPT_FILE) this.#recent = new RecentBytes(recentBytes);
    this.label = `folder "${root}"`;
    this.#open = new OpenFiles(MAX_OPEN_FILES, (file) => this.#openFile(file), closeSync);
  }

  /**
   * Tells what a file consists of; when it is the same file as in the call before, what more of it is known. Of several
   * places of one blob the first counts.
   *
   * @param path The file, relative to the root.
   * @param identity What `fstat` said of the open file when it was hashed, by this library's file functions.
   * @param chunks Its chunks and where they lie.
   * @param bytes Its content as it was hashed, where that is at hand: see {@linkcode FolderBlobStoreOptions}.
   */
  addFile(
    path: string,
    identity: FileIdentity,
    chunks: readonly ContentChunk[],
    bytes?: Uint8Array,
  ): void {
    this.assertOpen("Add file");
    const isKept = bytes !== undefined && bytes.length <= MAX_KEPT_FILE && chunks.length === 1;
    this.#index.add(path, identity, chunks, isKept ? this.#recent?.add(bytes) : undefined);
  }

  /**
   * Waits for those who ask for the files added last while hardly any more of their bytes could be kept: so that they are
   * not opened again. See `RecentBytes.waitForRoom`.
   */
  waitForRoom(limit: number, signal?: AbortSignal): Promise<boolean> | undefined {
    return this.#recent?.waitForRoom(limit, signal);
  }

  /** Lets go of the bytes that were kept, and keeps no more. */
  forgetBytes(): void {
    this.#recent = undefined;
  }

  /** Keeps `bytes` in memory as a blob: for what belongs to the folder and is no file, as its manifest. */
  async addBytes(bytes: Uint8Array): Promise<Uint8Array> {
    this.assertOpen("Add bytes");
    const hash = hashForPut(await loadBlake3(), bytes, undefined);
    this.#memory.set(blobKey(hash), bytes.slice());
    return hash;
  }

  /** As {@linkcode FolderBlobStore.addBytes}, of bytes whose BLAKE3 is known to be `hash`. They are not copied. */
  addHashed(hash: Uint8Array, bytes: Uint8Array): void {
    this.assertOpen("Add bytes");
    this.#memory.set(blobKey(hash), bytes);
  }

  /** Has `add`, which tells of files and bytes, called before somebody asks for a blob: perhaps nobody does. */
  addLater(add: () => void): void {
    this.assertOpen("Add files");
    this.#later.push(add);
  }

  /** Throws `UnsupportedError`. */
  override put(): Promise<Uint8Array> {
    return this.#refuse("Put blob");
  }

  /** Throws `UnsupportedError`. */
  override putStream(): Promise<Uint8Array> {
    return this.#refuse("Put blob");
  }

  /** Throws `UnsupportedError`. */
  override delete(): Promise<boolean> {
    return this.#refuse("Delete blob");
  }

  /** Throws `UnsupportedError`. */
  override pin(): Promise<void> {
    return this.#refuse("Pin blob");
  }

  /** Throws `UnsupportedError`. */
  override unpin(): Promise<void> {
    return this.#refuse("Unpin blob");
  }

  /** Throws `UnsupportedError`. */
  override gc(): Promise<GcResult> {
    return this.#refuse("Collect garbage");
  }

  /** As {@linkcode BlobStore.close}. */
  override async close(): Promise<void> {
    await super.close();
    this.#open.closeAll();
    this.#memory.clear();
    this.forgetBytes();
    this.#later = [];
  }

  // deno-lint-ignore require-await -- async so that it rejects instead of throwing
  async #refuse(action: string): Promise<never> {
    this.assertOpen(action);
    throw new UnsupportedError(`${action}: ${this.label} is read-only`);
  }

  /** As {@linkcode SyncBlobStore.sizeOf}. */
  protected override sizeOf(key: string): number | undefined {
    this.#addNow();
    return this.#memory.get(key)?.length ?? this.#index.find(key)?.size;
  }

  /** As {@linkcode SyncBlobStore.read}. */
  protected override read(
    key: string,
    offset: number,
    length: number,
    into: Uint8Array = new Uint8Array(length),
  ): Uint8Array {
    this.#addNow();
    const bytes = this.#memory.get(key);
    if (bytes !== undefined) {
      into.set(bytes.subarray(offset, offset + length));
      return into;
    }
    const chunk = this.#index.find(key)!;
    // What was hashed: whatever the file is by now, these are the bytes that were asked for.
    const kept = chunk.kept < 0 ? undefined : this.#recent?.get(chunk.kept, chunk.size);
    if (kept !== undefined) {
      into.set(kept.subarray(offset, offset + length));
      return into;
    }
    // A file that is read in one go is closed at once; one of many parts stays open for the next.
    const isWhole = length === this.#index.identity(chunk.file).size;
    const fd = isWhole ? this.#openFile(chunk.file) : this.#open.get(chunk.file);
    try {
      return this.#readFile(fd, chunk.file, chunk.offset + offset, into);
    } catch (error) {
      if (!isWhole) this.#open.drop(chunk.file);
      throw error;
    } finally {
      if (isWhole) closeSync(fd);
    }
  }

  /** As {@linkcode SyncBlobStore.keys}. */
  protected override *keys(): Iterable<string> {
    this.#addNow();
    yield* [...this.#memory.keys()];
    for (const key of this.#index.keys()) if (!this.#memory.has(key)) yield key;
  }

  /** As {@linkcode SyncBlobStore.isPinned}. */
  protected override isPinned(): boolean {
    return false;
  }

  #addNow(): void {
    if (this.#later.length === 0) return;
    for (const add of this.#later.splice(0)) add();
  }

  #readFile(fd: number, file: number, position: number, bytes: Uint8Array): Uint8Array {
    const path = this.#path(file);
    try {
      let done = 0;
      while (done < bytes.length) {
        const count = readSync(fd, bytes, done, bytes.length - done, position + done);
        if (count === 0) throw new SourceChangedError(path, `it ends at ${position + done}`);
        done += count;
      }
      // Not before the read as well: what changed until now has other times now.
      this.#check(fd, file);
    } catch (error) {
      throw fileError(error, "Read", path, this.#root);
    }
    return bytes;
  }

  /** Throws when the open file is not, or no longer, the one that was hashed. */
  #check(fd: number, file: number): void {
    const now = fstatSync(fd);
    const then = this.#index.identity(file);
    for (const field of ["dev", "ino", "size", "mtimeMs", "ctimeMs"] as const) {
      if (now[field] === then[field]) continue;
      throw new SourceChangedError(this.#path(file), `${field} was ${then[field]}, is ${now[field]}`);
    }
  }

  #openFile(file: number): number {
    const path = this.#path(file);
    try {
      // Never through a symbolic link put in the file's place, never waiting for the writer of a FIFO put there.
      // Windows has neither flag.
      const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
      return openSync(path, flags);
    } catch (error) {
      const gone = GONE[errorCode(error) ?? ""];
      if (gone !== undefined) throw new SourceChangedError(path, gone, { cause: error });
      throw fileError(error, "Open", path, this.#root);
    }
  }

  #path(file: number): string {
    return join(this.#root, this.#index.path(file));
  }
}
