/**
 * The first bytes of every stream (`protocol.md` 4): varint protocol number, varint priority, varint weight.
 *
 * @module
 */

import { DecodeError } from "../errors.ts";
import { varintLength, VarintReader, writeVarint } from "../wire/varint.ts";
import { PRIORITIES } from "./config.ts";
import type { StreamHeader } from "./stream.ts";

/** Three varints of eight bytes. */
export const MAX_STREAM_HEADER = 24;
const MAX_WEIGHT = 256;

/** Encodes a header. */
export function encodeStreamHeader(header: StreamHeader): Uint8Array {
  const { protocol, priority, weight } = header;
  const out = new Uint8Array(varintLength(protocol) + varintLength(priority) + varintLength(weight));
  writeVarint(out, writeVarint(out, writeVarint(out, 0, protocol), priority), weight);
  return out;
}

/**
 * Decodes a header from the first bytes of a stream; `undefined` while they are too few. Throws
 * {@linkcode DecodeError} when priority or weight are out of range.
 */
export function decodeStreamHeader(bytes: Uint8Array): { header: StreamHeader; length: number } | undefined {
  let need = 0;
  for (let i = 0; i < 3; i++) {
    if (need >= bytes.length) return undefined;
    need += 1 << (bytes[need] >>> 6);
  }
  if (need > bytes.length) return undefined;
  const reader = new VarintReader(bytes);
  const header = { protocol: reader.varint(), priority: reader.varint(), weight: reader.varint() };
  if (header.priority >= PRIORITIES || header.weight < 1 || header.weight > MAX_WEIGHT) {
    throw new DecodeError(
      `Decode stream header: priority ${header.priority} or weight ${header.weight} is out of range`,
    );
  }
  return { header, length: reader.at };
}
