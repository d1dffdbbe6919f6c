/**
 * File calls of a helping thread, Deno driver: nothing of Node's is loaded.
 *
 * @module
 */

import type { FileCalls } from "./file_calls.ts";
import { ownLook } from "./own_look_deno.ts";

/** Deno's own calls. */
export const fileCalls: FileCalls = {
  makeDirectory: (path) => Deno.mkdirSync(path),
  makeFile(path, bytes, mode, durable) {
    if (durable) return makeDurably(path, bytes, mode);
    Deno.writeFileSync(path, bytes, mode === undefined ? { createNew: true } : { createNew: true, mode });
  },
  linkFile: (from, to) => Deno.linkSync(from, to),
  removeFile: (path) => Deno.removeSync(path),
  removeTree: (path) => Deno.removeSync(path, { recursive: true }),
  look: ownLook,
};

function makeDurably(path: string, bytes: Uint8Array, mode: number | undefined): void {
  using file = Deno.openSync(path, { write: true, createNew: true, mode });
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  file.syncSync();
}
