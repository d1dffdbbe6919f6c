import assert from "node:assert/strict";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import type { ChunkJob } from "../../src/blob/source.ts";
import type { BlobStore } from "../../src/blob/store.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { nobleBlake3 } from "../../src/crypto/blake3.ts";
import { BlobNotFoundError, HashMismatchError, SizeMismatchError } from "../../src/errors.ts";
import { patterned } from "../support/patterned.ts";

const blake3 = nobleBlake3();

/** The same store without its synchronous half, as a remote one. */
function remote(store: BlobStore, get: BlobStore["get"] = store.get.bind(store)): BlobStore {
  return new Proxy(store, {
    has: (target, name) => name !== "readSync" && Reflect.has(target, name),
    get: (target, name) => name === "get" ? get : Reflect.get(target, name).bind(target),
  });
}

class Job implements ChunkJob {
  readonly hash: Uint8Array;
  readonly length: number;
  readonly got: Uint8Array;
  isComplete = false;

  constructor(bytes: Uint8Array, length = bytes.length) {
    this.hash = blake3.hash(bytes);
    this.length = length;
    this.got = new Uint8Array(length);
  }

  write(bytes: Uint8Array, offset: number): void {
    this.got.set(bytes, offset);
  }

  complete(): void {
    assert.equal(this.isComplete, false);
    this.isComplete = true;
  }
}

const kinds: Record<string, (store: BlobStore) => BlobStore> = {
  "synchronous store": (store) => store,
  "remote store": (store) => remote(store),
};

for (const [kind, wrap] of Object.entries(kinds)) {
  const test = (title: string, work: (store: BlobStore, source: StoreChunkSource) => Promise<void>) =>
    Deno.test(`store source, ${kind}: ${title}`, { permissions: "none" }, async () => {
      await using store = new MemoryBlobStore();
      await work(store, new StoreChunkSource(wrap(store)));
    });

  test("every job gets its bytes and is completed once", async (store, source) => {
    const blobs = Array.from({ length: 500 }, (_, i) => patterned(i * 7));
    for (const blob of blobs) await store.put(blob);
    const jobs = [...blobs, ...blobs.slice(0, 5)].map((blob) => new Job(blob));
    await source.fetchChunks(jobs, { maxInFlightBytes: 5000 });
    for (const job of jobs) {
      assert(job.isComplete);
      assert.deepEqual(blake3.hash(job.got), job.hash);
    }
    await source.fetchChunks([]);
  });

  test("an absent chunk is BlobNotFoundError, a wrong size SizeMismatchError", async (store, source) => {
    await store.put(patterned(10));
    await assert.rejects(
      source.fetchChunks([new Job(patterned(10)), new Job(patterned(11))]),
      BlobNotFoundError,
    );
    const job = new Job(patterned(10), 12);
    await assert.rejects(source.fetchChunks([job]), SizeMismatchError);
    assert.equal(job.isComplete, false);
  });

  test("what a job throws ends the work, and no job is called after that", async (store, source) => {
    const blobs = Array.from({ length: 20 }, (_, i) => patterned(i + 1));
    for (const blob of blobs) await store.put(blob);
    const jobs = blobs.map((blob) => new Job(blob));
    const reason = new Error("disk full");
    jobs[3].complete = () => {
      throw reason;
    };
    await assert.rejects(source.fetchChunks(jobs), (error) => error === reason);
    assert.deepEqual(jobs.slice(4).filter((job) => job.isComplete), []);
  });

  test("an aborted signal ends the work with its reason", async (store, source) => {
    await store.put(patterned(1));
    const reason = new Error("enough");
    const aborted = { signal: AbortSignal.abort(reason) };
    await assert.rejects(source.fetchChunks([new Job(patterned(1))], aborted), (error) => error === reason);
    const controller = new AbortController();
    function* endless() {
      for (let i = 0;; i++) {
        if (i === 1000) controller.abort(reason);
        yield new Job(patterned(1));
      }
    }
    await assert.rejects(source.fetchChunks(endless(), controller), (error) => error === reason);
  });

  test("jobs are pulled as room allows", async (store, source) => {
    for (let i = 0; i < 30; i++) await store.put(patterned(1000 + i));
    let open = 0;
    let most = 0;
    function* jobs() {
      for (let i = 0; i < 30; i++) {
        most = Math.max(most, ++open);
        const job = new Job(patterned(1000 + i));
        job.complete = () => void open--;
        yield job;
      }
    }
    await source.fetchChunks(jobs(), { maxInFlightBytes: 4000 });
    assert(most <= 4, `${most} jobs at once`);
  });
}

Deno.test("store source: wrong bytes of a store are not delivered", { permissions: "none" }, async () => {
  await using store = new MemoryBlobStore();
  const wrong = remote(store, () => Promise.resolve(patterned(10).fill(1)));
  const job = new Job(patterned(10));
  await assert.rejects(new StoreChunkSource(wrong).fetchChunks([job]), HashMismatchError);
  assert.deepEqual(job.got, new Uint8Array(10));
});
