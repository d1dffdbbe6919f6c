/**
 * Exchanging two names in one step on Deno: `renameat2` with `RENAME_EXCHANGE` of Linux, through the foreign
 * function interface, and only where the process was allowed that anyway.
 *
 * @module
 */

import { mayLoadLibraries, openLibrary } from "./linux_libc.ts";

/** Means "relative to the working directory" in the `*at` calls. */
const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;

const SYMBOLS = {
  renameat2: { parameters: ["i32", "buffer", "i32", "buffer", "u32"], result: "i32" },
} as const;

let call: ReturnType<typeof openLibrary<typeof SYMBOLS>>;

/**
 * Swaps what the names `a` and `b` stand for, so that neither name is missing at any moment. `false`, with nothing
 * changed, where the system, the file system or the permissions do not offer it.
 */
export function exchangeNames(a: string, b: string): boolean {
  if (Deno.build.os !== "linux" || !mayLoadLibraries()) return false;
  call ??= openLibrary(SYMBOLS);
  const encoder = new TextEncoder();
  const [from, to] = [a, b].map((path) => encoder.encode(`${path}\0`));
  return call?.renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) === 0;
}
