/**
 * The format of a file that remembers a tree: columns of numbers as they lie in memory, so that a tree of thousands of
 * files is read in a few milliseconds (`content.md` 6).
 *
 * @module
 */

import { sha256, SHA256_LENGTH } from "../crypto/sha256.ts";
import { decodeBlobRef } from "../wire/blob_ref.ts";
import { concatBytes, decodeUtf8, encodeUtf8, equalBytes, fromHex } from "../wire/bytes.ts";
import { KINDS, NUMBERS, RecordTable, SIZE } from "./record_table.ts";
import { TreeHashes } from "./tree_hashes.ts";

/** The first bytes of such a file: what it is and the version of the format. */
const MAGIC: Uint8Array = encodeUtf8("hawtree2");
/** Bytes before the part that the checksum is of: magic, checksum. */
const HEAD_LENGTH = MAGIC.length + SHA256_LENGTH;
/** Bytes before the header: the head, the order of bytes, the header's length. */
const PREFIX_LENGTH = HEAD_LENGTH + 8;
/** Written as a number of this machine: another order of bytes is another number. */
const BYTE_ORDER = 0x01020304;
/** Bytes of an entry in all columns: its numbers, its mode, its kind and its trust. */
const ENTRY_LENGTH = NUMBERS * 8 + 4 + 1 + 1;
/** What paths, which cannot hold it, are separated by. */
const SEPARATOR = "\0";

/** What of a file can be relied upon when it looks as recorded. */
export const TRUST = {
  /** Nothing: it may have changed after it was hashed without looking different. */
  none: 0,
  /** Its hashes, while its ctime is the recorded one. */
  sameCtime: 1,
  /** Its hashes, while its ctime is not after the recorded one. */
  ctimeUntil: 2,
  /** Added to the others when the hash of the whole of a file with several chunks is not known. */
  chunksOnly: 4,
} as const;

/** What a tree has been found to be. */
export interface TreeAddress {
  /** Encoded reference of a manifest, in hex. */
  readonly ref: string;
  /** Size of that manifest, bytes. */
  readonly manifestBytes: number;
}

/** What a fetch made of a reference. */
export interface FetchedAddress extends TreeAddress {
  /** The options that decide what a fetch makes of a manifest. */
  readonly options: string;
}

/** What is known of a tree's files, and remembered of it. */
export interface TreeMemory {
  /** Its entries, sorted by the UTF-8 bytes of their paths. */
  readonly table: RecordTable;
  /** By entry: what can be relied upon, of {@linkcode TRUST}. */
  readonly trust: Uint8Array;
  /** What its files hold; zeros where nothing can be relied upon. */
  readonly hashes: TreeHashes;
  /** The reference of its manifest. */
  readonly scanned?: TreeAddress;
  /** The reference that a fetch made it from. */
  readonly fetched?: FetchedAddress;
}

interface Header {
  readonly key: string;
  readonly entries: number;
  readonly paths: number;
  readonly targets: number;
  readonly hashes: number;
  readonly scanned?: TreeAddress;
  readonly fetched?: FetchedAddress;
}

/** The bytes of a file that remembers `tree`. @param key says which tree it is, and how it was listed. */
export function encodeTreeMemory(tree: TreeMemory, key: string): Uint8Array {
  const { table, trust, hashes, scanned, fetched } = tree;
  const count = table.length;
  const targets: string[] = [];
  for (let i = 0; i < count; i++) {
    if (KINDS[table.kinds[i]] === "symlink") targets.push(table.targets.get(i)!);
  }
  const paths = table.encodedPaths ?? encodeUtf8(table.paths.join(SEPARATOR));
  const targetBytes = encodeUtf8(targets.join(SEPARATOR));
  const header: Header = {
    key,
    entries: count,
    paths: paths.length,
    targets: targetBytes.length,
    hashes: hashes.bytes.length,
    ...(scanned && { scanned }),
    ...(fetched && { fetched }),
  };
  const headerBytes = encodeUtf8(JSON.stringify(header));
  const padding = new Uint8Array(paddingAfter(headerBytes.length));
  const order = new Uint8Array(Uint32Array.of(BYTE_ORDER, headerBytes.length).buffer);
  const numbers = bytesOf(table.numbers.subarray(0, count * NUMBERS));
  const modes = bytesOf(table.modes.subarray(0, count));
  const kinds = table.kinds.subarray(0, count);
  const columns = [numbers, modes, kinds, trust, hashes.bytes, paths, targetBytes];
  const file = concatBytes([MAGIC, new Uint8Array(SHA256_LENGTH), order, headerBytes, padding, ...columns]);
  file.set(sha256(file.subarray(HEAD_LENGTH)), MAGIC.length);
  return file;
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Bytes until the columns, which begin at a multiple of eight. */
function paddingAfter(headerLength: number): number {
  return -(PREFIX_LENGTH + headerLength) & 7;
}

/** The parts of a file, as views. */
interface Columns {
  readonly header: Header;
  readonly numbers: Float64Array;
  readonly modes: Uint32Array;
  readonly kinds: Uint8Array;
  readonly trust: Uint8Array;
  readonly hashes: Uint8Array;
  readonly paths: Uint8Array;
  readonly targets: Uint8Array;
}

/**
 * The tree that a file remembers; `undefined` when it is another one than `key`, or the file is damaged, of another
 * version, or no such file. `file` begins at a multiple of eight bytes of its buffer and is not to be changed.
 */
export function decodeTreeMemory(file: Uint8Array, key: string): TreeMemory | undefined {
  if (file.length < PREFIX_LENGTH || file.byteOffset % 8 !== 0) return undefined;
  if (!equalBytes(file.subarray(0, MAGIC.length), MAGIC)) return undefined;
  const view = new Uint32Array(file.buffer, file.byteOffset + HEAD_LENGTH, 2);
  const [order, headerLength] = view;
  if (order !== BYTE_ORDER || headerLength > file.length - PREFIX_LENGTH) return undefined;
  if (!equalBytes(sha256(file.subarray(HEAD_LENGTH)), file.subarray(MAGIC.length, HEAD_LENGTH))) {
    return undefined;
  }
  try {
    const columns = columnsOf(file, headerLength, key);
    return columns && memoryOf(columns);
  } catch {
    // Text that is no UTF-8 or no JSON, or a reference that is none.
    return undefined;
  }
}

function columnsOf(file: Uint8Array, headerLength: number, key: string): Columns | undefined {
  const header = JSON.parse(decodeUtf8(file.subarray(PREFIX_LENGTH, PREFIX_LENGTH + headerLength))) as Header;
  if (header?.key !== key || !isHeader(header)) return undefined;
  const { entries, hashes, paths, targets } = header;
  let at = PREFIX_LENGTH + headerLength + paddingAfter(headerLength);
  if (file.length - at !== entries * ENTRY_LENGTH + hashes + paths + targets) return undefined;
  const take = (length: number) => file.subarray(at, at += length);
  const numbers = take(entries * NUMBERS * 8);
  const modes = take(entries * 4);
  return {
    header,
    numbers: new Float64Array(numbers.buffer, numbers.byteOffset, entries * NUMBERS),
    modes: new Uint32Array(modes.buffer, modes.byteOffset, entries),
    kinds: take(entries),
    trust: take(entries),
    hashes: take(hashes),
    paths: take(paths),
    targets: take(targets),
  };
}

function isHeader({ entries, paths, targets, hashes, scanned, fetched }: Header): boolean {
  const areSizes = [entries, paths, targets, hashes].every((n) => Number.isSafeInteger(n) && n >= 0);
  return areSizes && (scanned === undefined || isAddress(scanned)) &&
    (fetched === undefined || (isAddress(fetched) && typeof fetched.options === "string"));
}

function isAddress({ ref, manifestBytes }: TreeAddress): boolean {
  const bytes = typeof ref === "string" ? fromHex(ref) : undefined;
  const decoded = bytes && decodeBlobRef(bytes);
  return decoded !== undefined && decoded.kind !== "tree" && decoded.size === manifestBytes;
}

function memoryOf(
  { header, numbers, modes, kinds, trust, hashes, paths, targets }: Columns,
): TreeMemory | undefined {
  const count = header.entries;
  const names = split(paths, count);
  let linkCount = 0;
  for (const kind of kinds) {
    if (kind >= KINDS.length) return undefined;
    if (KINDS[kind] === "symlink") linkCount++;
  }
  const texts = split(targets, linkCount);
  if (names === undefined || texts === undefined) return undefined;
  const links = new Map<number, string>();
  for (let i = 0; i < count; i++) {
    const size = numbers[i * NUMBERS + SIZE];
    if (!(Number.isSafeInteger(size) && size >= 0)) return undefined;
    if (KINDS[kinds[i]] === "symlink") links.set(i, texts[links.size]);
  }
  const table = new RecordTable({ paths: names, kinds, modes, numbers, targets: links });
  table.encodedPaths = paths;
  const content = new TreeHashes(table, hashes);
  if (content.length !== hashes.length) return undefined;
  const { scanned, fetched } = header;
  return { table, trust, hashes: content, scanned, fetched };
}

/** The texts that `bytes` hold, which are `count`. */
function split(bytes: Uint8Array, count: number): string[] | undefined {
  if (count === 0) return bytes.length === 0 ? [] : undefined;
  const texts = decodeUtf8(bytes).split(SEPARATOR);
  return texts.length === count ? texts : undefined;
}
