/**
 * Making and reading files on Linux through the C library, in Deno under `--allow-ffi`: in half the time of Deno's own
 * calls, which look at every directory on the way to a file, and twice to a new one. Here the system does that: `openat2`
 * with `RESOLVE_NO_SYMLINKS` (Linux 5.6) opens nothing where a link is on the way.
 *
 * @module
 */

import { isPlainLinux, mayLoadLibraries, openLibrary } from "./linux_libc.ts";

const SYMBOLS = {
  // For `openat2`, which the library has no name for: its number, a directory, a path, how, the length of that.
  syscall: { parameters: ["i64", "i64", "buffer", "buffer", "usize"], result: "i64" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  unlink: { parameters: ["buffer"], result: "i32" },
  __errno_location: { parameters: [], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The number of `openat2`, the same on all processors. */
const OPENAT2 = 437n;
/** Paths are absolute: this stands for the working directory. */
const AT_FDCWD = -100n;
/** `O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC`. */
const NEW_FILE = 1 | 0o100 | 0o200 | 0o2000000;
/** `O_RDONLY | O_NONBLOCK | O_CLOEXEC`: a FIFO that took a file's place does not block. */
const OLD_FILE = 0o4000 | 0o2000000;
const RESOLVE_NO_SYMLINKS = 4;
/** Of `struct open_how`: flags, mode, resolve, 64 bits each. */
const HOW_LENGTH = 24;
/** What the permission bits are taken from where none are given. */
const DEFAULT_MODE = 0o666;
const MODE_BITS = 0o7777;
/** `PATH_MAX`, the NUL at the end included. */
const MAX_PATH = 4096;
/** The system does not know the call (`ENOSYS`), or a filter forbids it (`EPERM`): the next ones will fare no better. */
const NOT_OFFERED: readonly number[] = [38, 1];

/** The C library's calls that are made. */
export type FileSymbols = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** Files by the C library. */
export class LinuxFiles {
  /** Opened with the first call: most processes make none. `null` when there is nothing to be opened. */
  #call: FileSymbols | null | undefined;
  readonly #encoder = new TextEncoder();
  readonly #path = new Uint8Array(new ArrayBuffer(MAX_PATH));
  readonly #how = new Uint8Array(new ArrayBuffer(HOW_LENGTH));
  readonly #howNumbers = new DataView(this.#how.buffer);
  #isOffered = true;

  /** @param call other calls than the system's, for tests. */
  constructor(call?: FileSymbols) {
    this.#call = call;
    this.#howNumbers.setUint32(16, RESOLVE_NO_SYMLINKS, true);
  }

  /**
   * Makes a file that is not there. False, with nothing made, where that does not work out, for whatever reason: Deno's
   * call makes it then, or throws.
   *
   * @param path absolute. @param mode its permission bits, from which the umask is taken. @default 0o666
   */
  makeFile(path: string, bytes: Uint8Array, mode: number = DEFAULT_MODE): boolean {
    const fd = this.#open(path, NEW_FILE, mode & MODE_BITS);
    if (fd < 0) return false;
    const call = this.#call!;
    const { length } = bytes;
    const written = length === 0
      ? 0
      : Number(call.write(fd, bytes as Uint8Array<ArrayBuffer>, BigInt(length)));
    // Some file systems tell only now that they are full.
    if (call.close(fd) === 0 && written === length) return true;
    call.unlink(this.#path);
    return false;
  }

  /**
   * Reads bytes of a file at a position into `bytes`, as many as go there. Returns how many came: fewer at the file's end,
   * and none, or fewer, where something does not work out, for whatever reason: other calls then tell.
   *
   * @param path absolute.
   */
  read(path: string, bytes: Uint8Array, position: number): number {
    const fd = this.#open(path, OLD_FILE, 0);
    if (fd < 0) return 0;
    const call = this.#call!;
    const room = bytes as Uint8Array<ArrayBuffer>;
    const count = Number(call.pread(fd, room, BigInt(bytes.length), BigInt(position)));
    call.close(fd);
    return Math.max(0, count);
  }

  /** A file's descriptor; below 0 when it cannot be opened. */
  #open(path: string, flags: number, mode: number): number {
    const call = this.#call === undefined ? this.#call = openCalls() : this.#call;
    if (call === null || !this.#isOffered || !this.#encode(path)) return -1;
    this.#howNumbers.setUint32(0, flags, true);
    this.#howNumbers.setUint32(8, mode, true);
    const fd = Number(call.syscall(OPENAT2, AT_FDCWD, this.#path, this.#how, BigInt(HOW_LENGTH)));
    if (fd < 0) this.#isOffered = !NOT_OFFERED.includes(errnoOf(call));
    return fd;
  }

  /** Puts a path where the calls find it; false when it is none that they take. */
  #encode(path: string): boolean {
    if (path.includes("\0")) return false;
    const { read, written } = this.#encoder.encodeInto(path, this.#path.subarray(0, MAX_PATH - 1));
    if (read < path.length) return false;
    this.#path[written] = 0;
    return true;
  }
}

function errnoOf(call: FileSymbols): number {
  return new Deno.UnsafePointerView(call.__errno_location()!).getInt32();
}

/** The C library's calls; `null` where they are not to be had. */
export function openCalls(): FileSymbols | null {
  return openLibrary(SYMBOLS) ?? null;
}

let files: LinuxFiles | undefined;

/** Files by the C library, where Deno may load it now; `undefined` elsewhere. */
export function linuxFiles(): LinuxFiles | undefined {
  return isPlainLinux() && mayLoadLibraries() ? files ??= new LinuxFiles() : undefined;
}
