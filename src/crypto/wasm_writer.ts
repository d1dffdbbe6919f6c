/**
 * Writes WebAssembly modules of one function: as much of the binary format as a kernel with 128-bit vectors needs
 * (WebAssembly 2.0, chapter 5). An assembler in place of a binary in the repository: what runs can be read.
 *
 * @module
 */

const TYPE_I32 = 0x7f;
const TYPE_V128 = 0x7b;
/** A block or loop that leaves no value. */
const NO_RESULT = 0x40;
const VECTOR = 0xfd;

/** Instructions without operands in the code. */
const PLAIN = {
  add: [0x6a],
  sub: [0x6b],
  shiftLeft: [0x74],
  lessThan: [0x49],
  vectorAnd: [VECTOR, 0x4e],
  vectorOr: [VECTOR, 0x50],
  vectorXor: [VECTOR, 0x51],
  bitselect: [VECTOR, 0x52],
  splat: [VECTOR, 0x11],
  vectorEqual: [VECTOR, 0x37],
  vectorGreater: [VECTOR, 0x3b],
  vectorShiftLeft: [VECTOR, 0xab, 0x01],
  vectorShiftRight: [VECTOR, 0xad, 0x01],
  vectorAdd: [VECTOR, 0xae, 0x01],
} as const;

/** A local variable or parameter, by its number. */
export type Local = number;

/** Collects the instructions of a function, in the order in which they run: operands first. */
export class FunctionWriter {
  readonly #code: number[] = [];
  readonly #parameters: number;
  readonly #types: number[] = [];

  /** @param parameters how many 32-bit integers the function takes: locals 0, 1 and so on. */
  constructor(parameters: number) {
    this.#parameters = parameters;
  }

  /** A new local for a 32-bit integer. */
  integer(): Local {
    return this.#parameters + this.#types.push(TYPE_I32) - 1;
  }

  /** A new local for a vector. */
  vector(): Local {
    return this.#parameters + this.#types.push(TYPE_V128) - 1;
  }

  /** Pushes the values of locals. */
  get(...locals: readonly Local[]): this {
    for (const local of locals) this.#code.push(0x20, ...unsigned(local));
    return this;
  }

  /** Pops a value into a local. */
  set(local: Local): this {
    this.#code.push(0x21, ...unsigned(local));
    return this;
  }

  /** Puts the topmost value into a local and leaves it. */
  tee(local: Local): this {
    this.#code.push(0x22, ...unsigned(local));
    return this;
  }

  /** Pushes a 32-bit integer. */
  constant(value: number): this {
    this.#code.push(0x41, ...signed(value));
    return this;
  }

  /** Pushes a vector of four equal 32-bit integers. */
  vectorConstant(value: number): this {
    const bytes = [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
    this.#code.push(VECTOR, 0x0c, ...bytes, ...bytes, ...bytes, ...bytes);
    return this;
  }

  /** Runs instructions without operands in the code. */
  do(...names: readonly (keyof typeof PLAIN)[]): this {
    for (const name of names) this.#code.push(...PLAIN[name]);
    return this;
  }

  /** Pops an address and pushes the integer at it plus `offset`. */
  load(offset: number): this {
    this.#code.push(0x28, 2, ...unsigned(offset));
    return this;
  }

  /** Pops an address and pushes the vector at it plus `offset`. */
  vectorLoad(offset: number): this {
    this.#code.push(VECTOR, 0x00, 0, ...unsigned(offset));
    return this;
  }

  /** Pops a vector and an address under it and stores the one at the other plus `offset`. */
  vectorStore(offset: number): this {
    this.#code.push(VECTOR, 0x0b, 0, ...unsigned(offset));
    return this;
  }

  /** Pops two vectors and pushes 16 of their 32 bytes, by number. */
  shuffle(bytes: readonly number[]): this {
    this.#code.push(VECTOR, 0x0d, ...bytes);
    return this;
  }

  /** Repeats `body` for as long as it leaves a number that is not 0. */
  loop(body: () => void): this {
    this.#code.push(0x03, NO_RESULT);
    body();
    this.#code.push(0x0d, 0, 0x0b);
    return this;
  }

  /** The module: it imports `env.memory` and exports the function as `run`. */
  module(): Uint8Array<ArrayBuffer> {
    const locals = this.#types.flatMap((type) => [1, type]);
    const body = [...unsigned(this.#types.length), ...locals, ...this.#code, 0x0b];
    const parameters = Array.from({ length: this.#parameters }, () => TYPE_I32);
    return Uint8Array.from([
      ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...section(1, [1, 0x60, ...counted(parameters), 0]),
      ...section(2, [1, ...name("env"), ...name("memory"), 2, 0, 1]),
      ...section(3, [1, 0]),
      ...section(7, [1, ...name("run"), 0, 0]),
      ...section(10, [1, ...counted(body)]),
    ]);
  }
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...counted(content)];
}

function counted(bytes: readonly number[]): number[] {
  return [...unsigned(bytes.length), ...bytes];
}

function name(text: string): number[] {
  return counted(Array.from(text, (character) => character.charCodeAt(0)));
}

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  return [...bytes, value];
}

function signed(value: number): number[] {
  const bytes: number[] = [];
  for (; value < -64 || value > 63; value >>= 7) bytes.push((value & 127) | 128);
  return [...bytes, value & 127];
}
