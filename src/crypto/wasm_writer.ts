/**
 * Writes WebAssembly modules of one function: as much of the binary format as a kernel with 128-bit vectors needs
 * (WebAssembly 2.0, chapter 5). An assembler in place of a binary in the repository: what runs can be read.
 *
 * @module
 */

const TYPE_I32 = 0x7f;
const TYPE_I64 = 0x7e;
const TYPE_V128 = 0x7b;
/** A block or loop that leaves no value. */
const NO_RESULT = 0x40;
const VECTOR = 0xfd;

/** Instructions without operands in the code. */
const PLAIN = {
  add: [0x6a],
  sub: [0x6b],
  shiftLeft: [0x74],
  shiftRight: [0x76],
  and: [0x71],
  lessThan: [0x49],
  longAdd: [0x7c],
  longSub: [0x7d],
  longMul: [0x7e],
  longAnd: [0x83],
  longOr: [0x84],
  longXor: [0x85],
  longShiftRight: [0x88],
  extend: [0xad],
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
  /** Written by index: kernels are thousands of instructions, and programs wait for them when they start. */
  #code = new Uint8Array(16 * 1024);
  #length = 0;
  /** Where in the code the numbers of locals are. */
  readonly #places: number[] = [];
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

  /** A new local for a 64-bit integer. */
  long(): Local {
    return this.#parameters + this.#types.push(TYPE_I64) - 1;
  }

  /** A new local for a vector. */
  vector(): Local {
    return this.#parameters + this.#types.push(TYPE_V128) - 1;
  }

  /** Pushes the values of locals. */
  get(...locals: readonly Local[]): this {
    for (const local of locals) this.#access(0x20, local);
    return this;
  }

  /** Pops a value into a local. */
  set(local: Local): this {
    return this.#access(0x21, local);
  }

  /** Puts the topmost value into a local and leaves it. */
  tee(local: Local): this {
    return this.#access(0x22, local);
  }

  /** Pushes a 32-bit integer. */
  constant(value: number): this {
    return this.#byte(0x41).#signed(value);
  }

  /** Pushes a 64-bit integer. */
  longConstant(value: number): this {
    return this.#byte(0x42).#signed(value);
  }

  /** Pushes a vector of four equal 32-bit integers. */
  vectorConstant(value: number): this {
    return this.vectorConstants([value, value, value, value]);
  }

  /** Pushes a vector of four 32-bit integers. */
  vectorConstants(values: readonly number[]): this {
    this.#byte(VECTOR).#byte(0x0c);
    for (const value of values) {
      this.#byte(value & 255).#byte((value >>> 8) & 255).#byte((value >>> 16) & 255).#byte(value >>> 24);
    }
    return this;
  }

  /** Runs instructions without operands in the code. */
  do(...names: readonly (keyof typeof PLAIN)[]): this {
    for (const name of names) {
      for (const byte of PLAIN[name]) this.#byte(byte);
    }
    return this;
  }

  /** Pops an address and pushes the integer at it plus `offset`. */
  load(offset: number): this {
    return this.#byte(0x28).#byte(2).#unsigned(offset);
  }

  /** Pops an address and pushes the 32-bit integer at it plus `offset` as a 64-bit one. */
  longLoad(offset: number): this {
    return this.#byte(0x35).#byte(2).#unsigned(offset);
  }

  /** Pops a 64-bit integer and an address under it and stores the low half of the one at the other plus `offset`. */
  longStoreLow(offset: number): this {
    return this.#byte(0x3e).#byte(2).#unsigned(offset);
  }

  /** Pops an address and pushes four times the 32-bit integer at it plus `offset`. */
  splatLoad(offset: number): this {
    return this.#byte(VECTOR).#byte(0x09).#byte(2).#unsigned(offset);
  }

  /** Pops an address and pushes the vector at it plus `offset`. */
  vectorLoad(offset: number): this {
    return this.#byte(VECTOR).#byte(0x00).#byte(0).#unsigned(offset);
  }

  /** Pops a vector and an address under it and stores the one at the other plus `offset`. */
  vectorStore(offset: number): this {
    return this.#byte(VECTOR).#byte(0x0b).#byte(0).#unsigned(offset);
  }

  /** Pops two vectors and pushes 16 of their 32 bytes, by number. */
  shuffle(bytes: readonly number[]): this {
    this.#byte(VECTOR).#byte(0x0d);
    for (const byte of bytes) this.#byte(byte);
    return this;
  }

  /** Repeats `body` for as long as it leaves a number that is not 0. */
  loop(body: () => void): this {
    this.#byte(0x03).#byte(NO_RESULT);
    body();
    return this.#byte(0x0d).#byte(0).#byte(0x0b);
  }

  /** Pops a number and runs `body` if it is not 0. */
  when(body: () => void): this {
    this.#byte(0x04).#byte(NO_RESULT);
    body();
    return this.#byte(0x0b);
  }

  /** Where the next instruction will be. */
  get position(): number {
    return this.#length;
  }

  /**
   * Writes what stands from `begin` to `end` once more, with other locals where `renamed` names others: many times as
   * fast as to write it anew.
   */
  copy(begin: number, end: number, renamed: ReadonlyMap<Local, Local>): void {
    const moved = this.#length - begin;
    while (this.#length + end - begin > this.#code.length) this.#grow();
    this.#code.copyWithin(this.#length, begin, end);
    this.#length += end - begin;
    for (const place of this.#places.filter((place) => place >= begin && place < end)) {
      const local = this.#code[place];
      this.#code[place + moved] = renamed.get(local) ?? local;
      this.#places.push(place + moved);
    }
  }

  /** An instruction with a local, of which there are fewer than 128. */
  #access(instruction: number, local: Local): this {
    this.#byte(instruction).#byte(local);
    this.#places.push(this.#length - 1);
    return this;
  }

  /** The module: it imports `env.memory` and exports the function as `run`. */
  module(): Uint8Array<ArrayBuffer> {
    const locals = [...unsigned(this.#types.length), ...this.#types.flatMap((type) => [1, type])];
    this.#byte(0x0b);
    const length = locals.length + this.#length;
    const parameters = Array.from({ length: this.#parameters }, () => TYPE_I32);
    const head = [
      ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...section(1, [1, 0x60, ...counted(parameters), 0]),
      ...section(2, [1, ...name("env"), ...name("memory"), 2, 0, 1]),
      ...section(3, [1, 0]),
      ...section(7, [1, ...name("run"), 0, 0]),
      // The code section holds one function, whose length comes before it, too.
      ...[10, ...unsigned(1 + unsigned(length).length + length), 1, ...unsigned(length), ...locals],
    ];
    const out = new Uint8Array(head.length + this.#length);
    out.set(head);
    out.set(this.#code.subarray(0, this.#length), head.length);
    return out;
  }

  #byte(byte: number): this {
    if (this.#length === this.#code.length) this.#grow();
    this.#code[this.#length++] = byte;
    return this;
  }

  #grow(): void {
    const longer = new Uint8Array(2 * this.#code.length);
    longer.set(this.#code);
    this.#code = longer;
  }

  #unsigned(value: number): this {
    for (; value > 127; value >>>= 7) this.#byte((value & 127) | 128);
    return this.#byte(value);
  }

  #signed(value: number): this {
    for (; value < -64 || value > 63; value = Math.floor(value / 128)) this.#byte((value & 127) | 128);
    return this.#byte(value & 127);
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
