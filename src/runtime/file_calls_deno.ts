/**
 * File calls of a helping thread, Deno driver: nothing of Node's is loaded. Files go through the C library where
 * `--allow-ffi` permits that.
 *
 * @module
 */

import type { FileCalls } from "./file_calls.ts";
import { type LinuxFiles, linuxFiles } from "./linux_files.ts";
import { ownLook } from "./own_look_deno.ts";

let files: LinuxFiles | undefined;

/** Deno's own calls, and what is quicker where that is permitted. */
export const fileCalls: FileCalls = {
  prepare: () => files = linuxFiles(),
  makeDirectory: (path) => Deno.mkdirSync(path),
  makeFile(path, bytes, mode, durable) {
    if (durable) return makeDurably(path, bytes, mode);
    if (files?.makeFile(path, bytes, mode)) return;
    Deno.writeFileSync(path, bytes, mode === undefined ? { createNew: true } : { createNew: true, mode });
  },
  read: (path, bytes, position) => files?.read(path, bytes, position) ?? 0,
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
