/**
 * What the tests of directory offers share: readings that go as far as a test says, and manifests put together from
 * what a requester is told.
 *
 * @module
 */

import { FolderBlobStore } from "../../src/blob/folder_store.ts";
import { loadBlake3 } from "../../src/crypto/blake3.ts";
import { manyChunks, oneChunk } from "../../src/directory/content_hasher.ts";
import type { DirectoryOffer } from "../../src/directory/directory_offer.ts";
import type { OfferFeed } from "../../src/directory/offer_feed.ts";
import { FolderOffer, type OfferedContent, readingOf } from "../../src/directory/offer_folder.ts";
import { serveOffer, type ServeOfferOptions } from "../../src/directory/offer_server.ts";
import { chunkBytes } from "../../src/blob/chunking.ts";
import type { NodeOptions, Session } from "../../src/mesh/mod.ts";
import { type BlobRef, CHUNK_SIZE, encodeBlobRef } from "../../src/wire/blob_ref.ts";
import { concatBytes } from "../../src/wire/bytes.ts";
import { type DirEntry, encodeDirManifest } from "../../src/wire/dir_manifest.ts";
import type { OutlineEntry } from "../../src/wire/dir_outline.ts";
import { openDirectoryOrFile, type ScanOptions } from "../../src/directory/scan.ts";
import { connectedPair, until } from "../mesh/nodes.ts";
import { pattern } from "../support/tree.ts";

const blake3 = await loadBlake3();

/** Outline of so many files of one byte. */
export function outlineOf(count: number): OutlineEntry[] {
  return Array.from({ length: count }, (_, i) => ({
    ...{ kind: "file", path: `f${String(i).padStart(7, "0")}`, mode: 0o100644, size: 1 },
  }));
}

/** A hash that is no other number's. */
export function hashOf(number: number): Uint8Array {
  const hash = pattern(32, number);
  new DataView(hash.buffer).setUint32(0, number);
  return hash;
}

/** Some reference. */
export const someRef: BlobRef = chunkBytes(pattern(100, 1), blake3).ref;

/** An offer of nothing that is on disk: the test says what its followers are told, and when. */
export class ManualOffer {
  readonly offer: FolderOffer;
  #hashes: Uint8Array = new Uint8Array();
  #settle!: { resolve: (content: OfferedContent) => void; reject: (error: unknown) => void };

  constructor(root = "/there/is/no/such") {
    const read = new Promise<OfferedContent>((resolve, reject) => this.#settle = { resolve, reject });
    this.offer = new FolderOffer(new FolderBlobStore(root), root, (_, signal) => {
      signal.addEventListener("abort", () => this.#settle.reject(signal.reason));
      return read;
    });
  }

  get feed(): OfferFeed {
    return this.offer.feed;
  }

  /** There are `count` files. */
  list(count: number): OutlineEntry[] {
    const outline = outlineOf(count);
    this.#hashes = concatBytes(outline.map((_, i) => hashOf(i)));
    this.feed.list({ records: outline });
    return outline;
  }

  /** The first `count` files were read. */
  know(count: number): void {
    this.feed.know(this.#hashes, count);
  }

  /** Everything was read. */
  async finish(ref: BlobRef = someRef): Promise<void> {
    const stats = { files: 0, dirs: 0, symlinks: 0, bytes: 0, manifestBytes: 0, skipped: [] };
    this.#settle.resolve({ ref, stats });
    await this.offer.done;
  }

  /** Something could not be read. */
  async fail(error: unknown): Promise<void> {
    this.#settle.reject(error);
    await this.offer.done.catch(() => {});
  }
}

/** As `offerFolder`, but begins to read only when somebody follows: what is small would have been read long before. */
export function awaitedOffer(path: string, options: ScanOptions = {}): FolderOffer {
  const target = openDirectoryOrFile("Share directory", path);
  const store = new FolderBlobStore(target.base);
  const read = readingOf(target, store, options);
  return new FolderOffer(store, target.base, async (feed, stop) => {
    await until(() => feed.isFollowed);
    return await read(feed, stop);
  });
}

/** Calls `work` with a session to a node that serves an offer; closes all. */
export async function withOffer<T>(
  offer: FolderOffer,
  work: (session: Session, accepted: Session) => Promise<T>,
  options: ServeOfferOptions & { readonly server?: NodeOptions; readonly client?: NodeOptions } = {},
): Promise<T> {
  await using pair = await connectedPair(options.server, options.client);
  serveOffer(pair.server, offer, options);
  try {
    return await work(pair.session, pair.accepted);
  } finally {
    await offer.close();
  }
}

/** All hashes of an offer, one after the other. */
export async function allHashes(offer: DirectoryOffer): Promise<Uint8Array> {
  const hashes: Uint8Array[] = [];
  for (let more = await offer.nextHashes(); more !== undefined; more = await offer.nextHashes()) {
    hashes.push(more.slice());
  }
  return concatBytes(hashes);
}

/** The reference of the manifest that outline and hashes make. */
export function refOf(outline: readonly OutlineEntry[], hashes: Uint8Array): Uint8Array {
  let at = 0;
  const next = () => hashes.slice(at, at += 32);
  const entries = outline.map((entry): DirEntry => {
    if (entry.kind !== "file") return entry;
    const { kind, path, mode, size } = entry;
    const sizes: number[] = [];
    for (let rest = size; rest > 0; rest -= CHUNK_SIZE) sizes.push(Math.min(rest, CHUNK_SIZE));
    const chunks = sizes.map((size) => ({ hash: next(), size }));
    const content = chunks.length > 1
      ? manyChunks(next(), chunks)
      : oneChunk(chunks[0]?.hash ?? blake3.hash(new Uint8Array()), size);
    return { kind, path, mode, blob: encodeBlobRef(content.ref) };
  });
  if (at !== hashes.length) throw new RangeError(`${hashes.length - at} bytes of hashes too many`);
  return encodeBlobRef(chunkBytes(encodeDirManifest(entries), blake3).ref);
}
