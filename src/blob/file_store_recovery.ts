/**
 * Opening a file store: every pack is scanned, and what a loss of power or a killed process left behind is put right.
 *
 * @module
 */

import type { Blake3 } from "../crypto/blake3.ts";
import { DiskFullError } from "../errors.ts";
import { blobKey, keyHash } from "./blob_key.ts";
import { isMissing, type StoreFiles } from "./file_store_files.ts";
import type { FileIndex } from "./file_store_index.ts";
import type { PackLog } from "./file_store_log.ts";
import { type Pack, packId, type PackRecord, type PackScan, scanPack } from "./file_store_pack.ts";
import {
  decodePackHeader,
  encodeRecordHeader,
  PACK_HEADER_LENGTH,
  RECORD_HEADER_LENGTH,
  RecordKind,
} from "./file_store_record.ts";

/** What was found when a store was opened. All zero and empty after a clean close. */
export interface RecoveryReport {
  /** Bytes cut off the ends of packs: records that were being written when the power or the process went. */
  readonly truncatedBytes: number;
  /** Bytes skipped inside packs because what described them was damaged. */
  readonly skippedBytes: number;
  /** Addresses of blobs whose bytes did not reach the disk, or were damaged there. They count as absent. */
  readonly damaged: readonly Uint8Array[];
  /** Packs whose headers are damaged beyond reading. They are left alone. */
  readonly unreadablePacks: readonly string[];
}

/** Reads all packs of the folder into `index` and `log`. */
export function recover(files: StoreFiles, log: PackLog, index: FileIndex, blake3: Blake3): RecoveryReport {
  const recovery = new Recovery(files, blake3);
  const names = new Map<number, string>();
  for (const name of files.list()) {
    const id = packId(name);
    if (id !== undefined) names.set(id, name);
  }
  for (const id of [...names.keys()].sort((a, b) => a - b)) {
    log.reserveId(id);
    recovery.openPack(id, names.get(id)!, (pack, records) => {
      log.adopt(pack);
      for (const record of records) index.apply(pack, record);
    });
  }
  log.resume();
  return recovery.report;
}

class Recovery {
  readonly report = {
    truncatedBytes: 0,
    skippedBytes: 0,
    damaged: [] as Uint8Array[],
    unreadablePacks: [] as string[],
  };
  readonly #files: StoreFiles;
  readonly #blake3: Blake3;

  constructor(files: StoreFiles, blake3: Blake3) {
    this.#files = files;
    this.#blake3 = blake3;
  }

  openPack(id: number, name: string, take: (pack: Pack, records: readonly PackRecord[]) => void): void {
    const files = this.#files;
    const fd = files.open(name, "write");
    let isEmpty = false;
    try {
      const size = files.size(fd, name);
      const header = new Uint8Array(PACK_HEADER_LENGTH);
      files.read(fd, name, header, PACK_HEADER_LENGTH, 0);
      const identity = decodePackHeader(header, id);
      if (identity === undefined) {
        // Created and not yet written, or damaged.
        isEmpty = size <= PACK_HEADER_LENGTH || this.#isBlank(fd, name, size);
        if (!isEmpty) this.report.unreadablePacks.push(name);
        return;
      }
      const scan = scanPack(
        (into, length, position) => files.read(fd, name, into, length, position),
        size,
        identity,
      );
      const pack: Pack = { ...identity, name, fd: undefined, end: scan.end, clean: scan.clean, live: 0 };
      this.report.skippedBytes += scan.skipped;
      const records = this.#repair(pack, fd, size, scan);
      take(pack, records);
    } finally {
      files.close(fd);
      if (isEmpty) this.#removeEmpty(name);
    }
  }

  /**
   * Puts the pack's end right and resolves what was not durable: a blob may be missing although its record is there,
   * since the system writes in any order. After that the pack is durable as it is.
   */
  #repair(pack: Pack, fd: number, size: number, scan: PackScan): readonly PackRecord[] {
    const files = this.#files;
    if (size > scan.end) {
      this.report.truncatedBytes += size - scan.end;
      files.truncate(fd, pack.name, scan.end);
    }
    if (scan.clean && size === scan.end) return scan.records;
    const good = scan.records.filter((record, i) =>
      i < scan.checked || record.kind !== RecordKind.put || this.#isIntact(pack, fd, record)
    );
    files.syncNow(fd, pack.name);
    if (!scan.clean) this.#checkpoint(pack, fd);
    return good;
  }

  /** Whether a put's blob is what it should be; if not, the record is made void for good. */
  #isIntact(pack: Pack, fd: number, record: PackRecord): boolean {
    const bytes = new Uint8Array(record.length);
    this.#files.read(fd, pack.name, bytes, record.length, record.offset + RECORD_HEADER_LENGTH);
    if (blobKey(this.#blake3.hash(bytes)) === record.key) return true;
    this.report.damaged.push(keyHash(record.key));
    // In place: if this write is torn, the header is no header any more, which comes to the same.
    const { offset, length, key } = record;
    this.#writeHeader(pack, fd, offset, RecordKind.void, keyHash(key), length);
    return false;
  }

  #checkpoint(pack: Pack, fd: number): void {
    try {
      this.#writeHeader(pack, fd, pack.end, RecordKind.checkpoint, new Uint8Array(32), 0);
      pack.end += RECORD_HEADER_LENGTH;
      pack.clean = true;
    } catch (error) {
      // A store must open on a full disk. The next opening checks this pack again.
      if (!(error instanceof DiskFullError)) throw error;
      this.#files.truncate(fd, pack.name, pack.end);
    }
  }

  #writeHeader(
    pack: Pack,
    fd: number,
    offset: number,
    kind: RecordKind,
    hash: Uint8Array,
    length: number,
  ): void {
    const header = new Uint8Array(RECORD_HEADER_LENGTH);
    encodeRecordHeader(header, 0, pack, offset, kind, hash, length);
    this.#files.write(fd, pack.name, header, RECORD_HEADER_LENGTH, offset);
  }

  /** Whether the file is zeros only: its size reached the disk, nothing else did. */
  #isBlank(fd: number, name: string, size: number): boolean {
    const window = new Uint8Array(64 * 1024);
    for (let at = 0; at < size; at += window.length) {
      const count = this.#files.read(fd, name, window, Math.min(window.length, size - at), at);
      if (window.subarray(0, count).some((byte) => byte !== 0)) return false;
    }
    return true;
  }

  #removeEmpty(name: string): void {
    try {
      this.#files.unlink(name);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
}
