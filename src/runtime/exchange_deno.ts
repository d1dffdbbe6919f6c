/**
 * Exchanging two names in one step on Deno: `renameat2` with `RENAME_EXCHANGE` of Linux, through the foreign
 * function interface, and only where the process was allowed that anyway.
 *
 * @module
 */

/** Means "relative to the working directory" in the `*at` calls. */
const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;
/** The C library by its names: GNU, then musl. */
const LIBRARIES = ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`];

const SYMBOLS = {
  renameat2: { parameters: ["i32", "buffer", "i32", "buffer", "u32"], result: "i32" },
} as const;

/**
 * Swaps what the names `a` and `b` stand for, so that neither name is missing at any moment. `false`, with nothing
 * changed, where the system, the file system or the permissions do not offer it.
 */
export function exchangeNames(a: string, b: string): boolean {
  if (Deno.build.os !== "linux") return false;
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return false;
  const encoder = new TextEncoder();
  for (const name of LIBRARIES) {
    try {
      const library = Deno.dlopen(name, SYMBOLS);
      try {
        const from = encoder.encode(`${a}\0`);
        const to = encoder.encode(`${b}\0`);
        return library.symbols.renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) === 0;
      } finally {
        library.close();
      }
    } catch {
      // Not this C library, or one too old to have the call: the next, or the two renames.
    }
  }
  return false;
}
