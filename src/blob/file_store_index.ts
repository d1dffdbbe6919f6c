/**
 * Where every blob of the file store is: the result of reading all records in order.
 *
 * @module
 */

import type { Pack, PackRecord } from "./file_store_pack.ts";
import { RECORD_HEADER_LENGTH, RecordKind } from "./file_store_record.ts";

/** Where a blob is. */
export interface BlobPlace {
  /** The pack. */
  readonly pack: Pack;
  /** Where its record begins. */
  readonly offset: number;
  /** Size of the blob, bytes. */
  readonly length: number;
}

/** Places of blobs and pins. Keeps every pack's `live` right. */
export class FileIndex {
  readonly #blobs = new Map<string, BlobPlace>();
  readonly #pins = new Map<string, Pack>();
  /**
   * How many records that no longer count are still in packs, per address. While there are some, a delete or unpin
   * that made them so must be kept: without it they would count again.
   */
  readonly #stalePuts = new Map<string, number>();
  readonly #stalePins = new Map<string, number>();

  /** Number of blobs. */
  get size(): number {
    return this.#blobs.size;
  }

  /** Where a blob is, `undefined` when absent. */
  get(key: string): BlobPlace | undefined {
    return this.#blobs.get(key);
  }

  /** All blobs. */
  blobs(): IterableIterator<[string, BlobPlace]> {
    return this.#blobs.entries();
  }

  /** All pins and where they are recorded. */
  pins(): IterableIterator<[string, Pack]> {
    return this.#pins.entries();
  }

  /** The pack that holds the pin of a blob, `undefined` when it is not pinned. */
  pinPlace(key: string): Pack | undefined {
    return this.#pins.get(key);
  }

  /** Whether a blob, present or not, is pinned. */
  isPinned(key: string): boolean {
    return this.#pins.has(key);
  }

  /** Takes over what a record says; records come in the order in which they were written. */
  apply(pack: Pack, record: PackRecord): void {
    const { kind, key, offset, length } = record;
    if (kind === RecordKind.put) this.put(key, { pack, offset, length });
    else if (kind === RecordKind.delete) this.delete(key);
    else if (kind === RecordKind.pin) this.pin(key, pack);
    else if (kind === RecordKind.unpin) this.unpin(key);
  }

  /** The blob is at `place` now. */
  put(key: string, place: BlobPlace): void {
    this.delete(key);
    this.#blobs.set(key, place);
    place.pack.live += RECORD_HEADER_LENGTH + place.length;
  }

  /** The blob is gone; whether it was there. */
  delete(key: string): boolean {
    const place = this.#blobs.get(key);
    if (place === undefined) return false;
    this.#blobs.delete(key);
    place.pack.live -= RECORD_HEADER_LENGTH + place.length;
    add(this.#stalePuts, key, 1);
    return true;
  }

  /** The pin is recorded in `pack` now. */
  pin(key: string, pack: Pack): void {
    this.unpin(key);
    this.#pins.set(key, pack);
    pack.live += RECORD_HEADER_LENGTH;
  }

  /** The pin is gone. */
  unpin(key: string): void {
    const pack = this.#pins.get(key);
    if (pack === undefined) return;
    this.#pins.delete(key);
    pack.live -= RECORD_HEADER_LENGTH;
    add(this.#stalePins, key, 1);
  }

  /**
   * The deletes and unpins of a pack, given its records, that other packs' stale records make necessary. Each
   * address comes once per kind.
   */
  neededWithout(records: readonly PackRecord[]): PackRecord[] {
    const own = new Map<string, number>();
    const ownPins = new Map<string, number>();
    for (const { kind, key } of records) {
      if (kind === RecordKind.put) add(own, key, 1);
      if (kind === RecordKind.pin) add(ownPins, key, 1);
    }
    const needed = new Map<string, PackRecord>();
    for (const record of records) {
      const { kind, key } = record;
      const isDelete = kind === RecordKind.delete && !this.#blobs.has(key) &&
        count(this.#stalePuts, key) > count(own, key);
      const isUnpin = kind === RecordKind.unpin && !this.#pins.has(key) &&
        count(this.#stalePins, key) > count(ownPins, key);
      if (isDelete || isUnpin) needed.set(kind + key, record);
    }
    return [...needed.values()];
  }

  /** The pack with these records is no more. None of them may count any longer. */
  forget(records: readonly PackRecord[]): void {
    for (const { kind, key } of records) {
      if (kind === RecordKind.put) add(this.#stalePuts, key, -1);
      if (kind === RecordKind.pin) add(this.#stalePins, key, -1);
    }
  }
}

function count(counts: ReadonlyMap<string, number>, key: string): number {
  return counts.get(key) ?? 0;
}

function add(counts: Map<string, number>, key: string, difference: number): void {
  const value = count(counts, key) + difference;
  if (value > 0) counts.set(key, value);
  else counts.delete(key);
}
