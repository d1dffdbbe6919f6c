/** Content that is asked for before there is a place for it. */
import assert from "node:assert/strict";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import type { ChunkJob, ChunkJobs, ChunkSource } from "../../src/blob/source.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { EarlyContent } from "../../src/directory/early_content.ts";
import type { ManifestPlan } from "../../src/directory/plan.ts";
import { encodeUtf8, toHex } from "../../src/wire/bytes.ts";
import { pattern } from "../support/tree.ts";

/** What was asked of a source, in order. */
class NotingSource implements ChunkSource {
  readonly asked: string[] = [];
  readonly #inner: ChunkSource;

  constructor(store: MemoryBlobStore, public isBroken = false) {
    this.#inner = new StoreChunkSource(store);
  }

  async fetchChunks(jobs: ChunkJobs): Promise<void> {
    const all = [...jobs] as ChunkJob[];
    this.asked.push(...all.map(({ hash }) => toHex(hash)));
    if (this.isBroken) throw new Error("broken");
    await this.#inner.fetchChunks(all);
  }
}

/** A job that keeps what it gets. */
class KeepingJob implements ChunkJob {
  readonly bytes: Uint8Array;
  completed = 0;

  constructor(readonly hash: Uint8Array, readonly length: number) {
    this.bytes = new Uint8Array(length);
  }

  write(bytes: Uint8Array, offset: number): void {
    this.bytes.set(bytes, offset);
  }

  complete(): void {
    this.completed++;
  }
}

/** A plan of one file for each content, and jobs for all of them. */
async function planOf(store: MemoryBlobStore, contents: readonly Uint8Array[]) {
  const hashes = await Promise.all(contents.map((bytes) => store.put(bytes)));
  const files = contents.map(({ length: size }, i) => ({ size, chunkCount: 1, firstChunk: i }));
  const plan = { files, chunks: { hashOf: (chunk: number) => hashes[chunk] } } as unknown as ManifestPlan;
  const jobs = contents.map(({ length }, i) => new KeepingJob(hashes[i], length));
  return { plan, jobs, names: hashes.map(toHex) };
}

const texts = ["one", "two", "three", "two"].map(encodeUtf8);

function assertComplete(jobs: readonly KeepingJob[], contents: readonly Uint8Array[]): void {
  assert.deepEqual(jobs.map(({ bytes }) => bytes), contents);
  assert.deepEqual(jobs.map(({ completed }) => completed), contents.map(() => 1));
}

Deno.test("early content: what was asked for is not asked for again", async () => {
  const store = new MemoryBlobStore();
  const { plan, jobs, names } = await planOf(store, texts);
  const source = new NotingSource(store);
  const early = EarlyContent.ask(source, plan, [1, 2, 3], {});
  assert.deepEqual(source.asked, [names[1], names[2]]);
  await early.fetchChunks(jobs);
  assert.deepEqual(source.asked, [names[1], names[2], names[0]]);
  assertComplete(jobs, texts);
});

Deno.test("early content: what comes at once is kept", async () => {
  const { plan, jobs } = await planOf(new MemoryBlobStore(), texts);
  let asked = 0;
  const source: ChunkSource = {
    fetchChunks(wanted: ChunkJobs) {
      for (const job of wanted as Iterable<ChunkJob>) {
        asked++;
        job.write(texts[jobs.findIndex(({ hash }) => toHex(hash) === toHex(job.hash))], 0);
        job.complete();
      }
      return Promise.resolve();
    },
  };
  await EarlyContent.ask(source, plan, [0, 1, 2, 3], {}).fetchChunks(jobs);
  assert.equal(asked, 3);
  assertComplete(jobs, texts);
});

Deno.test("early content: what did not come is asked for again", async () => {
  const store = new MemoryBlobStore();
  const { plan, jobs } = await planOf(store, texts);
  const source = new NotingSource(store, true);
  const early = EarlyContent.ask(source, plan, [0, 1], {});
  await assert.rejects(early.fetchChunks(jobs), /broken/);
  source.isBroken = false;
  await early.fetchChunks(jobs);
  assertComplete(jobs, texts);
});

Deno.test("early content: no more is asked for than may be held", async () => {
  const store = new MemoryBlobStore();
  const large = 256 * 1024;
  const contents = [pattern(large + 1, 1), ...Array.from({ length: 17 }, (_, i) => pattern(large, i + 2))];
  const { plan, jobs, names } = await planOf(store, contents);
  const source = new NotingSource(store);
  const early = EarlyContent.ask(source, plan, contents.map((_, i) => i), {});
  assert.deepEqual(source.asked, names.slice(1, 17));
  await early.fetchChunks(jobs);
  assert.deepEqual(source.asked.slice(16), [names[0], names[17]]);
  assertComplete(jobs, contents);
});

Deno.test("early content: who gives up does not wait for it", async () => {
  const store = new MemoryBlobStore();
  const { plan, jobs } = await planOf(store, texts);
  const source: ChunkSource = { fetchChunks: () => new Promise(() => {}) };
  const early = EarlyContent.ask(source, plan, [0], {});
  const stop = new AbortController();
  const fetching = early.fetchChunks(jobs, { signal: stop.signal });
  stop.abort(new Error("given up"));
  await assert.rejects(fetching, /given up/);
});

Deno.test("early content: where there is nothing to ask for, the source is left as it is", async () => {
  const store = new MemoryBlobStore();
  const { plan } = await planOf(store, texts);
  const source = new NotingSource(store);
  assert.equal(EarlyContent.ask(source, plan, [], {}), source);
});
