/**
 * The embedded blob store: a folder of append-only packs.
 *
 * @module
 */

import { type Blake3, loadBlake3 } from "../crypto/blake3.ts";
import { InvalidArgumentError, LockedError } from "../errors.ts";
import { type FileLock, tryLockFile } from "#lock";
import { fileError } from "../runtime/file_errors.ts";
import { blobKey, keyHash } from "./blob_key.ts";
import { compact } from "./file_store_compaction.ts";
import { StoreFiles } from "./file_store_files.ts";
import { FileIndex } from "./file_store_index.ts";
import { type FsyncPolicy, PackLog } from "./file_store_log.ts";
import { RecordKind } from "./file_store_record.ts";
import { recover, type RecoveryReport } from "./file_store_recovery.ts";
import { Reserve } from "./file_store_reserve.ts";
import type { GcOptions, GcResult, StoreCallOptions } from "./store.ts";
import { hashForPut, rootKeys, SyncBlobStore } from "./sync_store.ts";

export type { FsyncPolicy, RecoveryReport };

/** Default of {@linkcode FileBlobStoreOptions.packBytes}: few files for a large store, a short copy for `gc`. */
export const DEFAULT_PACK_BYTES: number = 64 * 1024 * 1024;
/** Bounds of {@linkcode FileBlobStoreOptions.packBytes}: places in a pack are 32-bit numbers. */
const PACK_BYTES_BOUNDS = [1024, 1024 ** 3] as const;
/** The file whose lock says that the store is open. */
const LOCK_NAME = "lock";

/** Options of {@linkcode FileBlobStore.open}. */
export interface FileBlobStoreOptions extends StoreCallOptions {
  /**
   * What it means that `put`, `delete`, `pin` and `unpin` resolve. Whatever the policy, a killed process loses
   * nothing that resolved, and a loss of power makes nothing wrong: what is lost is absent.
   *
   * - `"always"`: the change survives a loss of power. Every call waits for a sync of its own, and the thread with it.
   * - `"batch"`: the same promise. Calls that run at the same time share one sync, so start many before awaiting
   *   them; one after the other they cost one sync each.
   * - `"never"`: the change is with the operating system. A loss of power may undo the changes since the last
   *   `gc` or `close`, or those of about one pack.
   *
   * @default "batch"
   */
  readonly fsync?: FsyncPolicy;
  /** A pack that would grow beyond this is closed and a new one begun, bytes. @default 64 MiB */
  readonly packBytes?: number;
}

/** What a store takes up. */
export interface FileStoreUsage {
  /** Number of blobs. */
  readonly blobs: number;
  /** Number of packs. */
  readonly packs: number;
  /** Size of all packs, bytes. */
  readonly packBytes: number;
  /** How much of that no longer counts; `gc` gives most of it back. */
  readonly deadBytes: number;
}

interface Settings {
  readonly fsync: FsyncPolicy;
  readonly packBytes: number;
}

/** The private constructor, for {@linkcode openWithFiles}. */
let construct: (
  path: string,
  blake3: Blake3,
  lock: FileLock,
  files: StoreFiles,
  settings: Settings,
) => FileBlobStore;

/** As {@linkcode FileBlobStore.open}, with other file calls: for tests, which put failures between them. */
export async function openWithFiles(
  path: string,
  options: FileBlobStoreOptions,
  files: StoreFiles,
): Promise<FileBlobStore> {
  const settings = checkOptions(options);
  options.signal?.throwIfAborted();
  const blake3 = await loadBlake3();
  files.makeFolder();
  const lock = lockFolder(path, files);
  try {
    return construct(path, blake3, lock, files, settings);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/**
 * Keeps blobs in a folder, packed so that 30,000 small ones are one file. Survives a loss of power and a killed
 * process at any instant; one process at a time has it open.
 *
 * @example
 * ```ts ignore
 * import { FileBlobStore } from "./file_store.ts";
 *
 * const store = await FileBlobStore.open("./blobs");
 * const hash = await store.put(new TextEncoder().encode("hello world"));
 * console.log(await store.get(hash));
 * await store.close();
 * ```
 */
export class FileBlobStore extends SyncBlobStore {
  /** As {@linkcode SyncBlobStore.label}. */
  protected override readonly label: string;
  /** What was found when the store was opened. */
  readonly recovery: RecoveryReport;
  readonly #blake3: Blake3;
  readonly #lock: FileLock;
  readonly #log: PackLog;
  readonly #index: FileIndex;
  readonly #reserve: Reserve;
  #collecting: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  private constructor(path: string, blake3: Blake3, lock: FileLock, files: StoreFiles, options: Settings) {
    super();
    this.label = `store "${path}"`;
    this.#blake3 = blake3;
    this.#lock = lock;
    this.#log = new PackLog(files, options);
    this.#index = new FileIndex();
    this.recovery = recover(files, this.#log, this.#index, blake3);
    this.#reserve = new Reserve(files);
    this.#reserve.restore();
  }

  /**
   * Opens the store in the folder `path`, which is made when missing (its parent is not). Needs permission to read
   * and write that folder, and touches nothing else.
   *
   * Throws `LockedError` when another process has it open, `PermissionDeniedError` with the missing flag,
   * `UnsupportedVersionError` when a later release wrote it, `FileSystemError` when the file system refuses.
   */
  static async open(path: string, options: FileBlobStoreOptions = {}): Promise<FileBlobStore> {
    return await openWithFiles(path, options, new StoreFiles(path));
  }

  static {
    construct = (path, blake3, lock, files, settings) =>
      new FileBlobStore(path, blake3, lock, files, settings);
  }

  /** What the store takes up. */
  usage(): FileStoreUsage {
    const packs = this.#log.packs();
    let packBytes = 0;
    let deadBytes = 0;
    for (const pack of packs) {
      packBytes += pack.end;
      deadBytes += pack.end - pack.live;
    }
    return { blobs: this.#index.size, packs: packs.length, packBytes, deadBytes };
  }

  /** As {@linkcode BlobStore.put}; durable as {@linkcode FileBlobStoreOptions.fsync} says. */
  override async put(
    bytes: Uint8Array,
    expected?: Uint8Array,
    options?: StoreCallOptions,
  ): Promise<Uint8Array> {
    this.assertOpen("Put blob", options);
    const hash = hashForPut(this.#blake3, bytes, expected);
    const key = blobKey(hash);
    if (this.#index.get(key) === undefined || this.damaged.has(key)) {
      this.#index.put(key, { ...this.#log.append(RecordKind.put, hash, bytes), length: bytes.length });
      this.damaged.delete(key);
    }
    // Also when it was there: the put that brought it may still wait for the disk.
    await this.#log.settle();
    return hash;
  }

  /** As {@linkcode BlobStore.delete}. */
  override async delete(hash: Uint8Array, options?: StoreCallOptions): Promise<boolean> {
    const key = this.keyOf("Delete blob", hash, options);
    const wasThere = this.#index.get(key) !== undefined;
    if (wasThere) this.#reserve.use(() => this.#forget(key));
    await this.#log.settle();
    return wasThere;
  }

  /** As {@linkcode BlobStore.pin}. */
  override async pin(hash: Uint8Array, options?: StoreCallOptions): Promise<void> {
    const key = this.keyOf("Pin blob", hash, options);
    if (!this.#index.isPinned(key)) this.#index.pin(key, this.#log.append(RecordKind.pin, hash).pack);
    await this.#log.settle();
  }

  /** As {@linkcode BlobStore.unpin}. */
  override async unpin(hash: Uint8Array, options?: StoreCallOptions): Promise<void> {
    const key = this.keyOf("Unpin blob", hash, options);
    if (this.#index.isPinned(key)) {
      this.#reserve.use(() => this.#log.append(RecordKind.unpin, hash));
      this.#index.unpin(key);
    }
    await this.#log.settle();
  }

  /**
   * As {@linkcode BlobStore.gc}. Packs of which a quarter or more no longer counts are rewritten without that, which
   * needs room for one pack; others run in between.
   */
  override async gc(options: GcOptions = {}): Promise<GcResult> {
    this.assertOpen("Collect garbage", options);
    const roots = rootKeys(options.roots);
    let bytes = 0;
    const victims: string[] = [];
    for (const [key, place] of this.#index.blobs()) {
      if (roots.has(key) || this.#index.isPinned(key)) continue;
      victims.push(key);
      bytes += place.length;
    }
    const result = { blobs: victims.length, bytes };
    if (options.dryRun === true) return result;
    // In the same turn as the choice: a put of a victim from now on stores it anew.
    for (const key of victims) this.#reserve.use(() => this.#forget(key));
    const previous = this.#collecting;
    const run = async () => {
      await previous;
      this.assertOpen("Collect garbage", options);
      await compact(this.#log, this.#index, () => this.assertOpen("Collect garbage", options));
      this.#reserve.restore();
    };
    const work = run();
    this.#collecting = work.catch(() => {});
    await work;
    await this.#log.settle();
    return result;
  }

  /** As {@linkcode BlobStore.close}. */
  override close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    await super.close();
    await this.#collecting;
    try {
      await this.#log.close();
    } finally {
      this.#lock.release();
    }
  }

  #forget(key: string): void {
    this.#log.append(RecordKind.delete, keyHash(key));
    this.#index.delete(key);
    this.damaged.delete(key);
  }

  /** As {@linkcode SyncBlobStore.sizeOf}. */
  protected override sizeOf(key: string): number | undefined {
    return this.#index.get(key)?.length;
  }

  /** As {@linkcode SyncBlobStore.read}. */
  protected override read(key: string, offset: number, length: number, into?: Uint8Array): Uint8Array {
    const place = this.#index.get(key)!;
    return this.#log.read(place.pack, place.offset, offset, length, into);
  }

  /** As {@linkcode SyncBlobStore.keys}. */
  protected override keys(): Iterable<string> {
    return Array.from(this.#index.blobs(), ([key]) => key);
  }

  /** As {@linkcode SyncBlobStore.isPinned}. */
  protected override isPinned(key: string): boolean {
    return this.#index.isPinned(key);
  }
}

function checkOptions(options: FileBlobStoreOptions): Settings {
  const { fsync = "batch", packBytes = DEFAULT_PACK_BYTES } = options;
  if (!["always", "batch", "never"].includes(fsync)) {
    throw new InvalidArgumentError(`Open store: fsync "${fsync}" is not "always", "batch" or "never"`);
  }
  const [least, most] = PACK_BYTES_BOUNDS;
  if (!Number.isSafeInteger(packBytes) || packBytes < least || packBytes > most) {
    throw new InvalidArgumentError(`Open store: packBytes ${packBytes} is not between ${least} and ${most}`);
  }
  return { fsync, packBytes };
}

function lockFolder(path: string, files: StoreFiles): FileLock {
  const lockPath = files.path(LOCK_NAME);
  let lock: FileLock | undefined;
  try {
    lock = tryLockFile(lockPath);
  } catch (error) {
    throw fileError(error, "Lock store", lockPath, path);
  }
  if (lock === undefined) {
    throw new LockedError(`Open store "${path}": another process has it open`, lockPath);
  }
  return lock;
}
