/**
 * One pack of the file store, and the scan that finds its records again.
 *
 * @module
 */

import { blobKey } from "./blob_key.ts";
import {
  decodeRecordHeader,
  HASH_OFFSET,
  PACK_HEADER_LENGTH,
  type PackIdentity,
  RECORD_HEADER_LENGTH,
  RecordKind,
} from "./file_store_record.ts";

/** How much the scan reads at once, bytes: many small records, and little waste where blobs are large. */
const SCAN_WINDOW = 64 * 1024;

/** One pack. */
export interface Pack extends PackIdentity {
  /** Its file's name in the store's folder. */
  readonly name: string;
  /** Open for writing: set while the pack takes records or has some that are not durable. */
  fd: number | undefined;
  /** Where the next record goes. */
  end: number;
  /** Whether a checkpoint is the last record. */
  clean: boolean;
  /** Bytes of records that still count: puts of present blobs, pins in force. */
  live: number;
}

/** A record found by the scan. Checkpoints and voids are not reported. */
export interface PackRecord {
  /** What it is. */
  readonly kind: RecordKind;
  /** Address that it is about. */
  readonly key: string;
  /** Where its header is. */
  readonly offset: number;
  /** Bytes of the blob that follows. */
  readonly length: number;
}

/** What the scan of a pack found. */
export interface PackScan {
  /** The records, in order. */
  readonly records: PackRecord[];
  /** How many of them come before the last checkpoint, and so were durable. */
  readonly checked: number;
  /** Whether a checkpoint is the last record, or there is none at all. */
  readonly clean: boolean;
  /** Where the last whole record ends; what follows was being written when the power or the process went. */
  readonly end: number;
  /** Bytes between records that are no record: a header was damaged. */
  readonly skipped: number;
}

/** Fills `into` up to `length` from `position` of the pack's file; how many bytes there were. */
export type PackReader = (into: Uint8Array, length: number, position: number) => number;

/** Name of the file of pack `id`. */
export function packName(id: number): string {
  return `${String(id).padStart(8, "0")}.pack`;
}

/** Number of the pack whose file is `name`, `undefined` for other files. */
export function packId(name: string): number | undefined {
  const match = /^(\d{8,9})\.pack$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

/** Finds the records of a pack of `size` bytes by their headers; blobs are skipped, not read. */
export function scanPack(read: PackReader, size: number, pack: PackIdentity): PackScan {
  const window = new ScanWindow(read, size);
  const records: PackRecord[] = [];
  let checked = 0;
  let clean = true;
  let end = PACK_HEADER_LENGTH;
  let skipped = 0;
  let offset = PACK_HEADER_LENGTH;
  while (offset + RECORD_HEADER_LENGTH <= size) {
    const at = window.load(offset, RECORD_HEADER_LENGTH);
    const header = decodeRecordHeader(window.bytes, at, pack, offset);
    if (header === undefined) {
      // Damaged, or never written whole. Only if more records follow is it damage.
      offset = findMarker(window, pack.marker, offset + 1, size);
      continue;
    }
    const next = offset + RECORD_HEADER_LENGTH + header.length;
    // The header is right and the file ends inside the blob: nothing can follow.
    if (next > size) break;
    skipped += offset - end;
    if (header.kind === RecordKind.checkpoint) {
      checked = records.length;
      clean = true;
    } else {
      clean = false;
      if (header.kind !== RecordKind.void) {
        const key = blobKey(window.bytes, at + HASH_OFFSET);
        records.push({ kind: header.kind, key, offset, length: header.length });
      }
    }
    offset = end = next;
  }
  return { records, checked, clean, end, skipped };
}

/** Where the marker is next, from `offset`; the end of the file when nowhere. */
function findMarker(window: ScanWindow, marker: Uint8Array, offset: number, size: number): number {
  while (offset + RECORD_HEADER_LENGTH <= size) {
    const at = window.load(offset, RECORD_HEADER_LENGTH);
    const found = window.bytes.indexOf(marker[0], at);
    if (found < 0 || found >= window.length) offset += window.length - at;
    else if (found > at) offset += found - at;
    else if (marker.every((byte, i) => window.bytes[at + i] === byte)) return offset;
    else offset++;
  }
  return size;
}

/** A piece of the file in memory. */
class ScanWindow {
  readonly bytes: Uint8Array = new Uint8Array(SCAN_WINDOW);
  /** How many of the bytes are valid. */
  length = 0;
  readonly #read: PackReader;
  readonly #size: number;
  #start = 0;

  constructor(read: PackReader, size: number) {
    this.#read = read;
    this.#size = size;
  }

  /** Has `count` bytes from `offset` in memory; where in `bytes` they begin. */
  load(offset: number, count: number): number {
    if (offset < this.#start || offset + count > this.#start + this.length) {
      this.#start = offset;
      this.length = this.#read(this.bytes, Math.min(SCAN_WINDOW, this.#size - offset), offset);
    }
    return offset - this.#start;
  }
}
