import assert from "node:assert/strict";
import { concatBytes } from "../../src/wire/bytes.ts";

/** A stream of `bytes`, in pieces of the given sizes, or in one. */
export function streamOf(
  bytes: Uint8Array,
  sizes: readonly number[] = [bytes.length],
): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      let at = 0;
      for (const size of sizes) controller.enqueue(bytes.slice(at, at += size));
      controller.close();
    },
  });
}

/** All bytes of a stream. */
export async function collect(stream: ReadableStream<Uint8Array> | undefined): Promise<Uint8Array> {
  assert(stream !== undefined);
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return concatBytes(pieces);
}
