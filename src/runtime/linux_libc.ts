/**
 * The calls of Linux's C library that the fast UDP driver makes, and the way to those of other drivers, by way of
 * `Deno.dlopen`: only where Deno was given `--allow-ffi`. Layouts and numbers are those of 64-bit little-endian Linux, alike on x86_64 and aarch64, with glibc and
 * with musl.
 *
 * @module
 */

/** Names of the C library: glibc's, and musl's, whose file is named after the processor. */
const LIBRARY_NAMES = ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`];

const SYMBOLS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "i32"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  sendmmsg: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
  recvmmsg: { parameters: ["i32", "buffer", "u32", "i32", "pointer"], result: "i32" },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  eventfd_write: { parameters: ["i32", "u64"], result: "i32" },
  eventfd_read: { parameters: ["i32", "buffer"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  calloc: { parameters: ["usize", "usize"], result: "pointer" },
  free: { parameters: ["pointer"], result: "void" },
  strerror: { parameters: ["i32"], result: "pointer" },
  __errno_location: { parameters: [], result: "pointer" },
  // On a thread of its own, for it waits.
  poll: { parameters: ["pointer", "u64", "i32"], result: "i32", nonblocking: true },
} as const satisfies Deno.ForeignLibraryInterface;

/** Error numbers (asm-generic/errno.h) that the driver tells apart. */
export const Errno = {
  EINTR: 4,
  EIO: 5,
  EAGAIN: 11,
  EINVAL: 22,
  EMSGSIZE: 90,
  EOPNOTSUPP: 95,
  ECONNRESET: 104,
  ECONNREFUSED: 111,
  EHOSTUNREACH: 113,
} as const;

/** The C library, opened. */
export interface Libc {
  /** Its calls, with their own names and meanings. */
  readonly call: Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];
  /** Number of the last call's error; to be asked for before any other call. */
  errno(): number;
  /** The system's words for an error number. */
  errorText(errno: number): string;
}

let opened: Libc | undefined;

/** Whether the system is Linux as described above. */
export function isPlainLinux(): boolean {
  const { os, arch } = Deno.build;
  return os === "linux" && (arch === "x86_64" || arch === "aarch64");
}

/** Whether this process may load libraries. Asks only, prompts never. */
export function mayLoadLibraries(): boolean {
  return Deno.permissions.querySync({ name: "ffi" }).state === "granted";
}

/** The C library, where the system is Linux as described above and Deno may load it; `undefined` elsewhere. */
export function loadLibc(): Libc | undefined {
  if (!isPlainLinux() || !mayLoadLibraries()) return undefined;
  return opened ??= open();
}

/** Some of the C library's calls; `undefined` where it has another name, or lacks one of them. */
export function openLibrary<S extends Deno.ForeignLibraryInterface>(
  symbols: S,
): Deno.DynamicLibrary<S>["symbols"] | undefined {
  for (const name of LIBRARY_NAMES) {
    try {
      return Deno.dlopen(name, symbols).symbols;
    } catch {
      // Not this library: another name, or another driver.
    }
  }
  return undefined;
}

function open(): Libc | undefined {
  const call = openLibrary(SYMBOLS);
  if (call === undefined) return undefined;
  const errno = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(call.__errno_location()!, 4));
  return {
    call,
    errno: () => errno[0],
    errorText: (number) => new Deno.UnsafePointerView(call.strerror(number)!).getCString(),
  };
}
