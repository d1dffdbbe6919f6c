/**
 * BLAKE3 driver on WebAssembly with 128-bit vectors: four chunks of the input are hashed at a time.
 *
 * @module
 */

import type { Blake3, Blake3Hasher, Blake3Pieces, HashedPiece } from "./blake3.ts";
import {
  blake3Kernel,
  BLOCK_LENGTH,
  CV_LENGTH,
  FLAG,
  LANES,
  type RunKernel,
  TABLE,
  TABLE_LENGTH,
} from "./blake3_kernel.ts";

/** Length of a chunk, bytes: a leaf of the hash tree. */
const CHUNK_LENGTH = 1024;
const CHUNK_BLOCKS = CHUNK_LENGTH / BLOCK_LENGTH;
/** Chunks hashed in one go, a power of two: a complete subtree, so that its inner nodes come four at a time, too. */
const SEGMENT_CHUNKS = 64;
const SEGMENT_LENGTH = SEGMENT_CHUNKS * CHUNK_LENGTH;

// Where in the memory is what.
const CHUNK_TABLE = 0;
const TAIL_TABLE = CHUNK_TABLE + TABLE_LENGTH;
const PARENT_TABLE = TAIL_TABLE + TABLE_LENGTH;
const ROOT_TABLE = PARENT_TABLE + TABLE_LENGTH;
/** Chaining values of one level of a tree, and of the level above. The last lanes of a group may be beyond the end. */
const LEVEL_LENGTH = (SEGMENT_CHUNKS + LANES) * CV_LENGTH;
const LEVELS = [ROOT_TABLE + TABLE_LENGTH, ROOT_TABLE + TABLE_LENGTH + LEVEL_LENGTH];
const SEGMENT = LEVELS[1] + LEVEL_LENGTH;
/** A tail's unused lanes read beyond the segment's end. */
const MEMORY_LENGTH = SEGMENT + SEGMENT_LENGTH + LANES * CHUNK_LENGTH;
const PAGE = 65536;

/** Levels of the tree of the largest input above a segment's. */
const MAX_DEPTH = 54;

/** The module with a memory of its own: hashes the content of one segment. */
class Engine {
  /** The segment: what is to be hashed goes here. */
  readonly segment: Uint8Array;
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #run: RunKernel;

  constructor(module: WebAssembly.Module) {
    const memory = new WebAssembly.Memory({ initial: Math.ceil(MEMORY_LENGTH / PAGE) });
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    this.#run = exports.run as unknown as RunKernel;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#words = new Int32Array(memory.buffer);
    this.segment = this.#bytes.subarray(SEGMENT, SEGMENT + SEGMENT_LENGTH);
    this.#setTable(CHUNK_TABLE, TABLE.blocks, CHUNK_BLOCKS);
    this.#setTable(CHUNK_TABLE, TABLE.lastFlags, FLAG.chunkEnd);
    for (const table of [CHUNK_TABLE, TAIL_TABLE]) {
      this.#setTable(table, TABLE.lastLength, BLOCK_LENGTH);
      this.#setTable(table, TABLE.firstFlags, FLAG.chunkStart);
      this.#setTable(table, TABLE.counterStep, LANES);
      this.#words[(table + TABLE.maxBlocks) / 4] = CHUNK_BLOCKS;
      for (let lane = 0; lane < LANES; lane++) this.#words[(table + TABLE.counter) / 4 + lane] = lane;
    }
    for (const table of [PARENT_TABLE, ROOT_TABLE]) {
      this.#setTable(table, TABLE.blocks, 1);
      this.#setTable(table, TABLE.lastLength, BLOCK_LENGTH);
      this.#setTable(table, TABLE.flags, table === ROOT_TABLE ? FLAG.parent | FLAG.root : FLAG.parent);
      this.#words[(table + TABLE.maxBlocks) / 4] = 1;
    }
  }

  /**
   * The chaining value of the first `length` bytes of the segment, of which the first is number `position` of the
   * input; as a view that is valid until the next call. `isRoot` when they are all of the input.
   */
  hashSegment(length: number, position: number, isRoot: boolean): Uint8Array {
    const first = position / CHUNK_LENGTH;
    const [low, high] = [first | 0, Math.floor(first / 2 ** 32)];
    const groups = Math.floor(length / (LANES * CHUNK_LENGTH));
    if (groups > 0) this.#run(CHUNK_TABLE, SEGMENT, CHUNK_LENGTH, groups, low, high, LEVELS[0]);
    const hashed = groups * LANES;
    let count = hashed;
    if (length > hashed * CHUNK_LENGTH || length === 0) {
      count += this.#hashTail(length, hashed, low, high, isRoot);
      if (count === 1) return this.#valueAt(LEVELS[0]);
    }
    return this.#mergeLevels(count, isRoot);
  }

  /** The parent of two chaining values, as a view that is valid until the next call. */
  merge(left: Uint8Array, right: Uint8Array, isRoot: boolean): Uint8Array {
    // `right` may be a view of what is overwritten here.
    const at = LEVELS[1];
    this.#bytes.set(right, at + CV_LENGTH);
    this.#bytes.set(left, at);
    return this.#parents(1, 1, isRoot);
  }

  /** Hashes the chunks of the last, incomplete group, and returns their number. */
  #hashTail(length: number, hashed: number, low: number, high: number, isRoot: boolean): number {
    const start = hashed * CHUNK_LENGTH;
    const rest = length - start;
    const count = Math.max(1, Math.ceil(rest / CHUNK_LENGTH));
    const [blocks, lastLength] = [(TAIL_TABLE + TABLE.blocks) / 4, (TAIL_TABLE + TABLE.lastLength) / 4];
    for (let lane = 0; lane < LANES; lane++) {
      const bytes = Math.min(CHUNK_LENGTH, rest - lane * CHUNK_LENGTH);
      const needed = bytes > 0 ? Math.ceil(bytes / BLOCK_LENGTH) : Number(lane === 0);
      this.#words[blocks + lane] = needed;
      this.#words[lastLength + lane] = needed === 0 ? 0 : Math.max(0, bytes) - (needed - 1) * BLOCK_LENGTH;
    }
    const isSingle = isRoot && hashed === 0 && count === 1;
    this.#setTable(TAIL_TABLE, TABLE.lastFlags, isSingle ? FLAG.chunkEnd | FLAG.root : FLAG.chunkEnd);
    this.#words[(TAIL_TABLE + TABLE.maxBlocks) / 4] = this.#words[blocks];
    // The rest of the last block counts as zeros.
    const end = length % BLOCK_LENGTH === 0 && length > 0
      ? length
      : (Math.floor(length / BLOCK_LENGTH) + 1) * BLOCK_LENGTH;
    this.#bytes.fill(0, SEGMENT + length, SEGMENT + end);
    const output = LEVELS[0] + hashed * CV_LENGTH;
    this.#run(TAIL_TABLE, SEGMENT + start, CHUNK_LENGTH, 1, low + hashed, high, output);
    return count;
  }

  /** Merges `count` chaining values at the first level, two by two, until one is left; an odd one waits for its turn. */
  #mergeLevels(count: number, isRoot: boolean): Uint8Array {
    for (let from = 0;; from = 1 - from) {
      const parents = count >> 1;
      const value = this.#parents(parents, from, isRoot && count === 2);
      if (count === 2) return value;
      if (count % 2 === 1) {
        const odd = LEVELS[from] + 2 * parents * CV_LENGTH;
        this.#bytes.copyWithin(LEVELS[1 - from] + parents * CV_LENGTH, odd, odd + CV_LENGTH);
      }
      count -= parents;
    }
  }

  #parents(count: number, from: number, isRoot: boolean): Uint8Array {
    const [input, output] = [LEVELS[from], LEVELS[1 - from]];
    const groups = Math.ceil(count / LANES);
    this.#run(isRoot ? ROOT_TABLE : PARENT_TABLE, input, BLOCK_LENGTH, groups, 0, 0, output);
    return this.#valueAt(output);
  }

  #valueAt(address: number): Uint8Array {
    return this.#bytes.subarray(address, address + CV_LENGTH);
  }

  #setTable(table: number, field: number, value: number): void {
    this.#words.fill(value, (table + field) / 4, (table + field) / 4 + LANES);
  }
}

/** What is known of the segments of one input so far. Theirs is the hash tree; the bytes are the engine's. */
class SegmentTree {
  /** Chaining values of complete subtrees, the largest and leftmost first. */
  readonly #stack = new Uint8Array(MAX_DEPTH * CV_LENGTH);
  #depth = 0;
  #segments = 0;
  #start = 0;

  constructor(readonly engine: Engine) {}

  /** Begins with the byte number `start` of an input, a multiple of what is to come. */
  reset(start: number): void {
    this.#depth = this.#segments = 0;
    this.#start = start;
  }

  /** Takes the engine's segment, whole, which is followed by another, and merges it with subtrees of its size. */
  push(): void {
    this.pushValue(this.engine.hashSegment(SEGMENT_LENGTH, this.#position, false));
  }

  /** The same with a chaining value. */
  pushValue(value: Uint8Array): void {
    // As many as the number of segments is divisible by two.
    for (let count = ++this.#segments; count % 2 === 0; count /= 2) {
      value = this.engine.merge(this.#at(--this.#depth), value, false);
    }
    this.#stack.set(value, this.#depth++ * CV_LENGTH);
  }

  /** Takes the last `length` bytes; the value of all, as a new array. `isRoot` when that is all of the input. */
  finish(length: number, isRoot: boolean): Uint8Array {
    return this.finishValue(
      this.engine.hashSegment(length, this.#position, isRoot && this.#depth === 0),
      isRoot,
    );
  }

  /** The same with the last chaining value. */
  finishValue(value: Uint8Array, isRoot: boolean): Uint8Array {
    for (let level = this.#depth - 1; level >= 0; level--) {
      value = this.engine.merge(this.#at(level), value, isRoot && level === 0);
    }
    return value.slice();
  }

  get #position(): number {
    return this.#start + this.#segments * SEGMENT_LENGTH;
  }

  #at(level: number): Uint8Array {
    return this.#stack.subarray(level * CV_LENGTH, (level + 1) * CV_LENGTH);
  }
}

class WasmHasher implements Blake3Hasher {
  readonly #segment: Uint8Array;
  readonly #tree: SegmentTree;
  /** Bytes in the segment. */
  #filled = 0;

  constructor(engine: Engine) {
    this.#segment = engine.segment;
    this.#tree = new SegmentTree(engine);
  }

  update(bytes: Uint8Array): this {
    for (let at = 0; at < bytes.length;) {
      // Only when another byte follows: the last segment is hashed as such.
      if (this.#filled === SEGMENT_LENGTH) {
        this.#tree.push();
        this.#filled = 0;
      }
      const end = Math.min(bytes.length, at + SEGMENT_LENGTH - this.#filled);
      this.#segment.set(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end), this.#filled);
      this.#filled += end - at;
      at = end;
    }
    return this;
  }

  digest(): Uint8Array {
    return this.#tree.finish(this.#filled, true);
  }

  reset(): this {
    this.#tree.reset(0);
    this.#filled = 0;
    return this;
  }
}

/** Hashes the pieces of long inputs by themselves. */
class WasmPieces implements Blake3Pieces {
  readonly #alone: SegmentTree;
  readonly #part: SegmentTree;

  constructor(readonly engine: Engine) {
    this.#alone = new SegmentTree(engine);
    this.#part = new SegmentTree(engine);
  }

  hash(bytes: Uint8Array, position: number): HashedPiece {
    const { segment } = this.engine;
    this.#alone.reset(0);
    this.#part.reset(position);
    let at = 0;
    for (; bytes.length - at > SEGMENT_LENGTH; at += SEGMENT_LENGTH) {
      segment.set(bytes.subarray(at, at + SEGMENT_LENGTH));
      this.#alone.push();
      this.#part.push();
    }
    const rest = bytes.length - at;
    segment.set(bytes.subarray(at));
    return { hash: this.#alone.finish(rest, true), part: this.#part.finish(rest, false) };
  }

  part(bytes: Uint8Array, position: number): Uint8Array {
    const { segment } = this.engine;
    this.#part.reset(position);
    let at = 0;
    for (; bytes.length - at > SEGMENT_LENGTH; at += SEGMENT_LENGTH) {
      segment.set(bytes.subarray(at, at + SEGMENT_LENGTH));
      this.#part.push();
    }
    segment.set(bytes.subarray(at));
    return this.#part.finish(bytes.length - at, false);
  }

  join(parts: readonly Uint8Array[]): Uint8Array {
    this.#alone.reset(0);
    const last = parts.length - 1;
    for (let i = 0; i < last; i++) this.#alone.pushValue(parts[i]);
    return this.#alone.finishValue(parts[last], true);
  }
}

/** The WebAssembly driver. Throws where WebAssembly or its vectors are missing, or may not be compiled. */
export function wasmBlake3(): Blake3 {
  const module = new WebAssembly.Module(blake3Kernel());
  // One instance serves all one-shot hashes: nothing can come between its first byte and its digest.
  const engine = new Engine(module);
  const shared = new WasmHasher(engine);
  return {
    name: "wasm",
    hash: (bytes) => shared.reset().update(bytes).digest(),
    createHasher: () => Promise.resolve(new WasmHasher(new Engine(module))),
    pieces: new WasmPieces(engine),
  };
}
