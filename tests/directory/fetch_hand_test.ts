import assert from "node:assert/strict";
import { chmodSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ChunkSource } from "../../src/blob/source.ts";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { fetchDir } from "../../src/directory/fetch_dir.ts";
import { fetchDirWith } from "../../src/directory/fetch_tree.ts";
import type { FetchDirOptions, FetchDirStats } from "../../src/directory/fetch_options.ts";
import { INSTALL_CALLS } from "../../src/directory/install.ts";
import { storeDir } from "../../src/directory/store_dir.ts";
import { TreeHand } from "../../src/directory/tree_hand.ts";
import { FileSystemError, UnsafePathError } from "../../src/errors.ts";
import type { BlobRef } from "../../src/wire/blob_ref.ts";
import { tempPermissions, withTempDir } from "../support/temp.ts";
import { compareTrees, makeTree, namesIn, pattern, type TreeSpec } from "../support/tree.ts";

const permissions = { ...tempPermissions, read: true as const };
/** Small files, more than what is given to a thread at once; repeats, modes, and files around the bound of small ones. */
const TREE: TreeSpec = {
  files: {
    ...Object.fromEntries(
      Array.from({ length: 700 }, (_, i) => [`d${i % 40}/s${i % 3}/f${i}`, pattern(i * 7, i)]),
    ),
    ...Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`d${i % 40}/LICENSE${i}`, "the same"])),
    ...Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`empty/${i}`, ""])),
    "a/large": pattern(5_000_000, 1),
    "a/not small": pattern(262_145, 2),
    "a/just small": pattern(262_144, 3),
    "run": ["#!", 0o755],
    "private": ["x", 0o600],
    "read only": ["y", 0o444],
    "write only": ["z", 0o200],
    "all": ["all", 0o777],
  },
  dirs: { bare: 0o755, "bare/er": 0o700, "d1": 0o555 },
};

interface Setting {
  readonly temp: string;
  readonly from: string;
  readonly to: string;
  readonly source: ChunkSource;
  /** How many batches the thread was given. */
  readonly batches: () => number;
  /** Waits until the thread has done what it was given. */
  readonly idle: () => Promise<void>;
  fetch(options?: FetchDirOptions, source?: ChunkSource): Promise<FetchDirStats>;
}

/** Has fetches made by a thread that is up already, or by one that breaks with its second batch. */
function testFetch(name: string, work: (setting: Setting) => Promise<void>, module?: string): void {
  Deno.test(`hand: ${name}`, { permissions }, () =>
    withTempDir(async (temp) => {
      const [from, to] = [join(temp, "from"), join(temp, "to")];
      makeTree(from, TREE);
      // Which only root can read.
      chmodSync(join(from, "write only"), 0o600);
      const store = new MemoryBlobStore();
      const { ref }: { ref: BlobRef } = await storeDir(store, from);
      const source = new StoreChunkSource(store);
      let batches = 0;
      let idle = () => Promise.resolve();
      const fetch = async (options: FetchDirOptions = {}, other: ChunkSource = source) => {
        const hand = TreeHand.start(module)!;
        await new Promise<void>((resolve) => {
          // What comes first begins when the thread is up, unless somebody waits for it.
          hand.do({ call: "makeDirectory", paths: [] }, () => resolve());
        });
        idle = () => hand.idle();
        const give = hand.do.bind(hand);
        hand.do = (batch, onDone) => {
          batches++;
          give(batch, onDone);
        };
        return await fetchDirWith(other, ref, to, options, INSTALL_CALLS, undefined, hand);
      };
      await work({ temp, from, to, source, batches: () => batches, idle: () => idle(), fetch });
    }));
}

const BROKEN = import.meta.url.replace(/[^/]*\.([jt]s)$/, "broken_hand.$1");

for (const [what, module] of [["a second thread", undefined], ["a thread that breaks", BROKEN]] as const) {
  for (const durable of [false, true]) {
    testFetch(
      `${what} makes ${durable ? "and flushes " : ""}the same tree, and what is remembered of it holds`,
      async ({ temp, from, to, batches, fetch }) => {
        const cache = join(temp, "cache");
        let last = { files: 0, bytes: 0, totalFiles: -1, totalBytes: -1 };
        const stats = await fetch({ durable, cache, onProgress: (progress) => last = { ...progress } });
        compareTrees(to, from);
        assert(batches() > (module === undefined ? 5 : 0));
        assert.deepEqual([last.files, last.bytes], [last.totalFiles, last.totalBytes]);
        assert.equal(stats.files, last.totalFiles);
        const again = await fetch({ cache });
        assert.equal(again.installed, false);
        writeFileSync(join(to, "all"), "other");
        assert.equal((await fetch({ cache })).fetchedBytes, 3);
        compareTrees(to, from);
        assert.deepEqual(namesIn(temp), ["cache", "from", "to"]);
      },
      module,
    );
  }
}

testFetch("aborted anywhere, nothing is left and nothing is made afterwards", async ({ temp, fetch }) => {
  for (const files of [1, 20, 21, 300, 800, 877, 878]) {
    const stop = new AbortController();
    const reason = new Error(`aborted after ${files}`);
    const onProgress = (progress: { files: number }) => void (progress.files >= files && stop.abort(reason));
    await assert.rejects(fetch({ signal: stop.signal, onProgress }), (error) => error === reason);
    assert.deepEqual(namesIn(temp), ["from"]);
  }
});

testFetch("a callback that throws ends the fetch", async ({ temp, fetch }) => {
  for (const files of [1, 500, 878]) {
    const onProgress = (progress: { files: number }) => {
      if (progress.files === files) throw new RangeError("callback");
    };
    await assert.rejects(fetch({ onProgress }), RangeError);
    assert.deepEqual(namesIn(temp), ["from"]);
  }
});

/** A source that does something in the staging folder with its directories made, gives the content, and does not end. */
function meddling({ source, temp, idle }: Setting, meddle: (staging: string) => void): ChunkSource {
  let calls = 0;
  return {
    async fetchChunks(jobs, options) {
      if (calls++ === 0) return await source.fetchChunks(jobs, options);
      await idle();
      meddle(join(temp, readdirSync(temp).find((name) => name.startsWith(".to.fetch_"))!));
      await source.fetchChunks(jobs, options);
      // Not that the source is done ends the fetch.
      await new Promise<void>((resolve) => options?.signal?.addEventListener("abort", () => resolve()));
    },
  };
}

testFetch("a name that is taken is refused as on this thread, while the source is busy", async (setting) => {
  const { temp, fetch } = setting;
  const source = meddling(setting, (staging) => writeFileSync(join(staging, "tree/all"), "here"));
  await assert.rejects(fetch({}, source), (error) => {
    assert(error instanceof UnsafePathError);
    assert.equal(error.path, "all");
    assert.equal(
      error.message,
      'Fetch directory: entry "all" is the same as another entry on this file system',
    );
    return true;
  });
  assert.deepEqual(namesIn(temp), ["from"]);
});

testFetch("what the system refuses is told as on this thread", async (setting) => {
  const { temp, to, fetch } = setting;
  const inWay = (staging: string) => {
    // Flat or not, the directory is gone.
    for (const name of readdirSync(staging)) {
      if (name !== "lock" && name !== "key" && name !== "tree") {
        rmSync(join(staging, name), { recursive: true });
      }
    }
    for (const name of readdirSync(join(staging, "tree"))) {
      rmSync(join(staging, "tree", name), { recursive: true });
    }
  };
  await assert.rejects(fetch({}, meddling(setting, inWay)), (error) => {
    assert(error instanceof FileSystemError);
    assert.equal(error.code, "ENOENT");
    const staging = to.replace(/to$/, ".to.fetch_");
    assert(error.path?.startsWith(staging), error.path);
    return true;
  });
  assert.deepEqual(namesIn(temp), ["from"]);
});

Deno.test(
  "hand: large trees are made by one without being asked",
  { permissions },
  () =>
    withTempDir(async (temp) => {
      const [from, to] = [join(temp, "from"), join(temp, "to")];
      const files = Array.from({ length: 4100 }, (_, i) => [`d${i % 9}/${i}`, `content ${i}`]);
      makeTree(from, { files: Object.fromEntries(files) });
      const store = new MemoryBlobStore();
      const { ref } = await storeDir(store, from);
      await fetchDir(new StoreChunkSource(store), ref, to);
      compareTrees(to, from);
      assert.deepEqual(namesIn(temp), ["from", "to"]);
    }),
);
