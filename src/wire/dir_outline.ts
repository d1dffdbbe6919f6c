/**
 * The outline of a directory: what its manifest says, but for the hashes (`content.md` 5). It is known as soon as the
 * directory has been listed, and with the hashes it becomes the manifest. The format only: paths, targets, modes and
 * sizes may be hostile.
 *
 * @module
 */

import { DecodeError, InvalidArgumentError, LimitExceededError, UnsupportedVersionError } from "../errors.ts";
import {
  DEFAULT_MAX_ENTRIES,
  type DirectoryEntry,
  type DirManifestLimits,
  type SymlinkEntry,
} from "./dir_manifest.ts";
import { PostcardReader, PostcardWriter } from "./postcard.ts";

/** The outline version that this release reads and writes. */
export const DIR_OUTLINE_VERSION = 1;

const KIND_FILE = 0;
const KIND_DIR = 1;
const KIND_SYMLINK = 2;
const MAX_MODE = 0xffff_ffff;

/** A regular file whose content is not known yet. */
export interface OutlineFile {
  /** Tells the variant. */
  readonly kind: "file";
  /** Path below the root, `/`-separated. */
  readonly path: string;
  /** The complete `st_mode`, 32 bits; 0 where the system has none. */
  readonly mode: number;
  /** Size, bytes. */
  readonly size: number;
}

/** One thing in a directory tree. */
export type OutlineEntry = OutlineFile | DirectoryEntry | SymlinkEntry;

/**
 * The bytes of an outline of `entries`, in the order given: that of the manifest. Throws `InvalidArgumentError` when a
 * mode is not an unsigned 32-bit number or a size not a whole number below 2^53.
 */
export function encodeDirOutline(entries: readonly OutlineEntry[]): Uint8Array {
  // A usual entry is a path of some 50 bytes.
  const writer = new PostcardWriter(16 + 80 * entries.length).u8(DIR_OUTLINE_VERSION).varint(entries.length);
  for (const entry of entries) encodeEntry(writer, entry);
  return writer.finish();
}

function encodeEntry(writer: PostcardWriter, entry: OutlineEntry): void {
  const { path } = entry;
  writer.string(path);
  switch (entry.kind) {
    case "file":
      writer.varint(KIND_FILE).varint(checkNumber(path, "mode", entry.mode, MAX_MODE))
        .varint(checkNumber(path, "size", entry.size, Number.MAX_SAFE_INTEGER));
      break;
    case "dir":
      writer.varint(KIND_DIR).varint(checkNumber(path, "mode", entry.mode, MAX_MODE));
      break;
    case "symlink":
      writer.varint(KIND_SYMLINK).string(entry.target);
  }
}

function checkNumber(path: string, what: string, value: number, max: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new InvalidArgumentError(`Encode directory outline: "${path}" has ${what} ${value}`);
}

/**
 * Reads an outline; bytes after the last entry are ignored.
 *
 * Throws `DecodeError` when malformed, `UnsupportedVersionError` on an unknown version, `LimitExceededError` when there
 * are more entries than `limits` allow.
 */
export function decodeDirOutline(bytes: Uint8Array, limits?: DirManifestLimits): OutlineEntry[] {
  const maxEntries = limits?.maxEntries ?? DEFAULT_MAX_ENTRIES;
  const reader = new PostcardReader(bytes, "directory outline");
  const version = reader.u8();
  if (version !== DIR_OUTLINE_VERSION) throw new UnsupportedVersionError("directory outline", version);
  const count = reader.u64();
  if (count > maxEntries) {
    const message = `Decode directory outline: ${count} entries exceed the limit of ${maxEntries}`;
    throw new LimitExceededError(message, "maxEntries", count, maxEntries);
  }
  const entries: OutlineEntry[] = [];
  for (let i = 0; i < count; i++) entries.push(decodeEntry(reader));
  return entries;
}

function decodeEntry(reader: PostcardReader): OutlineEntry {
  const path = reader.string();
  const kind = reader.u32();
  switch (kind) {
    case KIND_FILE:
      return { kind: "file", path, mode: reader.u32(), size: reader.u64() };
    case KIND_DIR:
      return { kind: "dir", path, mode: reader.u32() };
    case KIND_SYMLINK:
      return { kind: "symlink", path, target: reader.string() };
    default:
      throw new DecodeError(`Decode directory outline: entry "${path}" has unknown kind ${kind}`);
  }
}
