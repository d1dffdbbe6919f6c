/**
 * The file system calls of the file store, in one place: errors become the library's, and tests put failures and
 * crashes between them.
 *
 * @module
 */

import { FileSystemError, InvalidArgumentError } from "../errors.ts";
import { errorCode, fileError } from "../runtime/file_errors.ts";
import {
  closeSync,
  constants,
  fstatSync,
  fsync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  unlinkSync,
  writeSync,
} from "../runtime/files.ts";
import { join } from "../runtime/path.ts";

/** What a file is opened for: reading; reading and writing; the same on a file that must not exist yet. */
export type OpenMode = "read" | "write" | "create";

/** Calls on the files of one folder, named by their name in it. */
export class StoreFiles {
  readonly #folder: string;

  /** @param folder The store's folder. */
  constructor(folder: string) {
    if (folder === "") throw new InvalidArgumentError("Open store: path is empty");
    this.#folder = folder;
  }

  /** Path of the file `name`. */
  path(name: string): string {
    return join(this.#folder, name);
  }

  /** Makes the folder itself, not its parents. Nothing happens when it exists. */
  makeFolder(): void {
    this.#call("Create store", this.#folder, () => {
      try {
        mkdirSync(this.#folder);
      } catch (error) {
        if (errorCode(error) !== "EEXIST") throw error;
      }
    });
  }

  /** Names of all files. */
  list(): string[] {
    return this.#call("List store", this.#folder, () => readdirSync(this.#folder));
  }

  /** Opens a file; a symbolic link is not followed. */
  open(name: string, mode: OpenMode): number {
    let flags = mode === "read" ? constants.O_RDONLY : constants.O_RDWR;
    if (mode === "create") flags |= constants.O_CREAT | constants.O_EXCL;
    // Windows has no such flag.
    flags |= constants.O_NOFOLLOW ?? 0;
    return this.#call("Open", this.path(name), () => openSync(this.path(name), flags, 0o600));
  }

  /** Closes a file. */
  close(fd: number): void {
    closeSync(fd);
  }

  /** Size of an open file, bytes. */
  size(fd: number, name: string): number {
    return this.#call("Stat", this.path(name), () => fstatSync(fd).size);
  }

  /** Fills `into` up to `length` from `position`; how much there was before the end of the file. */
  read(fd: number, name: string, into: Uint8Array, length: number, position: number): number {
    return this.#call("Read", this.path(name), () => {
      let done = 0;
      while (done < length) {
        const count = readSync(fd, into, done, length - done, position + done);
        if (count === 0) break;
        done += count;
      }
      return done;
    });
  }

  /** Writes the first `length` bytes of `bytes` at `position`. */
  write(fd: number, name: string, bytes: Uint8Array, length: number, position: number): void {
    this.#call("Write", this.path(name), () => {
      let done = 0;
      while (done < length) done += writeSync(fd, bytes, done, length - done, position + done);
    });
  }

  /** Cuts a file to `size` bytes. */
  truncate(fd: number, name: string, size: number): void {
    this.#call("Truncate", this.path(name), () => ftruncateSync(fd, size));
  }

  /** Makes a file's content durable, without holding up the thread. */
  sync(fd: number, name: string): Promise<void> {
    return new Promise((resolve, reject) => {
      fsync(fd, (error) => {
        if (error) reject(fileError(error, "Sync", this.path(name), this.#folder));
        else resolve();
      });
    });
  }

  /** Makes a file's content durable before it returns. */
  syncNow(fd: number, name: string): void {
    this.#call("Sync", this.path(name), () => fsyncSync(fd));
  }

  /** Makes the folder durable: files that were created stay, files that were removed stay away. */
  syncFolder(): void {
    this.#call("Sync", this.#folder, () => {
      let fd: number;
      try {
        fd = openSync(this.#folder, constants.O_RDONLY);
      } catch (error) {
        // Windows opens no folders, and needs no sync of them: its file systems log such changes in order.
        if (["EISDIR", "EPERM", "EACCES"].includes(errorCode(error) ?? "")) return;
        throw error;
      }
      try {
        fsyncSync(fd);
      } catch (error) {
        // Some network file systems refuse it.
        if (!["EINVAL", "ENOTSUP", "EPERM"].includes(errorCode(error) ?? "")) throw error;
      } finally {
        closeSync(fd);
      }
    });
  }

  /** Removes a file. */
  unlink(name: string): void {
    this.#call("Remove", this.path(name), () => unlinkSync(this.path(name)));
  }

  #call<T>(action: string, path: string, call: () => T): T {
    try {
      return call();
    } catch (error) {
      throw fileError(error, action, path, this.#folder);
    }
  }
}

/** Whether an error says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return error instanceof FileSystemError && error.code === "ENOENT";
}
