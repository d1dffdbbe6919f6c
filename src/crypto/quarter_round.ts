/**
 * What the kernels of BLAKE3 and ChaCha20 have in common: a state of sixteen words, each a vector with one word per
 * lane, mixed in columns and diagonals (RFC 8439 §2.1, BLAKE3 specification 2.2).
 *
 * @module
 */

import type { FunctionWriter, Local } from "./wasm_writer.ts";

/** The words of the state that each quarter round mixes: columns, then diagonals. */
export const QUARTERS: readonly (readonly number[])[] = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
];

const words = (...numbers: readonly number[]) =>
  numbers.flatMap((n) => [4 * n, 4 * n + 1, 4 * n + 2, 4 * n + 3]);
const LOW_WORDS = words(0, 4, 1, 5);
const HIGH_WORDS = words(2, 6, 3, 7);
const LOW_PAIRS = words(0, 1, 4, 5);
const HIGH_PAIRS = words(2, 3, 6, 7);

/** Rotations to the right by whole bytes are moves of bytes. */
const rotatedBytes = (by: number) =>
  [0, 4, 8, 12].flatMap((at) => [0, 1, 2, 3].map((i) => at + (i + by) % 4));
/** By how much each half of a quarter round rotates: a move of bytes, and bits. */
const ROTATIONS = {
  /** BLAKE3. */
  right: [[rotatedBytes(2), 12], [rotatedBytes(1), 7]],
  /** ChaCha20. */
  left: [[rotatedBytes(2), 12], [rotatedBytes(3), 7]],
} as const;

/** The locals of a quarter round: four words of the state, and one to work with. */
export interface Quarter {
  readonly state: readonly Local[];
  readonly spare: Local;
}

/**
 * Half of quarter rounds side by side, but for the sum in the first word. Two fill the processor best: one would wait
 * for its own results, four do not fit into its registers.
 */
export function mixHalf(
  write: FunctionWriter,
  quarters: readonly Quarter[],
  half: 0 | 1,
  direction: keyof typeof ROTATIONS,
): void {
  const [bytes, bits] = ROTATIONS[direction][half];
  const [there, back] = direction === "right"
    ? ["vectorShiftRight", "vectorShiftLeft"] as const
    : ["vectorShiftLeft", "vectorShiftRight"] as const;
  for (const { state: [a, , , d] } of quarters) {
    write.get(d, a).do("vectorXor").tee(d).get(d).shuffle(bytes).set(d);
  }
  for (const { state: [, , c, d] } of quarters) write.get(c, d).do("vectorAdd").set(c);
  for (const { state: [, b, c], spare } of quarters) {
    write.get(b, c).do("vectorXor").tee(spare).constant(bits).do(there);
    write.get(spare).constant(32 - bits).do(back, "vectorOr").set(b);
  }
}

/** Makes rows of four columns, in place. @param spare four locals to work with. */
export function transpose(write: FunctionWriter, four: readonly Local[], spare: readonly Local[]): void {
  write.get(four[0], four[1]).shuffle(LOW_WORDS).set(spare[0]);
  write.get(four[0], four[1]).shuffle(HIGH_WORDS).set(spare[1]);
  write.get(four[2], four[3]).shuffle(LOW_WORDS).set(spare[2]);
  write.get(four[2], four[3]).shuffle(HIGH_WORDS).set(spare[3]);
  write.get(spare[0], spare[2]).shuffle(LOW_PAIRS).set(four[0]);
  write.get(spare[0], spare[2]).shuffle(HIGH_PAIRS).set(four[1]);
  write.get(spare[1], spare[3]).shuffle(LOW_PAIRS).set(four[2]);
  write.get(spare[1], spare[3]).shuffle(HIGH_PAIRS).set(four[3]);
}
