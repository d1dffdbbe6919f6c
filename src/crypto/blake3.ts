/**
 * BLAKE3 (plain hash mode, 32 bytes out): the address of every chunk. A fast WebAssembly driver where the runtime
 * has WebAssembly, `@noble/hashes` where it has not, native code for long inputs where that is installed; all give
 * the same bytes.
 *
 * @module
 */

import { nobleBlake3 } from "./blake3_noble.ts";
import { AcceleratedBlake3 } from "./blake3_native.ts";
import { wasmBlake3 } from "./blake3_wasm.ts";

export { nobleBlake3 } from "./blake3_noble.ts";

/** Length of a BLAKE3 hash, bytes. */
export const HASH_LENGTH = 32;

/** Hashes bytes that arrive in pieces. One at a time: it holds the state of a single hash. */
export interface Blake3Hasher {
  /** Takes more input. The bytes may be changed after the call. */
  update(bytes: Uint8Array): this;
  /** The hash of all input since the last `reset`, as a new array. Call `reset` before the next `update`. */
  digest(): Uint8Array;
  /** Forgets all input. */
  reset(): this;
}

/** A piece of a longer input. */
export interface HashedPiece {
  /** Its own hash. */
  readonly hash: Uint8Array;
  /** What it is in the hash tree of the whole: a chaining value. */
  readonly part: Uint8Array;
}

/**
 * The pieces of a long input hashed in any order, on several threads or on one, and joined to the hash of the whole:
 * BLAKE3 is a tree.
 */
export interface Blake3Pieces {
  /**
   * Hashes a piece that begins at byte `position`. All pieces of an input but its last have the same length, 1024
   * times a power of two.
   */
  hash(bytes: Uint8Array, position: number): HashedPiece;
  /** Only what it is in the hash of the whole. */
  part(bytes: Uint8Array, position: number): Uint8Array;
  /** The hash of the whole, which has two pieces at least. */
  join(parts: readonly Uint8Array[]): Uint8Array;
}

/** A BLAKE3 driver. */
export interface Blake3 {
  /** Which driver this is, for logs and metrics: `native`, `wasm` or `noble`. */
  readonly name: string;
  /** The hash of `bytes` at once, as a new array. */
  hash(bytes: Uint8Array): Uint8Array;
  /** A new hasher, ready for `update`. Making one costs tens of microseconds: keep and `reset` it. */
  createHasher(): Promise<Blake3Hasher>;
  /** Tells that so many bytes are to be hashed: a driver that takes time to get ready does it when they are many. */
  expect?(bytes: number): void;
  /** Hashes pieces of long inputs; absent where the driver cannot. */
  readonly pieces?: Blake3Pieces;
}

let loading: Promise<Blake3> | undefined;

/**
 * The fastest driver that works here. It is loaded on the first call and shared by all later ones.
 *
 * @example
 * ```ts
 * import { loadBlake3 } from "./blake3.ts";
 *
 * const blake3 = await loadBlake3();
 * const address = blake3.hash(new Uint8Array(0));
 * ```
 */
export function loadBlake3(): Promise<Blake3> {
  loading ??= Promise.resolve().then(newBlake3);
  return loading;
}

/** As {@linkcode loadBlake3}, at once and not shared: for a thread of its own. */
export function newBlake3(): Blake3 {
  return new AcceleratedBlake3(portableBlake3());
}

/** The fastest driver that needs no native code. */
export function portableBlake3(): Blake3 {
  try {
    return wasmBlake3();
  } catch {
    // A runtime may lack WebAssembly or forbid compiling it; the slow driver is then the only one, and enough.
    return nobleBlake3();
  }
}
