import assert from "node:assert/strict";
import { join } from "node:path";
import type { ChunkJob, ChunkJobs, ChunkSource, FetchChunksOptions } from "../../src/blob/source.ts";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { fetchDir } from "../../src/directory/fetch_dir.ts";
import { storeDir } from "../../src/directory/store_dir.ts";
import { encodeBlobRef } from "../../src/wire/blob_ref.ts";
import { Later } from "../support/jobs.ts";
import { testInTempDir } from "../support/temp.ts";
import { compareTrees, makeTree, namesIn, pattern } from "../support/tree.ts";
import { inSteps, type OfferedTree, offeredTree, ScriptedOffer, ScriptedSource } from "./scripted_offer.ts";

const LARGE = 9_000_000;
const TREE = {
  files: {
    "a.txt": "small a",
    "b/again.txt": "small a",
    "b/large.bin": pattern(LARGE, 3),
    "c/empty": "",
    "c/last.txt": ["the last", 0o600] as const,
    "c/last_again.txt": ["the last", 0o600] as const,
  },
  dirs: { "none": 0o755 },
  links: {},
};

/** Notes which chunks are asked for, in order. */
class WatchedSource implements ChunkSource {
  readonly lengths: number[] = [];
  readonly #inner: ChunkSource;
  readonly #onJob: ((job: ChunkJob) => void) | undefined;

  constructor(store: MemoryBlobStore, onJob?: (job: ChunkJob) => void) {
    this.#inner = new StoreChunkSource(store);
    this.#onJob = onJob;
  }

  fetchChunks(jobs: ChunkJobs, options?: FetchChunksOptions): Promise<void> {
    return this.#inner.fetchChunks(this.#watched(jobs), options);
  }

  *#watched(jobs: ChunkJobs): Generator<ChunkJob | Promise<void>> {
    for (const job of jobs) {
      if (!(job instanceof Promise)) {
        this.lengths.push(job.length);
        this.#onJob?.(job);
      }
      yield job;
    }
  }
}

interface Setting {
  readonly temp: string;
  readonly from: string;
  readonly to: string;
  readonly store: MemoryBlobStore;
  readonly tree: OfferedTree;
}

function offerTest(name: string, body: (setting: Setting) => Promise<void>): void {
  testInTempDir(`offer: ${name}`, async (temp) => {
    const from = join(temp, "from");
    makeTree(from, TREE);
    const store = new MemoryBlobStore();
    await storeDir(store, from);
    await body({ temp, from, to: join(temp, "to"), store, tree: await offeredTree(from) });
  });
}

offerTest("is fetched while its hashes come", async ({ temp, from, to, store, tree }) => {
  const wait = new Later();
  // The second step comes only when what the first one told of is asked for.
  const source = new WatchedSource(store, () => wait.resolve());
  const [first, ...rest] = inSteps(tree.hashes, 1, 3);
  const offers = new ScriptedSource(
    new ScriptedOffer(tree.outline, [first, wait.promise, ...rest], tree.ref),
  );
  const totals: number[] = [];
  const stats = await fetchDir(source, offers, to, {
    onProgress: ({ totalBytes }) => totals.push(totalBytes),
  });
  compareTrees(to, from);
  assert.deepEqual(offers.asked, [true]);
  assert.deepEqual(encodeBlobRef(stats.ref), encodeBlobRef(tree.ref));
  assert.equal(stats.installed, true);
  assert.equal(stats.bytes, LARGE + 2 * 7 + 2 * 8);
  assert.equal(stats.fetchedBytes, LARGE + 7 + 8);
  assert(totals.every((total) => total === stats.bytes));
  assert.deepEqual(namesIn(temp), ["from", "to"]);
});
