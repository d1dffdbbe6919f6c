/**
 * Blobs: content addresses, stores that keep them, and their transfer between nodes.
 *
 * ```ts
 * import { MemoryBlobStore, MeshNode, serveBlobs, toChunkSource } from "@hawser/mesh";
 *
 * const psk = crypto.getRandomValues(new Uint8Array(32));
 * await using store = new MemoryBlobStore();
 * const hash = await store.put(new TextEncoder().encode("hello"));
 *
 * await using holder = await MeshNode.start({ psk, listen: "127.0.0.1:0" });
 * using _service = serveBlobs(holder, store);
 *
 * await using node = await MeshNode.start({ psk, listen: "127.0.0.1:0" });
 * const session = await node.connect({ id: holder.id, addresses: holder.addresses });
 * const received = new Uint8Array(5);
 * await toChunkSource(session).fetchChunks([
 *   { hash, length: 5, write: (bytes, offset) => received.set(bytes, offset), complete() {} },
 * ]);
 * ```
 *
 * @module
 */

export * from "./source.ts";
export * from "./store.ts";
export {
  BlobHasher,
  type ChunkedContent,
  chunkStream,
  type ChunkStreamOptions,
  type ContentChunk,
  referenceOf,
} from "./chunking.ts";
export { MemoryBlobStore, type MemoryBlobStoreOptions } from "./memory_store.ts";
export {
  FileBlobStore,
  type FileBlobStoreOptions,
  type FileStoreUsage,
  type FsyncPolicy,
  type RecoveryReport,
} from "./file_store.ts";
export { type FileIdentity, FolderBlobStore } from "./folder_store.ts";
export { StoreChunkSource } from "./store_source.ts";
export { SyncBlobStore } from "./sync_store.ts";
export type { Blake3, Blake3Hasher, Blake3Pieces, HashedPiece } from "../crypto/blake3.ts";
export {
  BLOB_TRANSFER_PROTOCOL,
  type BlobService,
  serveBlobs,
  type ServeBlobsOptions,
  type ServedTransfer,
} from "./transfer_server.ts";
export { toChunkSource, type TransferOptions } from "./transfer_client.ts";
export {
  type BlobRef,
  blobUri,
  CHUNK_SIZE,
  type ChunkRef,
  chunksOf,
  decodeBlobRef,
  encodeBlobRef,
  type Encoding,
  type ManifestRef,
  MAX_BLOB_SIZE,
  type SmallRef,
  type TreeRef,
} from "../wire/blob_ref.ts";
// What serving and fetching are given; the classes themselves come from the main entry point.
export type * from "../mesh/mod.ts";
