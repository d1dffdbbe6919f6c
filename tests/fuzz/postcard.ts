/**
 * The postcard reader against a second one that is written for clarity: slow, of BigInt, without views.
 *
 * @module
 */

import assert from "node:assert/strict";
import { DecodeError } from "../../src/errors.ts";
import { toHex } from "../../src/wire/bytes.ts";
import { PostcardReader, PostcardWriter } from "../../src/wire/postcard.ts";
import { Prng } from "../sim/prng.ts";
import { mutate } from "./mutate.ts";
import type { FuzzTarget } from "./target.ts";

/** What can be read; `fixed` reads five bytes. */
const KINDS = ["u8", "u32", "u64", "bigU64", "fixed", "bytes", "string"] as const;
type Kind = typeof KINDS[number];
const FIXED = 5;

/** One value as text; throws `RangeError` when there is none. */
function model(bytes: number[], kind: Kind): string {
  const take = (count: bigint): number[] => {
    if (count > BigInt(bytes.length)) throw new RangeError("too short");
    return bytes.splice(0, Number(count));
  };
  const varint = (bits: number): bigint => {
    let value = 0n;
    for (let shift = 0; shift < bits; shift += 7) {
      const [byte] = take(1n);
      value |= BigInt(byte & 0x7f) << BigInt(shift);
      if (byte < 0x80) {
        if (value >= 1n << BigInt(bits)) break;
        return value;
      }
    }
    throw new RangeError("varint too long");
  };
  const u64 = (): bigint => {
    const value = varint(64);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError("beyond 2^53");
    return value;
  };
  switch (kind) {
    case "u8":
      return String(take(1n)[0]);
    case "u32":
      return String(varint(32));
    case "u64":
      return String(u64());
    case "bigU64":
      return String(varint(64));
    case "fixed":
      return toHex(Uint8Array.from(take(BigInt(FIXED))));
    case "bytes":
      return toHex(Uint8Array.from(take(u64())));
    case "string":
      try {
        return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
          Uint8Array.from(take(u64())),
        );
      } catch {
        throw new RangeError("not UTF-8");
      }
  }
}

function real(reader: PostcardReader, kind: Kind): string {
  if (kind === "fixed") return toHex(reader.fixed(FIXED));
  if (kind === "bytes") return toHex(reader.bytes());
  return String(reader[kind]());
}

/** A few values of kinds drawn at random, with the kinds in front. */
function sample(random: Prng): Uint8Array {
  const kinds = Array.from({ length: 1 + random.int(6) }, () => random.int(KINDS.length));
  const writer = new PostcardWriter().u8(kinds.length);
  for (const kind of kinds) writer.u8(kind);
  for (const kind of kinds) {
    const number = Math.floor(2 ** (random.next() * 53));
    if (KINDS[kind] === "u8") writer.u8(random.int(256));
    else if (KINDS[kind] === "u32") writer.varint(number % 2 ** 32);
    else if (KINDS[kind] === "u64") writer.varint(number);
    else if (KINDS[kind] === "bigU64") writer.varint(BigInt(number) << BigInt(random.int(12)));
    else if (KINDS[kind] === "fixed") writer.fixed(random.bytes(FIXED));
    else if (KINDS[kind] === "bytes") writer.bytes(random.bytes(random.int(30)));
    else writer.string("aß€😀".repeat(random.int(3)));
  }
  return writer.finish().slice();
}

/** See the module. */
export const POSTCARD: FuzzTarget = {
  name: "postcard",
  share: 4,
  inputsPerCase: 1,
  run(seed, feed) {
    const input = feed.next(() => {
      const random = new Prng(seed);
      return mutate(random, [sample(random), sample(random)]);
    })!;
    const count = (input[0] ?? 0) % 8;
    const kinds = [...input.subarray(1, 1 + count)].map((kind) => KINDS[kind % KINDS.length]);
    const reader = new PostcardReader(input.subarray(1 + count), "input");
    const rest = [...input.subarray(1 + count)];
    for (const kind of kinds) {
      let wanted: string | undefined;
      try {
        wanted = model(rest, kind);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
      }
      if (wanted === undefined) {
        assert.throws(() => real(reader, kind), DecodeError, kind);
        return;
      }
      assert.equal(real(reader, kind), wanted, kind);
      assert.equal(reader.remaining, rest.length);
    }
  },
};
