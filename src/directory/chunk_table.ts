/**
 * All chunks of a tree in flat arrays: a million small files cost some 60 bytes each here instead of several
 * objects, and finding out which chunks are equal costs one pass.
 *
 * @module
 */

import { CHUNK_SIZE } from "../wire/blob_ref.ts";

const HASH_LENGTH = 32;
const FIRST_CAPACITY = 1024;
/** Odd, with bits all over: 2^32 over the golden ratio. */
const MULTIPLIER = 0x9e3779b1;
/** Marks a free slot, and the end of a chain. */
const NONE = -1;
/** Marks a chunk that is in no chain yet. */
const UNKNOWN = -2;

/**
 * Where every chunk of every file belongs. A chunk is known by its number; chunks of equal hash form a chain that
 * starts at their head, the one whose hash was known first. Hashes may come after the chunks.
 */
export class ChunkTable {
  #count = 0;
  #hashes: Uint8Array;
  #sizes: Uint32Array;
  #files: Uint32Array;
  #ordinals: Uint16Array;
  #next: Int32Array;
  #isHead: Uint8Array;
  /** Open addressing: hash to head. At most half full. */
  #slots: Int32Array;
  #heads = 0;
  readonly #seed = crypto.getRandomValues(new Int32Array(1))[0];

  /** @param expected about how many chunks there will be: spares moving them as the table grows. */
  constructor(expected = 0) {
    let capacity = FIRST_CAPACITY;
    while (capacity < expected) capacity *= 2;
    this.#hashes = new Uint8Array(capacity * HASH_LENGTH);
    this.#sizes = new Uint32Array(capacity);
    this.#files = new Uint32Array(capacity);
    this.#ordinals = new Uint16Array(capacity);
    this.#next = new Int32Array(capacity);
    this.#isHead = new Uint8Array(capacity);
    this.#slots = new Int32Array(capacity * 2).fill(NONE);
  }

  /** Number of chunks, repeated ones included. */
  get count(): number {
    return this.#count;
  }

  /** Number of distinct hashes. */
  get distinct(): number {
    return this.#heads;
  }

  /**
   * Adds a chunk of `size` bytes, the `ordinal`-th of `file`, and returns its number; `undefined`, with nothing added,
   * when a chunk of the same hash has another size.
   *
   * @param at where in `hash` its hash begins.
   */
  add(hash: Uint8Array, size: number, file: number, ordinal: number, at = 0): number | undefined {
    const index = this.addUnknown(size, file, ordinal);
    if (this.setHash(index, hash, at)) return index;
    this.#count--;
    return undefined;
  }

  /** Adds a chunk whose hash comes later, and returns its number. */
  addUnknown(size: number, file: number, ordinal: number): number {
    if (this.#count === this.#sizes.length) this.#grow();
    const index = this.#count++;
    this.#sizes[index] = size;
    this.#files[index] = file;
    this.#ordinals[index] = ordinal;
    this.#next[index] = UNKNOWN;
    return index;
  }

  /**
   * Says what the hash of a chunk is that was added without. Returns false, with nothing said, when a chunk of the same
   * hash has another size. Not for a chunk whose hash is known.
   *
   * @param at where in `hash` its hash begins.
   */
  setHash(index: number, hash: Uint8Array, at = 0): boolean {
    const slot = this.#slotOf(hash, at);
    const head = this.#slots[slot];
    if (head !== NONE && this.#sizes[head] !== this.#sizes[index]) return false;
    // By hand: views cost more than the bytes.
    const hashes = this.#hashes;
    for (let i = 0, to = index * HASH_LENGTH; i < HASH_LENGTH; i++) hashes[to + i] = hash[at + i];
    if (head === NONE) {
      this.#slots[slot] = index;
      this.#next[index] = NONE;
      this.#isHead[index] = 1;
      this.#heads++;
    } else {
      this.#next[index] = this.#next[head];
      this.#next[head] = index;
    }
    return true;
  }

  /** Whether the hash of a chunk is known. */
  isKnown(index: number): boolean {
    return this.#next[index] !== UNKNOWN;
  }

  /** BLAKE3 address of a chunk, as a view; zeroes while it is not known. */
  hashOf(index: number): Uint8Array {
    return this.#hashes.subarray(index * HASH_LENGTH, (index + 1) * HASH_LENGTH);
  }

  /** Whether the hash of a chunk, known or zeroes, is the one in `hash` from `at` on. */
  hasHash(index: number, hash: Uint8Array, at = 0): boolean {
    const hashes = this.#hashes;
    const own = index * HASH_LENGTH;
    for (let i = 0; i < HASH_LENGTH; i++) if (hashes[own + i] !== hash[at + i]) return false;
    return true;
  }

  /** Size of a chunk, bytes. */
  sizeOf(index: number): number {
    return this.#sizes[index];
  }

  /** Number of the file that a chunk is part of. */
  fileOf(index: number): number {
    return this.#files[index];
  }

  /** Where in its file a chunk begins, bytes. */
  offsetOf(index: number): number {
    return this.#ordinals[index] * CHUNK_SIZE;
  }

  /** Whether a chunk is the first of its hash. */
  isHead(index: number): boolean {
    return this.#isHead[index] === 1;
  }

  /** The next chunk of the same hash, `undefined` at the end of the chain. */
  nextOf(index: number): number | undefined {
    const next = this.#next[index];
    return next === NONE ? undefined : next;
  }

  /** The head of the chunks with this hash, `undefined` when there is none. */
  find(hash: Uint8Array): number | undefined {
    const head = this.#slots[this.#slotOf(hash)];
    return head === NONE ? undefined : head;
  }

  /** The slot that holds the hash in `hash` from `at` on, or the free one where it belongs. */
  #slotOf(hash: Uint8Array, at = 0): number {
    const mask = this.#slots.length - 1;
    // Hashes are whatever the manifest's maker wrote: from a start that nobody knows, all of their bytes decide.
    let mixed = this.#seed;
    for (let i = at; i < at + HASH_LENGTH; i += 4) {
      const word = hash[i] | (hash[i + 1] << 8) | (hash[i + 2] << 16) | (hash[i + 3] << 24);
      mixed = Math.imul(mixed ^ word, MULTIPLIER);
      mixed ^= mixed >>> 15;
    }
    // Once more: a product carries upwards only, and it is the lower bits that decide.
    mixed = Math.imul(mixed, MULTIPLIER);
    mixed ^= mixed >>> 16;
    for (let slot = mixed & mask;; slot = (slot + 1) & mask) {
      const head = this.#slots[slot];
      if (head === NONE || this.hasHash(head, hash, at)) return slot;
    }
  }

  #grow(): void {
    const capacity = this.#sizes.length * 2;
    const grown = <T extends { set(other: T): void }>(to: T, from: T): T => (to.set(from), to);
    this.#hashes = grown(new Uint8Array(capacity * HASH_LENGTH), this.#hashes);
    this.#sizes = grown(new Uint32Array(capacity), this.#sizes);
    this.#files = grown(new Uint32Array(capacity), this.#files);
    this.#ordinals = grown(new Uint16Array(capacity), this.#ordinals);
    this.#next = grown(new Int32Array(capacity), this.#next);
    this.#isHead = grown(new Uint8Array(capacity), this.#isHead);
    this.#slots = new Int32Array(capacity * 2).fill(NONE);
    for (let i = 0; i < this.#count; i++) {
      if (this.#isHead[i] === 1) this.#slots[this.#slotOf(this.hashOf(i))] = i;
    }
  }
}
