/**
 * What is fuzzed, and how: cases made from seeds, replayed from recordings, cut down to what still fails.
 *
 * @module
 */

import { toHex } from "../../src/wire/bytes.ts";

/** The inputs of one case: made up as it goes on, or those of a recording. */
export class Feed {
  /** Everything that was given. */
  readonly given: Uint8Array[] = [];
  readonly #recording: readonly Uint8Array[] | undefined;

  constructor(recording?: readonly Uint8Array[]) {
    this.#recording = recording;
  }

  /** The next input: `make` makes it, unless this is a recording; `undefined` at its end. */
  next(make: () => Uint8Array): Uint8Array | undefined {
    const input = this.#recording === undefined ? make() : this.#recording[this.given.length];
    if (input !== undefined) this.given.push(input);
    return input;
  }
}

/** Something that takes hostile input. */
export interface FuzzTarget {
  readonly name: string;
  /** Inputs of a case: one for a parser, more where a case is the life of a session. */
  readonly inputsPerCase: number;
  /** Part of a run over all targets that is this one's. */
  readonly share: number;
  /**
   * Runs the case of a seed: takes `inputsPerCase` inputs, or as many as the feed has, and throws when anything is not
   * as it should be. The same seed and inputs give the same run.
   */
  run(seed: number, feed: Feed): void;
}

/** A case that failed, with what is needed to look into it. */
export class FuzzFailure extends Error {
  constructor(
    readonly target: string,
    readonly seed: number,
    readonly inputs: readonly Uint8Array[],
    cause: unknown,
  ) {
    const hex = inputs.map((input) => `    ${toHex(input).slice(0, MAX_HEX) || "(empty)"}`).join("\n");
    super(
      `target "${target}", seed ${seed}: ${
        cause instanceof Error ? `${cause.name}: ${cause.message}` : cause
      }\n` +
        `  again: deno task fuzz --target ${target} --seed ${seed} --inputs 1\n` +
        `  smallest input found (${inputs.length}, hex):\n${hex}`,
      { cause },
    );
  }
}

/** Runs of a case at most while a failing one is cut down. */
const MAX_SHRINKS = 500;
/** Bytes of hex that a failure shows of one input. */
const MAX_HEX = 4_000;

/** Gives a target at least `inputs` inputs: the cases of `seed` and the seeds after it. Returns how many it took. */
export function fuzz(target: FuzzTarget, inputs: number, seed: number): number {
  let taken = 0;
  for (let n = seed; taken < inputs; n++) {
    const feed = new Feed();
    const error = failureOf(target, n, feed);
    if (error !== undefined) {
      throw new FuzzFailure(target.name, n, shrink(target, n, feed.given), error.cause);
    }
    taken += Math.max(1, feed.given.length);
  }
  return taken;
}

function failureOf(target: FuzzTarget, seed: number, feed: Feed): { cause: unknown } | undefined {
  try {
    target.run(seed, feed);
  } catch (cause) {
    return { cause };
  }
}

/** Leaves out inputs, then parts of inputs, as long as the case fails. */
function shrink(target: FuzzTarget, seed: number, inputs: readonly Uint8Array[]): readonly Uint8Array[] {
  let runs = 0;
  const fails = (candidate: readonly Uint8Array[]) =>
    runs++ < MAX_SHRINKS && failureOf(target, seed, new Feed(candidate)) !== undefined;
  let best = without(inputs, fails);
  for (let i = 0; i < best.length; i++) {
    const shorter = without([...best[i]], (bytes) => fails(best.with(i, Uint8Array.from(bytes))));
    best = best.with(i, Uint8Array.from(shorter));
  }
  return best;
}

/** The list without what can be missing: ever smaller runs of items are tried (ddmin, Zeller 1999). */
function without<T>(list: readonly T[], fails: (candidate: readonly T[]) => boolean): readonly T[] {
  for (let size = Math.ceil(list.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < list.length;) {
      const candidate = [...list.slice(0, at), ...list.slice(at + size)];
      if (fails(candidate)) list = candidate;
      else at += size;
    }
  }
  return list;
}
