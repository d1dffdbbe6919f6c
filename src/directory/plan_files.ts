/**
 * The files of a plan and their chunks: from references, or from the sizes of an outline whose hashes come later
 * (`formats.md` 5.4).
 *
 * @module
 */

import { MAX_STORED_BLOB } from "../blob/store.ts";
import { HawserError, LimitExceededError, ManifestError, UnsupportedError } from "../errors.ts";
import {
  type BlobRef,
  CHUNK_SIZE,
  type ChunkRef,
  chunksOf,
  decodeBlobRef,
  MAX_BLOB_SIZE,
  smallChunkOf,
} from "../wire/blob_ref.ts";
import { equalBytes, fromHex } from "../wire/bytes.ts";
import type { DirEntry, FileEntry } from "../wire/dir_manifest.ts";
import type { OutlineEntry } from "../wire/dir_outline.ts";
import { ChunkTable } from "./chunk_table.ts";
import { sliced, type Steps } from "./steps.ts";

/** BLAKE3 of nothing. */
export const EMPTY_HASH: Uint8Array = fromHex(
  "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
)!;
/**
 * Greatest number of chunks that an outline may declare to be planned for: a few bytes can declare any number, which in a
 * manifest have to be listed. 2^20 are 4 TiB in large files, and take some 60 MB of memory.
 */
const MAX_OUTLINE_CHUNKS = 2 ** 20;

/** A directory to make. */
export interface PlannedDir {
  /** Path below the destination. */
  readonly path: string;
  /** Permission bits to apply; `undefined` leaves what the system gives. */
  readonly mode: number | undefined;
}

/** A file to make. */
export interface PlannedFile extends PlannedDir {
  /** Size, bytes. */
  readonly size: number;
  /** Number of its first chunk; the others follow. */
  readonly firstChunk: number;
  /** Number of its chunks; none when it is empty. */
  readonly chunkCount: number;
}

/** All files of a plan. */
export interface PlannedFiles {
  /** In the order of the entries. */
  readonly files: readonly PlannedFile[];
  /** Sum of their sizes. */
  readonly bytes: number;
  /** Their chunks. */
  readonly chunks: ChunkTable;
}

/** What bounds the files of a plan. */
export interface FileRules {
  /** From the mode of an entry to the one of a file. */
  readonly applied: (mode: number) => number | undefined;
  /** Greatest sum of sizes. */
  readonly maxBytes: number;
}

/** Makes the files of a plan of entries. */
export type FilesOf<T> = (entries: readonly T[], rules: FileRules) => Steps<PlannedFiles>;

/** Adds up files. */
export class FileList {
  readonly files: PlannedFile[] = [];
  readonly chunks: ChunkTable;
  bytes = 0;

  /** @param expected number of files: most have one chunk. */
  constructor(readonly rules: FileRules, expected: number) {
    this.chunks = new ChunkTable(expected);
  }

  /** Adds a file. @param addChunks adds its chunks to the table; it has some. */
  add(path: string, mode: number, size: number, addChunks: (file: number) => void): void {
    const { applied, maxBytes } = this.rules;
    // Compared before it is added: the sum stays an exact integer however many sizes are declared.
    if (size > maxBytes - this.bytes) {
      const name = JSON.stringify(path);
      const message = `Check manifest: the files up to ${name} declare more than ${maxBytes} bytes`;
      throw new LimitExceededError(message, "maxBytes", this.bytes + size, maxBytes);
    }
    this.bytes += size;
    const firstChunk = this.chunks.count;
    if (size > 0) addChunks(this.files.length);
    const chunkCount = this.chunks.count - firstChunk;
    this.files.push({ path, mode: applied(mode), size, firstChunk, chunkCount });
  }

  /** Adds a file of one chunk, which has some bytes, by the hash that `hashes` hold from `at` on. */
  addSmall(path: string, mode: number, size: number, hashes: Uint8Array, at: number): void {
    this.add(path, mode, size, (file) => {
      if (this.chunks.add(hashes, size, file, 0, at) === undefined) throw contradiction(path);
    });
  }

  /** Adds the file of an entry. */
  addEntry(entry: FileEntry): void {
    const { path, mode, blob } = entry;
    const small = smallChunkOf(blob);
    // An empty one is looked at more closely.
    if (small !== undefined && small.size > 0) {
      this.add(path, mode, small.size, (file) => addChunk(this.chunks, small, file, 0, path));
      return;
    }
    const ref = contentOf(entry);
    this.add(path, mode, ref.size, (file) => {
      for (const [ordinal, chunk] of chunksOf(ref).entries()) {
        addChunk(this.chunks, chunk, file, ordinal, path);
      }
    });
  }

  /** All of them. */
  finish(): PlannedFiles {
    const { files, bytes, chunks } = this;
    return { files, bytes, chunks };
  }
}

/** The files of a manifest. */
export function* manifestFiles(entries: readonly DirEntry[], rules: FileRules): Steps<PlannedFiles> {
  const list = new FileList(rules, entries.length);
  yield* sliced(entries, (entry) => {
    if (entry.kind === "file") list.addEntry(entry);
  });
  return list.finish();
}

/** Whether an outline declares no more chunks than {@linkcode outlineFiles} may be given. */
export function isPlannable(entries: readonly OutlineEntry[]): boolean {
  let chunks = 0;
  for (const entry of entries) {
    if (entry.kind === "file") chunks += Math.ceil(entry.size / CHUNK_SIZE);
  }
  return chunks <= MAX_OUTLINE_CHUNKS;
}

/** The files of an outline, one that is plannable. */
export function* outlineFiles(entries: readonly OutlineEntry[], rules: FileRules): Steps<PlannedFiles> {
  const list = new FileList(rules, entries.length);
  yield* sliced(entries, (entry) => {
    if (entry.kind !== "file") return;
    const { path, mode, size } = entry;
    if (size > MAX_BLOB_SIZE) {
      const name = JSON.stringify(path);
      const message = `Check manifest: entry ${name} has ${size} bytes, wanted at most ${MAX_BLOB_SIZE}`;
      throw new LimitExceededError(message, "blob size", size, MAX_BLOB_SIZE);
    }
    list.add(path, mode, size, (file) => {
      for (let ordinal = 0, left = size; left > 0; ordinal++, left -= CHUNK_SIZE) {
        list.chunks.addUnknown(Math.min(CHUNK_SIZE, left), file, ordinal);
      }
    });
  });
  return list.finish();
}

function addChunk(chunks: ChunkTable, chunk: ChunkRef, file: number, ordinal: number, path: string): void {
  const { hash, size } = chunk;
  if (size > MAX_STORED_BLOB) {
    const message = `Check manifest: entry ${JSON.stringify(path)} has a chunk of ${size} bytes, ` +
      `wanted at most ${MAX_STORED_BLOB}`;
    throw new LimitExceededError(message, "chunk size", size, MAX_STORED_BLOB);
  }
  if (chunks.add(hash, size, file, ordinal) === undefined) throw contradiction(path);
}

function contradiction(path: string): ManifestError {
  return new ManifestError(
    `Check manifest: entry ${JSON.stringify(path)} declares another size for a chunk than an entry before`,
  );
}

/** The reference of a file's content, of a kind that can be fetched. */
function contentOf(entry: FileEntry): BlobRef {
  let ref: BlobRef | undefined;
  try {
    ref = decodeBlobRef(entry.blob);
  } catch (cause) {
    if (!(cause instanceof HawserError)) throw cause;
    const name = JSON.stringify(entry.path);
    throw new ManifestError(`Check manifest: entry ${name} has a malformed blob reference`, { cause });
  }
  const name = JSON.stringify(entry.path);
  if (ref === undefined) throw new ManifestError(`Check manifest: entry ${name} has no blob reference`);
  if (ref.kind === "tree" || (ref.kind === "manifest" && ref.encoding.kind !== "replicated")) {
    const what = ref.kind === "tree" ? "a tree reference" : "erasure coding";
    throw new UnsupportedError(`Check manifest: entry ${name} uses ${what}, which this release cannot fetch`);
  }
  if (ref.kind === "small" && ref.size === 0 && !equalBytes(ref.hash, EMPTY_HASH)) {
    throw new ManifestError(`Check manifest: entry ${name} declares size 0 for content that is not empty`);
  }
  return ref;
}
