/**
 * Small transfers between two nodes of this process, the real thing: handshake, encryption, hashes.
 *
 * @module
 */

import { MemoryBlobStore } from "../blob/memory_store.ts";
import type { BlobStore } from "../blob/store.ts";
import type { ChunkSource } from "../blob/source.ts";
import { toChunkSource } from "../blob/transfer_client.ts";
import { serveBlobs } from "../blob/transfer_server.ts";
import { fetchDir, shareFolder } from "../directory/mod.ts";
import { MeshNode, type Session } from "../mesh/mod.ts";
import type { Transfer } from "./doctor_report.ts";
import { LOOPBACK } from "./doctor_udp.ts";

const CHUNK_SIZE = 4 * 1024 * 1024;
const CHUNKS = 8;
/** Transfers are repeated for this time, ms. */
const TIME = 500;

/** Moves a blob from memory to nowhere. */
export async function transferBytes(signal: AbortSignal): Promise<Transfer> {
  await using store = new MemoryBlobStore();
  const hashes: Uint8Array[] = [];
  for (let i = 0; i < CHUNKS; i++) hashes.push(await store.put(new Uint8Array(CHUNK_SIZE).fill(i)));
  return await betweenNodes(store, signal, async (source, session) => {
    const jobs = hashes.map((hash) => ({ hash, length: CHUNK_SIZE, write() {}, complete() {} }));
    // The first finds the window small and the code not compiled.
    await source.fetchChunks(jobs, { signal });
    const begin = performance.now();
    let bytes = 0;
    let ms = 0;
    do {
      await source.fetchChunks(jobs, { signal });
      bytes += CHUNKS * CHUNK_SIZE;
      ms = performance.now() - begin;
    } while (ms < TIME);
    return { kind: "bytes", perSecond: bytes * 1000 / ms, ...driverOf(session) };
  });
}

/** Shares the folder `from` and fetches it to `to`, which is new. */
export async function transferFolder(from: string, to: string, signal: AbortSignal): Promise<Transfer> {
  const begin = performance.now();
  const { store, ref } = await shareFolder(from, { signal });
  await using _closing = store;
  return await betweenNodes(store, signal, async (source, session) => {
    const { files } = await fetchDir(source, ref, to, { signal });
    const ms = performance.now() - begin;
    return { kind: "files", perSecond: files * 1000 / ms, ...driverOf(session) };
  });
}

function driverOf(session: Session): { driver: string; datagramSize: number } {
  return { driver: session.node.metrics().driver, datagramSize: session.metrics().datagramSize };
}

async function betweenNodes<T>(
  store: BlobStore,
  signal: AbortSignal,
  work: (source: ChunkSource, session: Session) => Promise<T>,
): Promise<T> {
  const psk = crypto.getRandomValues(new Uint8Array(32));
  const listen = `${LOOPBACK}:0`;
  await using holder = await MeshNode.start({ psk, listen });
  using _service = serveBlobs(holder, store);
  await using node = await MeshNode.start({ psk, listen });
  const session = await node.connect({ id: holder.id, addresses: holder.addresses }, { signal });
  try {
    return await work(toChunkSource(session), session);
  } finally {
    await session.close();
  }
}
