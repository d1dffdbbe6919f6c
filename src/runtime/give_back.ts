/**
 * Memory of large arrays that nobody needs any more.
 *
 * @module
 */

/** From this size on an array is worth giving back at once. */
const FREE_FROM = 8 * 1024;

/** What the newest runtimes have (ES2024), Node from version 21 on. */
const { transfer } = ArrayBuffer.prototype as {
  transfer?: (this: ArrayBufferLike, length: number) => unknown;
};

/**
 * Gives the memory of an array back that nobody will look at again. The garbage collector would let tens of megabytes of
 * them come together, for it does not see how large they are, and then look through all of the heap for them.
 */
export function giveBack(bytes: Uint8Array): void {
  // Small ones may lie in a pool of the runtime.
  if (bytes.length < FREE_FROM || bytes.buffer.byteLength !== bytes.length) return;
  transfer?.call(bytes.buffer, 0);
}

/**
 * Where arrays cannot be given back, lets a heap of ten megabytes grow by sixty before all of it is looked through, not
 * by ten: on Node 20 that took a third of the processor time of a transfer. For programs of their own, since it counts
 * for the whole process.
 */
export async function letHeapGrow(): Promise<void> {
  if (transfer !== undefined) return;
  const { setFlagsFromString } = await import("node:v8");
  setFlagsFromString("--heap-growing-percent=600");
}
