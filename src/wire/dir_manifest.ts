/**
 * The directory manifest: the list of everything below a directory, itself stored as a blob (`formats.md` 3.2). This is
 * the format only; whether a path may be written anywhere is decided by `directory/`.
 *
 * @module
 */

import { DecodeError, InvalidArgumentError, LimitExceededError, UnsupportedVersionError } from "../errors.ts";
import { USUAL_SMALL_LENGTH, writeUsualSmall } from "./blob_ref.ts";
import { PostcardReader, PostcardWriter } from "./postcard.ts";

/** The manifest version that this release reads and writes. */
export const DIR_MANIFEST_VERSION = 1;
/** Greatest number of entries read unless the caller says otherwise: 30 times a large `node_modules`. */
export const DEFAULT_MAX_ENTRIES = 1_000_000;

const KIND_FILE = 0;
const KIND_DIR = 1;
const KIND_SYMLINK = 2;
const MAX_MODE = 0xffff_ffff;

/** A regular file. */
export interface FileEntry {
  /** Tells the variant. */
  readonly kind: "file";
  /** Path below the root, `/`-separated. */
  readonly path: string;
  /** The complete `st_mode`, 32 bits; 0 where the system has none. */
  readonly mode: number;
  /** Encoded blob reference of the content. */
  readonly blob: Uint8Array;
}

/** A directory. The root itself has no entry. */
export interface DirectoryEntry {
  /** Tells the variant. */
  readonly kind: "dir";
  /** Path below the root, `/`-separated. */
  readonly path: string;
  /** The complete `st_mode`, 32 bits; 0 where the system has none. */
  readonly mode: number;
}

/** A symbolic link. */
export interface SymlinkEntry {
  /** Tells the variant. */
  readonly kind: "symlink";
  /** Path below the root, `/`-separated. */
  readonly path: string;
  /** The link's text, as found. */
  readonly target: string;
}

/** One thing in a directory tree. */
export type DirEntry = FileEntry | DirectoryEntry | SymlinkEntry;

/** A decoded directory manifest. */
export interface DirManifest {
  /** Format version. */
  readonly version: 1;
  /** The entries in the order of the bytes; `storeDir` sorts them by the UTF-8 bytes of their paths. */
  readonly entries: readonly DirEntry[];
}

/** Limits of {@linkcode decodeDirManifest}. */
export interface DirManifestLimits {
  /** Greatest number of entries. @default 1,000,000 */
  readonly maxEntries?: number;
}

/**
 * The bytes of a manifest of `entries`, in the order given. Throws `InvalidArgumentError` when a mode is not an
 * unsigned 32-bit number.
 */
export function encodeDirManifest(entries: readonly DirEntry[]): Uint8Array {
  const writer = new DirManifestWriter(entries.length);
  for (const entry of entries) writer.entry(entry);
  return writer.finish();
}

/**
 * Makes the bytes of a manifest of what is at hand, entry by entry. Methods throw `InvalidArgumentError` when a mode is
 * not an unsigned 32-bit number.
 */
export class DirManifestWriter {
  readonly #writer: PostcardWriter;

  /** @param count how many entries there will be. */
  constructor(count: number) {
    // A usual entry is a path of some 50 bytes and a reference of 116.
    this.#writer = new PostcardWriter(16 + 192 * count).u8(DIR_MANIFEST_VERSION).varint(count);
  }

  /** Any entry. */
  entry(entry: DirEntry): void {
    switch (entry.kind) {
      case "file":
        return this.file(entry.path, entry.mode, entry.blob);
      case "dir":
        return this.dir(entry.path, entry.mode);
      case "symlink":
        return this.symlink(entry.path, entry.target);
    }
  }

  /** A file. @param blob encoded reference of the content. */
  file(path: string, mode: number, blob: Uint8Array): void {
    this.#writer.string(path).varint(KIND_FILE).varint(checkMode(path, mode)).bytes(blob);
  }

  /** A file of one chunk, by the hash that `hashes` hold from `at` on; its reference is the usual one. */
  smallFile(path: string, mode: number, hashes: Uint8Array, at: number, size: number): void {
    this.#writer.string(path).varint(KIND_FILE).varint(checkMode(path, mode)).varint(USUAL_SMALL_LENGTH)
      .room(USUAL_SMALL_LENGTH, (out, offset) => writeUsualSmall(out, offset, hashes, at, size));
  }

  /** A directory. */
  dir(path: string, mode: number): void {
    this.#writer.string(path).varint(KIND_DIR).varint(checkMode(path, mode));
  }

  /** A symbolic link. */
  symlink(path: string, target: string): void {
    this.#writer.string(path).varint(KIND_SYMLINK).string(target);
  }

  /** The bytes, when all entries are there. */
  finish(): Uint8Array {
    return this.#writer.finish().slice();
  }
}

function checkMode(path: string, mode: number): number {
  if (!Number.isInteger(mode) || mode < 0 || mode > MAX_MODE) {
    throw new InvalidArgumentError(`Encode directory manifest: "${path}" has mode ${mode}`);
  }
  return mode;
}

/**
 * Reads a manifest. Only the format is checked: paths, targets, modes and references may be hostile. Bytes after
 * the last entry are ignored, as the original program does. References are views of `bytes`.
 *
 * Throws `DecodeError` when malformed, `UnsupportedVersionError` on an unknown version, `LimitExceededError` when
 * there are more entries than `limits` allow.
 */
export function decodeDirManifest(bytes: Uint8Array, limits?: DirManifestLimits): DirManifest {
  const maxEntries = limits?.maxEntries ?? DEFAULT_MAX_ENTRIES;
  const reader = new PostcardReader(bytes, "directory manifest");
  const version = reader.u8();
  // Before the entries: a later version need not be shaped like this one.
  if (version !== DIR_MANIFEST_VERSION) throw new UnsupportedVersionError("directory manifest", version);
  const count = reader.u64();
  if (count > maxEntries) {
    const message = `Decode directory manifest: ${count} entries exceed the limit of ${maxEntries}`;
    throw new LimitExceededError(message, "maxEntries", count, maxEntries);
  }
  const entries: DirEntry[] = [];
  for (let i = 0; i < count; i++) entries.push(decodeEntry(reader));
  return { version, entries };
}

function decodeEntry(reader: PostcardReader): DirEntry {
  const path = reader.string();
  const kind = reader.u32();
  switch (kind) {
    case KIND_FILE:
      return { kind: "file", path, mode: reader.u32(), blob: reader.bytes() };
    case KIND_DIR:
      return { kind: "dir", path, mode: reader.u32() };
    case KIND_SYMLINK:
      return { kind: "symlink", path, target: reader.string() };
    default:
      throw new DecodeError(`Decode directory manifest: entry "${path}" has unknown kind ${kind}`);
  }
}
