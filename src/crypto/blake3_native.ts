/**
 * BLAKE3 in native code, from `@napi-rs/blake-hash` where that is installed and permitted: three times as fast as
 * WebAssembly on long inputs. Loading it costs as much as hashing some megabytes, so it happens after these.
 *
 * @module
 */

import { loadAddon } from "../runtime/native_addon.ts";
import { equalBytes } from "../wire/bytes.ts";
import type { Blake3, Blake3Hasher, Blake3Pieces } from "./blake3.ts";

const PACKAGE = "@napi-rs/blake-hash";
/** Shorter inputs are not worth the call into native code, some 4 µs. */
const LONG = 16 * 1024;
/** Bytes of long inputs after which the package is loaded. */
const LOAD_AFTER = 8 * 1024 * 1024;
/** Short pieces of a longer input are collected up to so many bytes. */
const COLLECTED = 64 * 1024;

/** A hasher of the package. */
interface NativeHasher {
  update(bytes: Uint8Array): unknown;
  digestBuffer(): Uint8Array;
  reset(): void;
}

/** What is used of the package. */
export interface NativeBlake3 {
  /** The hash of `bytes`. */
  blake3(bytes: Uint8Array): Uint8Array;
  /** A hasher at its beginning. */
  readonly Blake3Hasher: new () => NativeHasher;
}

/** The package, where it can be had and hashes as `reference` does. @param load gives a package's exports. */
export function loadNativeBlake3(
  reference: Blake3,
  load: (name: string) => unknown = loadAddon,
): NativeBlake3 | undefined {
  try {
    const native = load(PACKAGE) as NativeBlake3 | undefined;
    if (native === undefined) return undefined;
    const bytes = Uint8Array.from({ length: 5000 }, (_, i) => i % 251);
    const hasher = new native.Blake3Hasher();
    hasher.update(bytes);
    const expected = reference.hash(bytes);
    const isRight = [native.blake3(bytes), hasher.digestBuffer()].every((hash) => equalBytes(hash, expected));
    return isRight ? native : undefined;
  } catch {
    // Another version, with other functions.
    return undefined;
  }
}

/** The driver that is `base` at first and native once that pays. */
export class AcceleratedBlake3 implements Blake3 {
  readonly pieces?: Blake3Pieces;
  #native: NativeBlake3 | undefined;
  /** Bytes still to be hashed until the package is loaded. */
  #untilLoad: number;

  /** @param load gives the native code. @param loadAfter bytes of long inputs before that. */
  constructor(
    readonly base: Blake3,
    readonly load: (base: Blake3) => NativeBlake3 | undefined = loadNativeBlake3,
    loadAfter: number = LOAD_AFTER,
  ) {
    this.#untilLoad = loadAfter;
    const { pieces } = base;
    if (pieces === undefined) return;
    this.pieces = {
      hash: (bytes, position) =>
        this.nativeFor(bytes.length) === undefined
          ? pieces.hash(bytes, position)
          : { hash: this.hash(bytes), part: pieces.part(bytes, position) },
      part: pieces.part.bind(pieces),
      join: pieces.join.bind(pieces),
    };
  }

  get name(): string {
    return this.#native === undefined ? this.base.name : "native";
  }

  expect(bytes: number): void {
    this.nativeFor(bytes);
  }

  hash(bytes: Uint8Array): Uint8Array {
    const native = this.nativeFor(bytes.length);
    return native === undefined ? this.base.hash(bytes) : plain(native.blake3(bytes));
  }

  async createHasher(): Promise<Blake3Hasher> {
    return new AcceleratedHasher(this, await this.base.createHasher());
  }

  /** The native code for an input, or a piece of one, of `length` bytes; `undefined` when it does not pay. */
  nativeFor(length: number): NativeBlake3 | undefined {
    if (length < LONG) return undefined;
    if (this.#untilLoad > 0) {
      this.#untilLoad -= length;
      if (this.#untilLoad <= 0) this.#native = this.load(this.base);
    }
    return this.#native;
  }

  /** The native code when it was loaded. */
  get native(): NativeBlake3 | undefined {
    return this.#native;
  }
}

class AcceleratedHasher implements Blake3Hasher {
  readonly #owner: AcceleratedBlake3;
  readonly #base: Blake3Hasher;
  #collecting: CollectingHasher | undefined;
  /** The one that has the state; none before the first piece. */
  #used: Blake3Hasher | undefined;

  constructor(owner: AcceleratedBlake3, base: Blake3Hasher) {
    this.#owner = owner;
    this.#base = base;
  }

  update(bytes: Uint8Array): this {
    this.#owner.nativeFor(bytes.length);
    (this.#used ??= this.#choose()).update(bytes);
    return this;
  }

  digest(): Uint8Array {
    return (this.#used ?? this.#base.reset()).digest();
  }

  reset(): this {
    this.#used = undefined;
    return this;
  }

  #choose(): Blake3Hasher {
    const { native } = this.#owner;
    if (native === undefined) return this.#base.reset();
    this.#collecting ??= new CollectingHasher(new native.Blake3Hasher());
    return this.#collecting.reset();
  }
}

/** Gives native code few long pieces instead of many short ones. */
class CollectingHasher implements Blake3Hasher {
  readonly #native: NativeHasher;
  readonly #collected = new Uint8Array(COLLECTED);
  #length = 0;

  constructor(native: NativeHasher) {
    this.#native = native;
  }

  update(bytes: Uint8Array): this {
    if (bytes.length > COLLECTED - this.#length || bytes.length >= LONG) this.#flush();
    if (bytes.length >= LONG) {
      this.#native.update(bytes);
    } else {
      this.#collected.set(bytes, this.#length);
      this.#length += bytes.length;
    }
    return this;
  }

  digest(): Uint8Array {
    this.#flush();
    return plain(this.#native.digestBuffer());
  }

  reset(): this {
    this.#native.reset();
    this.#length = 0;
    return this;
  }

  #flush(): void {
    if (this.#length > 0) this.#native.update(this.#collected.subarray(0, this.#length));
    this.#length = 0;
  }
}

/** Not as a Buffer, whose `slice` copies nothing. */
function plain(hash: Uint8Array): Uint8Array {
  return new Uint8Array(hash);
}
