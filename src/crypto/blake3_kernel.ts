/**
 * The compression function of BLAKE3 (specification 2.2) in WebAssembly, for four inputs at once, one per lane of
 * 128-bit vectors: four chunks or four parent nodes cost hardly more than one.
 *
 * @module
 */

import { mixHalf, type Quarter, QUARTERS, transpose } from "./quarter_round.ts";
import { FunctionWriter, type Local } from "./wasm_writer.ts";

/** Inputs of one group. */
export const LANES = 4;
/** Length of a block, bytes. */
export const BLOCK_LENGTH = 64;
/** Length of a chaining value, bytes. */
export const CV_LENGTH = 32;

/** Flags of a block (specification 2.1, table 3). */
export const FLAG = { chunkStart: 1, chunkEnd: 2, parent: 4, root: 8 } as const;

/** Where in a table, which says what is hashed, each vector lies: one 32-bit integer per lane. Bytes. */
export const TABLE = {
  /** Blocks of the lane's input; 0 for a lane that is not used. */
  blocks: 0,
  /** Bytes that count in the last of them. */
  lastLength: 16,
  /** Flags of the first block, of the last, and of all. */
  firstFlags: 32,
  lastFlags: 48,
  flags: 64,
  /** What the lane's chunk counter is more than the group's. */
  counter: 80,
  /** By how much the counter grows from group to group. */
  counterStep: 96,
  /** One integer, the greatest number of blocks. */
  maxBlocks: 112,
} as const;
/** Length of a table, bytes. */
export const TABLE_LENGTH = 128;

/**
 * Hashes `groups` times four inputs. They begin at the address `input`, each `stride` bytes after the one before. Their
 * chaining values go to `output` one after the other, also those of lanes that are not used.
 */
export type RunKernel = (
  table: number,
  input: number,
  stride: number,
  groups: number,
  counterLow: number,
  counterHigh: number,
  output: number,
) => void;

const IV = [
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19,
];
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const ROUNDS = 7;

/** The kernel as a WebAssembly module, whose function `run` is a {@linkcode RunKernel}. */
export function blake3Kernel(): Uint8Array<ArrayBuffer> {
  const [table, input, stride, groups, counterLow, counterHigh, output] = [0, 1, 2, 3, 4, 5, 6];
  const write = new FunctionWriter(7);
  const pointers = [input, write.integer(), write.integer(), write.integer()];
  const block = write.integer();
  const vectors = (count: number) => Array.from({ length: count }, () => write.vector());
  const chain = vectors(8);
  const state = vectors(16);
  const message = vectors(16);
  const spare = vectors(4);
  const [counter, counterTop, number, isLast] = vectors(4);

  write.get(counterLow).do("splat").get(table).vectorLoad(TABLE.counter).do("vectorAdd").set(counter);
  write.get(counterHigh).do("splat").set(counterTop);
  write.loop(() => {
    for (let lane = 1; lane < LANES; lane++) {
      write.get(pointers[lane - 1], stride).do("add").set(pointers[lane]);
    }
    for (let i = 0; i < 8; i++) write.vectorConstant(IV[i]).set(chain[i]);
    write.constant(0).set(block);
    write.loop(() => {
      loadMessage(write, pointers, message, spare);
      startState();
      const begin = write.position;
      for (let i = 0; i < QUARTERS.length; i += 2) {
        mix(
          write,
          [i, i + 1].map((q) => ({
            state: QUARTERS[q].map((word) => state[word]),
            message: [message[2 * q], message[2 * q + 1]],
            spare: spare[q - i],
          })),
        );
      }
      const end = write.position;
      // The other rounds differ in the order of the words only.
      let order = PERMUTATION;
      for (let round = 1; round < ROUNDS; round++) {
        write.copy(begin, end, new Map(order.map((from, i) => [message[i], message[from]])));
        order = PERMUTATION.map((from) => order[from]);
      }
      // A lane whose input has ended keeps its chaining value.
      write.get(table).vectorLoad(TABLE.blocks).get(number).do("vectorGreater").set(spare[0]);
      for (let i = 0; i < 8; i++) {
        write.get(state[i], state[i + 8]).do("vectorXor").get(chain[i], spare[0]).do("bitselect").set(
          chain[i],
        );
      }
      for (const pointer of pointers) write.get(pointer).constant(BLOCK_LENGTH).do("add").set(pointer);
      write.get(block).constant(1).do("add").tee(block).get(table).load(TABLE.maxBlocks).do("lessThan");
    });
    storeChain();
    write.get(counter, table).vectorLoad(TABLE.counterStep).do("vectorAdd").set(counter);
    // The last pointer is at the end of the last input, where it is `maxBlocks` blocks long: the next group's first
    // begins one stride after the beginning of that.
    nextGroup();
  });
  return write.module();

  function startState(): void {
    for (let i = 0; i < 8; i++) write.get(chain[i]).set(state[i]);
    for (let i = 0; i < 4; i++) write.vectorConstant(IV[i]).set(state[8 + i]);
    write.get(counter).set(state[12]).get(counterTop).set(state[13]);
    write.get(block).do("splat").tee(number).vectorConstant(1).do("vectorAdd");
    write.get(table).vectorLoad(TABLE.blocks).do("vectorEqual").set(isLast);
    write.get(table).vectorLoad(TABLE.lastLength).vectorConstant(BLOCK_LENGTH).get(isLast).do("bitselect");
    write.set(state[14]);
    write.get(table).vectorLoad(TABLE.flags);
    write.get(table).vectorLoad(TABLE.lastFlags).get(isLast).do("vectorAnd", "vectorOr");
    write.get(table).vectorLoad(TABLE.firstFlags);
    write.get(number).vectorConstant(0).do("vectorEqual", "vectorAnd", "vectorOr").set(state[15]);
  }

  function storeChain(): void {
    for (const half of [0, 1]) {
      const four = chain.slice(4 * half, 4 * half + 4);
      transpose(write, four, spare);
      for (let lane = 0; lane < LANES; lane++) {
        write.get(output, four[lane]).vectorStore(lane * CV_LENGTH + half * 16);
      }
    }
    write.get(output).constant(LANES * CV_LENGTH).do("add").set(output);
  }

  function nextGroup(): void {
    // pointers[3] - blocks * 64 + stride
    write.get(pointers[LANES - 1]);
    write.get(stride).do("add");
    write.get(block).constant(6).do("shiftLeft", "sub").set(input);
    write.get(groups).constant(1).do("sub").tee(groups);
  }
}

/** Loads the next block of each lane, and makes vectors of their first words, their second words, and so on. */
function loadMessage(
  write: FunctionWriter,
  pointers: readonly Local[],
  message: readonly Local[],
  spare: readonly Local[],
): void {
  for (let quarter = 0; quarter < 4; quarter++) {
    const four = message.slice(4 * quarter, 4 * quarter + 4);
    for (let lane = 0; lane < LANES; lane++) {
      write.get(pointers[lane]).vectorLoad(16 * quarter).set(four[lane]);
    }
    transpose(write, four, spare);
  }
}

/** The locals of a quarter round with its two words of the message. */
interface MessageQuarter extends Quarter {
  readonly message: readonly Local[];
}

/** Quarter rounds (specification 2.2, function G) side by side. */
function mix(write: FunctionWriter, quarters: readonly MessageQuarter[]): void {
  for (const half of [0, 1] as const) {
    for (const { state: [a, b], message } of quarters) {
      // In this order, because `b` comes from the step before and the message does not.
      write.get(a, message[half]).do("vectorAdd").get(b).do("vectorAdd").set(a);
    }
    mixHalf(write, quarters, half, "right");
  }
}
