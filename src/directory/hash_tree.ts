/**
 * Finds out what the files of a listed tree hold: from what is remembered of it where they did not change, by reading
 * and hashing them where they did.
 *
 * @module
 */

import type { FileIdentity } from "../blob/folder_store.ts";
import type { Blake3 } from "../crypto/blake3.ts";
import { CHUNK_SIZE, type ChunkRef } from "../wire/blob_ref.ts";
import { equalBytes } from "../wire/bytes.ts";
import { hashFiles, partsOf } from "./hash_files.ts";
import type { WorkPacer } from "./pacer.ts";
import { hashOfPiece, identityOfPiece, partOfPiece } from "./piece_batch.ts";
import type { RecordTable } from "./record_table.ts";
import { type TreeMemory, TRUST } from "./tree_cache_format.ts";
import { HASH_LENGTH, TreeHashes } from "./tree_hashes.ts";
import { isSettled, matchTree } from "./tree_match.ts";

/** What {@linkcode hashTree} needs. */
export interface HashTreeOptions {
  /** What is done, for messages. */
  readonly action: string;
  /** Absolute path of the tree. */
  readonly root: string;
  /** The driver; one that can hash pieces. */
  readonly blake3: Blake3;
  /** When to let the event loop turn. */
  readonly pacer: WorkPacer;
  /** What is remembered of the tree. */
  readonly memory?: TreeMemory;
  /** Reads and hashes all files, whatever is remembered of them. */
  readonly verify: boolean;
  /** A moment before the tree was listed, milliseconds since 1970. */
  readonly since: number;
  /** Whether this thread has other things to do: then it leaves what it can to a helper. @default never */
  readonly isBusy?: () => boolean;
  /** Is told first of the files, by entry, that do not have to be read. */
  readonly onKnown: (hashes: TreeHashes, known: readonly number[]) => void;
  /** Is told of pieces of files of several, as they are read, and where they begin. */
  readonly onPiece: (entry: number, identity: FileIdentity, chunk: ChunkRef, offset: number) => void;
  /**
   * Is told of every file that was read, how it looked then and, valid during the call, its bytes where it has one chunk
   * only and they are at hand.
   */
  readonly onFile: (entry: number, identity: FileIdentity, hashes: TreeHashes, bytes?: Uint8Array) => void;
  /** Is told, after that, that the first `count` hashes are known. */
  readonly onHashes: (hashes: TreeHashes, count: number) => void;
}

/** A tree of which all hashes are known. */
export interface HashedTree {
  /** What the files hold. */
  readonly hashes: TreeHashes;
  /** By entry: what of it can be relied upon later, of {@linkcode TRUST}. */
  readonly trust: Uint8Array;
  /** Files, by entry, that did not have to be read. */
  readonly known: readonly number[];
  /** Whether it is the very tree that is remembered, so that it has the address remembered. */
  readonly isRemembered: boolean;
  /** Whether there is something new to remember. */
  readonly isNews: boolean;
}

/**
 * The very tree that is remembered, as is known without reading a file; its hashes are those remembered, not copied.
 * `undefined` when it is not, or may not be.
 */
export function recallTree(table: RecordTable, memory: TreeMemory): HashedTree | undefined {
  const { isSameShape, unknown } = matchTree(table, memory, "all");
  if (!isSameShape || unknown > 0) return undefined;
  const trust = new Uint8Array(table.length);
  const known: number[] = [];
  for (let entry = 0; entry < table.length; entry++) {
    if (!table.isFile(entry)) continue;
    trust[entry] = TRUST.sameCtime;
    known.push(entry);
  }
  return {
    hashes: memory.hashes,
    trust,
    known,
    isRemembered: true,
    isNews: !equalBytes(trust, memory.trust),
  };
}

/** Hashes what is not known of a tree. Throws what reading a file throws. */
export async function hashTree(
  table: RecordTable,
  options: HashTreeOptions,
): Promise<HashedTree> {
  const { action, root, blake3, pacer, memory, verify, since } = options;
  const match = memory && matchTree(table, memory, "all");
  const hashes = new TreeHashes(table);
  const trust = new Uint8Array(table.length);
  const known: number[] = [];
  const unknown: number[] = [];
  let unknownBytes = 0;
  for (let i = 0; i < table.length; i++) {
    if (!table.isFile(i)) continue;
    const row = match === undefined || verify ? -1 : match.rows[i];
    if (row >= 0) {
      hashes.copy(i, memory!.hashes, row);
      trust[i] = TRUST.sameCtime;
      known.push(i);
    } else {
      unknown.push(i);
      unknownBytes += table.sizeOf(i);
      if (isSettled(table.records[i], since)) trust[i] = TRUST.sameCtime;
    }
  }
  options.onKnown(hashes, known);
  let next = 0;
  let parts: Uint8Array[] = [];
  /** All hashes before those of the next file that has to be read are known. */
  const tellHashes = () =>
    options.onHashes(hashes, hashes.firstOf(unknown[next] ?? table.length) + parts.length);
  tellHashes();
  await hashFiles(partsOf(unknown.map((entry) => table.records[entry])), {
    action,
    root,
    blake3,
    pacer,
    bytes: unknownBytes,
    isBusy: options.isBusy,
    onPiece({ file, offset }, result, index, bytes) {
      const entry = unknown[next];
      if (file.size > 0) hashes.set(entry, offset / CHUNK_SIZE, hashOfPiece(result, index));
      if (file.size > CHUNK_SIZE) {
        const size = Math.min(CHUNK_SIZE, file.size - offset);
        parts.push(partOfPiece(result, index));
        options.onPiece(
          entry,
          identityOfPiece(result, index),
          { hash: hashOfPiece(result, index), size },
          offset,
        );
        if (offset + size < file.size) return tellHashes();
        hashes.set(entry, parts.length, blake3.pieces!.join(parts));
        parts = [];
      }
      next++;
      options.onFile(
        entry,
        identityOfPiece(result, index),
        hashes,
        file.size > CHUNK_SIZE ? undefined : bytes,
      );
      tellHashes();
    },
  });
  const isRemembered = match !== undefined && match.isSameShape && haveSameContent(hashes, memory!);
  const isNews = !isRemembered || match.unknown > 0 || !equalBytes(trust, memory!.trust);
  return { hashes, trust, known, isRemembered, isNews };
}

/** Whether the files of a tree hold what is remembered of one with the same entries. */
function haveSameContent(hashes: TreeHashes, memory: TreeMemory): boolean {
  if (equalBytes(hashes.bytes, memory.hashes.bytes)) return true;
  for (let entry = 0; entry < memory.table.length; entry++) {
    if (!memory.table.isFile(entry)) continue;
    const then = memory.hashes.of(entry);
    // The last is that of the whole.
    const length = then.length - ((memory.trust[entry] & TRUST.chunksOnly) !== 0 ? HASH_LENGTH : 0);
    if (!equalBytes(hashes.of(entry).subarray(0, length), then.subarray(0, length))) return false;
  }
  return true;
}
