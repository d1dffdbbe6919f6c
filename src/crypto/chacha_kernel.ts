/**
 * ChaCha20-Poly1305 (RFC 8439 §2.8) for one short message in WebAssembly. Four blocks of the key stream come at once,
 * one per lane of 128-bit vectors, and while the processor makes them its other units work on the MAC of what came
 * before.
 *
 * @module
 */

import { MAC_BLOCK, Poly1305Writer } from "./poly1305_kernel.ts";
import { mixHalf, QUARTERS, transpose } from "./quarter_round.ts";
import { FunctionWriter, type Local } from "./wasm_writer.ts";

/** Where a message lies in the memory from an address of its own on, and what else lies there. Bytes. */
export const AREA = {
  /** The one-time key of Poly1305 is put here: the first block of the key stream. */
  macKey: 0,
  /** Associated data ends where the message begins, filled up with zeros behind it to a multiple of 16. */
  adEnd: 64,
  /** The message, after which there is room for two more blocks of 16 bytes, rounded up to `group`. */
  message: 64,
} as const;
/** Longest associated data, bytes. */
export const MAX_AD_LENGTH = 32;
/** Bytes of the key stream that are made at once. */
export const GROUP_LENGTH = 256;
/** Length of the table of masks, bytes: ones, then as many zeros. */
export const MASKS_LENGTH = 32;

/**
 * Encrypts or decrypts the `length` bytes at `input` plus `AREA.message` to `output` plus that, and puts the tag of the
 * ciphertext to `tag`. `state` is that of RFC 8439 §2.3 with counter 0. `sealed` is the area of the ciphertext, either
 * `input` or `output`, with `adLength` bytes of associated data before it. `masks` is the table of masks.
 */
export type RunCipher = (
  state: number,
  input: number,
  output: number,
  sealed: number,
  adLength: number,
  length: number,
  masks: number,
  tag: number,
) => void;

const DOUBLE_ROUNDS = 10;
/** Key stream and MAC take turns in parts of a group: so many double rounds ... */
const PART_ROUNDS = 5;
/** ... and so many blocks of the MAC: in all three quarters of a group, so that it never overtakes what is encrypted. */
const PART_BLOCKS = 6;

/** The kernel as a WebAssembly module, whose function `run` is a {@linkcode RunCipher}. */
export function chachaKernel(): Uint8Array<ArrayBuffer> {
  const [state, input, output, sealed, adLength, length, masks, tag] = [0, 1, 2, 3, 4, 5, 6, 7];
  const write = new FunctionWriter(8);
  const [from, to, groups, times, blocks, end] = Array.from({ length: 6 }, () => write.integer());
  const stream = new KeyStream(write, state);
  const mac = new Poly1305Writer(write);

  write.get(input).set(from).get(output).set(to);
  stream.begin();
  write.constant(DOUBLE_ROUNDS).set(times);
  write.loop(() => {
    stream.doubleRound();
    write.get(times).constant(1).do("sub").tee(times);
  });
  stream.finish(from, to);
  mac.begin(output, AREA.macKey);

  // The MAC begins at the associated data: sealed + AREA.adEnd - its length rounded up.
  write.get(adLength).constant(MAC_BLOCK - 1).do("add").constant(-MAC_BLOCK).do("and").set(blocks);
  write.get(sealed).constant(AREA.adEnd).do("add").get(blocks).do("sub").set(mac.at);

  // (AREA.message + length + GROUP_LENGTH - 1) / GROUP_LENGTH - 1
  write.get(length).constant(AREA.message - 1).do("add").constant(8).do("shiftRight").tee(groups);
  write.when(() =>
    write.loop(() => {
      stream.begin();
      write.constant(DOUBLE_ROUNDS / PART_ROUNDS).set(times);
      write.loop(() => {
        for (let i = 0; i < PART_BLOCKS; i++) {
          if (i < PART_ROUNDS) stream.doubleRound();
          mac.block();
        }
        write.get(times).constant(1).do("sub").tee(times);
      });
      stream.finish(from, to);
      write.get(groups).constant(1).do("sub").tee(groups);
    })
  );

  // What is behind the last byte counts as zeros, up to a multiple of 16; then come both lengths (RFC 8439 §2.8).
  write.get(sealed, length).constant(-MAC_BLOCK).do("and", "add").tee(end);
  write.get(end).vectorLoad(AREA.message);
  write.get(masks).constant(MAC_BLOCK).do("add").get(length).constant(MAC_BLOCK - 1).do("and", "sub");
  write.vectorLoad(0).do("vectorAnd").vectorStore(AREA.message);
  write.get(sealed, length).constant(MAC_BLOCK - 1).do("add").constant(-MAC_BLOCK).do("and", "add").tee(end);
  write.vectorConstant(0).vectorStore(AREA.message);
  write.get(end, adLength).do("extend").longStoreLow(AREA.message);
  write.get(end, length).do("extend").longStoreLow(AREA.message + 8);

  // (end + AREA.message + 16 - at) / 16 blocks are left, one at least.
  write.get(end).constant(AREA.message + MAC_BLOCK).do("add").get(mac.at).do("sub").constant(4);
  write.do("shiftRight").set(blocks);
  write.loop(() => {
    mac.block();
    write.get(blocks).constant(1).do("sub").tee(blocks);
  });
  mac.finish(output, AREA.macKey, tag);
  return write.module();
}

/** The key stream, four blocks at a time. */
class KeyStream {
  readonly #x: readonly Local[];
  readonly #spare: readonly Local[];
  readonly #counter: Local;
  #isFirst = true;

  constructor(readonly write: FunctionWriter, readonly state: Local) {
    const vectors = (count: number) => Array.from({ length: count }, () => write.vector());
    this.#x = vectors(16);
    this.#spare = vectors(4);
    this.#counter = write.vector();
  }

  begin(): void {
    const { write, state } = this;
    if (this.#isFirst) write.vectorConstants([0, 1, 2, 3]).set(this.#counter);
    else write.get(this.#counter).vectorConstant(4).do("vectorAdd").set(this.#counter);
    for (const [i, x] of this.#x.entries()) {
      if (i === 12) write.get(this.#counter).set(x);
      else write.get(state).splatLoad(4 * i).set(x);
    }
  }

  /** RFC 8439 §2.3: quarter rounds of two columns or diagonals side by side. */
  doubleRound(): void {
    const { write } = this;
    for (let i = 0; i < QUARTERS.length; i += 2) {
      const pair = [i, i + 1].map((q) => ({
        state: QUARTERS[q].map((word) => this.#x[word]),
        spare: this.#spare[q - i],
      }));
      for (const half of [0, 1] as const) {
        for (const { state: [a, b] } of pair) write.get(a, b).do("vectorAdd").set(a);
        mixHalf(write, pair, half, "left");
      }
    }
  }

  /** Puts what is at `from` with the key stream to `to`, and both forward. Of the first block half is the MAC's key. */
  finish(from: Local, to: Local): void {
    const { write, state } = this;
    for (const [i, x] of this.#x.entries()) {
      write.get(x);
      if (i === 12) write.get(this.#counter);
      else write.get(state).splatLoad(4 * i);
      write.do("vectorAdd").set(x);
    }
    for (let part = 0; part < 4; part++) {
      const four = this.#x.slice(4 * part, 4 * part + 4);
      transpose(write, four, this.#spare);
      for (const [block, vector] of four.entries()) {
        const at = 64 * block + 16 * part;
        if (!this.#isFirst || block > 0) {
          write.get(to, from).vectorLoad(at).get(vector).do("vectorXor").vectorStore(at);
        } else if (part < 2) {
          write.get(to, vector).vectorStore(AREA.macKey + at);
        }
      }
    }
    for (const pointer of [from, to]) write.get(pointer).constant(GROUP_LENGTH).do("add").set(pointer);
    this.#isFirst = false;
  }
}
