/**
 * Reads files in chunks of 4 MiB through one buffer, and notices when a file is not the one that was listed.
 *
 * @module
 */

import { fileCalls } from "#file_calls";
import { lookAt, lookAtOpen } from "#look";
import type { FileIdentity } from "../blob/folder_store.ts";
import { SourceChangedError } from "../errors.ts";
import { errorCode, fileError } from "../runtime/file_errors.ts";
import { closeSync, constants, fstatSync, openSync, readSync } from "../runtime/files.ts";
import { CHUNK_SIZE } from "../wire/blob_ref.ts";

/**
 * A link at the path is an error; a FIFO that took a file's place does not block. Windows has neither flag, and Deno
 * follows links itself unless everything is allowed: it is by the inode number that a replaced file is told.
 */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
/** First size of the buffer: most files fit, and it grows to a chunk when one does not. */
const FIRST_BUFFER = 256 * 1024;

/** How a file looked when it was listed. */
export interface SeenFile {
  /** Size, bytes. */
  readonly size: number;
  /** Time of the last change of the content, milliseconds since 1970. */
  readonly mtimeMs: number;
  /** Inode number. */
  readonly ino: number;
}

/** Part of a file; the bytes are valid until the next part is asked for. */
export interface FilePiece {
  /** First byte in the file. */
  readonly offset: number;
  /** At most 4 MiB; less only at the end. */
  readonly bytes: Uint8Array;
}

/** Reads one file at a time. */
export class FileReader {
  /** What the file was that was compared last. */
  lastStat: FileIdentity | undefined;
  #buffer = new Uint8Array(FIRST_BUFFER);

  /** @param action what is done, for messages. */
  constructor(readonly action: string) {
    fileCalls.prepare();
  }

  /**
   * The chunks of the file at `path`; a single empty one when it is empty. The file is compared with `seen` before
   * the last chunk is given out, so a small one that changed is not given out at all.
   *
   * Throws `SourceChangedError` when it is not what was seen, `FileSystemError` when it cannot be read.
   */
  *chunks(path: string, seen: SeenFile): Generator<FilePiece, void, void> {
    const fd = this.#open(path);
    try {
      let offset = 0;
      do {
        const bytes = this.#room(Math.min(CHUNK_SIZE, seen.size - offset));
        const length = this.#fill(fd, path, bytes, null);
        if (length < bytes.length) throw new SourceChangedError(path, "it became shorter");
        if (offset + length === seen.size) this.#compare(path, seen, () => fstatSync(fd));
        yield { offset, bytes };
        offset += length;
      } while (offset < seen.size);
    } finally {
      closeSync(fd);
    }
  }

  /**
   * Part of the file at `path`, valid until the next call. The file is compared with `seen` after it was read, so that
   * parts read at different times, by different threads, are parts of one and the same file. For hashing only: see
   * `LookAtOpen`. Throws as {@linkcode FileReader.chunks} does.
   */
  part(path: string, seen: SeenFile, offset: number, length: number): Uint8Array {
    const bytes = this.#room(length);
    if (length > 0 && fileCalls.read(path, bytes, offset) === length) {
      this.#compare(path, seen, () => lookAt(path));
      return bytes;
    }
    const fd = this.#open(path);
    try {
      if (this.#fill(fd, path, bytes, offset) < length) {
        throw new SourceChangedError(path, "it became shorter");
      }
      this.#compare(path, seen, () => lookAtOpen(path, fd));
      return bytes;
    } finally {
      closeSync(fd);
    }
  }

  /**
   * Reads `length` bytes at `offset` of a regular file, whatever it looked like before; `undefined` when there is no
   * such file, or not that much of it. The bytes are valid until the next read.
   */
  tryRead(path: string, offset: number, length: number): Uint8Array | undefined {
    const bytes = this.#room(length);
    if (length > 0 && fileCalls.read(path, bytes, offset) === length) return bytes;
    let fd: number;
    try {
      fd = openSync(path, OPEN_FLAGS);
    } catch {
      return undefined;
    }
    try {
      return readAll(fd, bytes, offset) === length ? bytes : undefined;
    } catch {
      return undefined;
    } finally {
      closeSync(fd);
    }
  }

  #open(path: string): number {
    try {
      return openSync(path, OPEN_FLAGS);
    } catch (error) {
      const code = errorCode(error);
      if (code === "ENOENT" || code === "ELOOP") {
        throw new SourceChangedError(path, "it was replaced", { cause: error });
      }
      throw fileError(error, this.action, path);
    }
  }

  #fill(fd: number, path: string, bytes: Uint8Array, position: number | null): number {
    try {
      return readAll(fd, bytes, position);
    } catch (error) {
      throw fileError(error, this.action, path);
    }
  }

  #compare(path: string, seen: SeenFile, look: () => FileIdentity): void {
    let now: FileIdentity;
    try {
      now = look();
    } catch (error) {
      if (errorCode(error) === "ENOENT") {
        throw new SourceChangedError(path, "it was replaced", { cause: error });
      }
      throw fileError(error, this.action, path);
    }
    this.lastStat = now;
    if (now.ino !== seen.ino) throw new SourceChangedError(path, "it was replaced");
    if (now.size !== seen.size) throw new SourceChangedError(path, `${seen.size} bytes became ${now.size}`);
    if (now.mtimeMs !== seen.mtimeMs) throw new SourceChangedError(path, "it was modified");
  }

  #room(length: number): Uint8Array {
    if (length > this.#buffer.length) this.#buffer = new Uint8Array(Math.max(length, CHUNK_SIZE));
    return this.#buffer.subarray(0, length);
  }
}

/** Reads until `bytes` is full or the file ends; returns how much came. From `position`, or where the file stands. */
function readAll(fd: number, bytes: Uint8Array, position: number | null): number {
  let filled = 0;
  while (filled < bytes.length) {
    const n = readSync(
      fd,
      bytes,
      filled,
      bytes.length - filled,
      position === null ? null : position + filled,
    );
    if (n === 0) break;
    filled += n;
  }
  return filled;
}
