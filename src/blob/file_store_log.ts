/**
 * The packs of a file store as one log: records are appended to the newest pack, every other pack is read-only.
 * All records of the store are in one order, that of pack number and place; what a later one says holds. Nothing is
 * ever moved but by appending it again, so a crash at any moment leaves at worst a blob twice.
 *
 * @module
 */

import { DiskFullError, StoreError } from "../errors.ts";
import type { StoreFiles } from "./file_store_files.ts";
import { type Pack, packName, type PackScan, scanPack } from "./file_store_pack.ts";
import {
  encodePackHeader,
  encodeRecordHeader,
  MARKER_LENGTH,
  PACK_HEADER_LENGTH,
  RECORD_HEADER_LENGTH,
  RecordKind,
} from "./file_store_record.ts";
import { OpenFiles } from "./open_files.ts";

/** When a put is durable; see `FileBlobStoreOptions.fsync`. */
export type FsyncPolicy = "always" | "batch" | "never";

/** Records up to this size are written with one call, from a copy; a copy of more costs more than a call. */
const SCRATCH_LENGTH = 128 * 1024;
/** Packs kept open for reading. */
const MAX_OPEN_PACKS = 64;
const NO_HASH = new Uint8Array(32);

/** Settings of a {@linkcode PackLog}. */
export interface PackLogOptions {
  /** When appended records become durable. */
  readonly fsync: FsyncPolicy;
  /** A pack that would grow beyond this takes no more records, bytes. */
  readonly packBytes: number;
}

/** Appends records, reads them, makes them durable. */
export class PackLog {
  readonly #files: StoreFiles;
  readonly #options: PackLogOptions;
  readonly #packs = new Map<number, Pack>();
  readonly #readers: OpenFiles<Pack>;
  readonly #scratch = new Uint8Array(SCRATCH_LENGTH);
  #active: Pack | undefined;
  #nextId = 1;

  /** Packs with records that are not known to be durable. */
  readonly #dirty = new Set<Pack>();
  /** Packs that are being synced. */
  #inSync: readonly Pack[] = [];
  /** Number of records appended, and how many of them are durable. */
  #appended = 0;
  #durable = 0;
  #syncing: Promise<void> | undefined;
  /** Set for good when a sync failed: the system may have dropped what it could not write. */
  #failure: unknown;

  /** @param files The store's folder. */
  constructor(files: StoreFiles, options: PackLogOptions) {
    this.#files = files;
    this.#options = options;
    this.#readers = new OpenFiles(
      MAX_OPEN_PACKS,
      (pack) => files.open(pack.name, "read"),
      (fd) => files.close(fd),
    );
  }

  /** All packs, oldest first. */
  packs(): Pack[] {
    return [...this.#packs.values()];
  }

  /** The pack that takes records, if there is one. */
  get active(): Pack | undefined {
    return this.#active;
  }

  /** Takes in a pack found at opening; older ones come first. */
  adopt(pack: Pack): void {
    this.#packs.set(pack.id, pack);
    this.reserveId(pack.id);
  }

  /** No new pack gets this number or a lower one. */
  reserveId(id: number): void {
    this.#nextId = Math.max(this.#nextId, id + 1);
  }

  /** After the last {@linkcode PackLog.adopt}: goes on in the newest pack when it has room. */
  resume(): void {
    const last = this.packs().at(-1);
    if (last === undefined || last.id !== this.#nextId - 1 || last.end >= this.#options.packBytes) return;
    last.fd = this.#files.open(last.name, "write");
    this.#active = last;
  }

  /** Appends a record; the place it went to. It is durable after {@linkcode PackLog.settle}. */
  append(kind: RecordKind, hash: Uint8Array, blob?: Uint8Array): { pack: Pack; offset: number } {
    this.#assertWorks();
    const length = RECORD_HEADER_LENGTH + (blob?.length ?? 0);
    const isFull = this.#active !== undefined && this.#active.end > PACK_HEADER_LENGTH &&
      this.#active.end + length > this.#options.packBytes;
    if (isFull) this.seal();
    const pack = this.#active ??= this.#create();
    const offset = pack.end;
    try {
      this.#write(pack, kind, hash, blob);
    } catch (error) {
      this.#undo(pack);
      throw error;
    }
    pack.clean = false;
    this.#dirty.add(pack);
    this.#appended++;
    return { pack, offset };
  }

  /** Resolves when what was appended so far is as durable as the policy promises. */
  settle(): Promise<void> {
    if (this.#options.fsync === "batch") return this.durable();
    if (this.#options.fsync === "always") this.#syncNow();
    return Promise.resolve();
  }

  /** Resolves when what was appended so far is durable. Calls that come while the disk works share its next sync. */
  async durable(): Promise<void> {
    const target = this.#appended;
    while (this.#durable < target) {
      this.#assertWorks();
      await (this.#syncing ??= this.#syncOnce());
    }
  }

  /** Reads part of a record's blob. */
  read(
    pack: Pack,
    offset: number,
    start: number,
    length: number,
    bytes: Uint8Array = new Uint8Array(length),
  ): Uint8Array {
    const position = offset + RECORD_HEADER_LENGTH + start;
    const count = this.#files.read(this.#fd(pack), pack.name, bytes, length, position);
    if (count < length) {
      throw new StoreError(`Read "${this.#files.path(pack.name)}": file ends at ${position + count}`);
    }
    return bytes;
  }

  /** Finds the records of a pack again. */
  scan(pack: Pack): PackScan {
    const fd = this.#fd(pack);
    return scanPack(
      (into, length, position) => this.#files.read(fd, pack.name, into, length, position),
      pack.end,
      pack,
    );
  }

  /** The active pack takes no more records; the next one goes to a new pack. */
  seal(): void {
    const pack = this.#active;
    if (pack === undefined) return;
    this.#active = undefined;
    // One that is in work at the disk is retired when that is done.
    if (!this.#dirty.has(pack) && !this.#inSync.includes(pack)) this.#retire(pack);
    // Nobody waits with this policy, but then a pack at most is lost with the power.
    if (this.#options.fsync === "never") this.durable().catch((error) => this.#failure ??= error);
  }

  /** Removes a sealed pack whose records are all durable elsewhere or no longer wanted. Durable when it returns. */
  remove(pack: Pack): void {
    this.#readers.drop(pack);
    this.#release(pack);
    this.#files.unlink(pack.name);
    this.#packs.delete(pack.id);
    this.#files.syncFolder();
  }

  /** Makes everything durable, whatever the policy, and closes all files. */
  async close(): Promise<void> {
    try {
      await this.durable();
      if (this.#active !== undefined) this.#checkpoint(this.#active);
    } finally {
      this.#readers.closeAll();
      for (const pack of this.#packs.values()) this.#release(pack);
    }
  }

  #assertWorks(): void {
    if (this.#failure === undefined) return;
    throw new StoreError("Write store: an earlier sync failed; open the store again", {
      cause: this.#failure,
    });
  }

  #fd(pack: Pack): number {
    return pack.fd ?? this.#readers.get(pack);
  }

  #create(): Pack {
    const id = this.#nextId;
    const marker = crypto.getRandomValues(new Uint8Array(MARKER_LENGTH));
    // Not zero: a search through a tail of zeros should not stop at every byte.
    marker[0] |= 1;
    const pack: Pack = {
      id,
      marker,
      name: packName(id),
      fd: undefined,
      end: PACK_HEADER_LENGTH,
      clean: true,
      live: 0,
    };
    pack.fd = this.#files.open(pack.name, "create");
    this.#nextId = id + 1;
    try {
      this.#files.write(pack.fd, pack.name, encodePackHeader(pack), PACK_HEADER_LENGTH, 0);
      // Whatever the policy: a pack without its header would be unreadable, not just short.
      this.#files.syncNow(pack.fd, pack.name);
      this.#files.syncFolder();
    } catch (error) {
      this.#release(pack);
      this.#files.unlink(pack.name);
      throw error;
    }
    this.#packs.set(id, pack);
    return pack;
  }

  #write(pack: Pack, kind: RecordKind, hash: Uint8Array, blob: Uint8Array = NO_HASH.subarray(0, 0)): void {
    const { name, end } = pack;
    const fd = pack.fd!;
    const scratch = this.#scratch;
    encodeRecordHeader(scratch, 0, pack, end, kind, hash, blob.length);
    const length = RECORD_HEADER_LENGTH + blob.length;
    if (length <= scratch.length) {
      scratch.set(blob, RECORD_HEADER_LENGTH);
      this.#files.write(fd, name, scratch, length, end);
    } else {
      this.#files.write(fd, name, scratch, RECORD_HEADER_LENGTH, end);
      this.#files.write(fd, name, blob, blob.length, end + RECORD_HEADER_LENGTH);
    }
    pack.end = end + length;
  }

  /** Takes back what a failed write left. If that fails, too, the pack ends here: the scan ignores such a tail. */
  #undo(pack: Pack): void {
    try {
      this.#files.truncate(pack.fd!, pack.name, pack.end);
    } catch {
      this.seal();
    }
  }

  #syncNow(): void {
    try {
      for (const pack of new Set([...this.#inSync, ...this.#dirty])) this.#files.syncNow(pack.fd!, pack.name);
    } catch (error) {
      this.#failure = error;
      throw error;
    }
    const synced = [...this.#dirty];
    this.#dirty.clear();
    this.#durable = this.#appended;
    this.#retireAll(synced);
  }

  async #syncOnce(): Promise<void> {
    try {
      // Whoever appends in this turn of the event loop is still in time.
      await Promise.resolve();
      const target = this.#appended;
      const packs = this.#inSync = [...this.#dirty];
      this.#dirty.clear();
      // All of them end before any file may be closed.
      const results = await Promise.allSettled(packs.map((pack) => this.#files.sync(pack.fd!, pack.name)));
      for (const result of results) if (result.status === "rejected") throw result.reason;
      this.#durable = target;
      this.#inSync = [];
      this.#retireAll(packs);
    } catch (error) {
      this.#failure = error;
      throw error;
    } finally {
      this.#inSync = [];
      this.#syncing = undefined;
    }
  }

  #retireAll(packs: readonly Pack[]): void {
    for (const pack of packs) {
      if (pack !== this.#active && !this.#dirty.has(pack)) this.#retire(pack);
    }
  }

  /** A sealed and durable pack gets its checkpoint and needs no writing any more. */
  #retire(pack: Pack): void {
    this.#checkpoint(pack);
    this.#release(pack);
  }

  /** Says that everything before is durable. Needs no sync itself: without it the next opening only takes longer. */
  #checkpoint(pack: Pack): void {
    if (pack.clean || pack.fd === undefined) return;
    try {
      this.#write(pack, RecordKind.checkpoint, NO_HASH);
      pack.clean = true;
    } catch (error) {
      if (!(error instanceof DiskFullError)) throw error;
      this.#files.truncate(pack.fd, pack.name, pack.end);
    }
  }

  #release(pack: Pack): void {
    if (pack.fd === undefined) return;
    this.#files.close(pack.fd);
    pack.fd = undefined;
  }
}
