import assert from "node:assert/strict";
import {
  appendFileSync,
  chmodSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import type { ChunkSource } from "../../src/blob/source.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { fetchDir } from "../../src/directory/fetch_dir.ts";
import type { FetchDirOptions, FetchDirStats } from "../../src/directory/fetch_options.ts";
import { scanDir } from "../../src/directory/scan.ts";
import { storeDir } from "../../src/directory/store_dir.ts";
import { TRUST } from "../../src/directory/tree_cache_format.ts";
import type { BlobRef } from "../../src/wire/blob_ref.ts";
import { recall, rememberAs, rememberLies } from "../support/memories.ts";
import { testInTempDir, withTempDir } from "../support/temp.ts";
import { compareTrees, makeTree, MIXED_TREE, pattern } from "../support/tree.ts";

const MIB = 1024 * 1024;
/** Somebody who must not be asked. */
const NOBODY: ChunkSource = { fetchChunks: () => Promise.reject(new Error("somebody asked")) };

/** A tree and what was fetched of it with a cache. */
class Fetched {
  readonly source: string;
  readonly dest: string;
  readonly cache: string;
  readonly store = new MemoryBlobStore();
  ref!: BlobRef;

  constructor(temp: string) {
    this.source = join(temp, "source");
    this.dest = join(temp, "dest");
    this.cache = join(temp, "cache");
  }

  static async make(temp: string, options: FetchDirOptions = {}): Promise<Fetched> {
    const fetched = new Fetched(temp);
    makeTree(fetched.source, MIXED_TREE);
    await fetched.publish();
    await fetched.fetch(options);
    return fetched;
  }

  async publish(): Promise<void> {
    this.ref = (await storeDir(this.store, this.source)).ref;
  }

  fetch(options: FetchDirOptions = {}, source: ChunkSource = new StoreChunkSource(this.store)) {
    return fetchDir(source, this.ref, this.dest, { cache: this.cache, ...options });
  }

  /** Fetches what must be here already. */
  refetch(options: FetchDirOptions = {}): Promise<FetchDirStats> {
    return this.fetch(options, NOBODY);
  }
}

testInTempDir("fetch with a cache: an unchanged tree is known, and nobody is asked", async (temp) => {
  const fetched = await Fetched.make(temp);
  const expected = {
    ...await fetchDir(new StoreChunkSource(fetched.store), fetched.ref, fetched.dest),
    installed: false,
  };
  for (let i = 0; i < 2; i++) assert.deepEqual(await fetched.refetch(), expected);
  compareTrees(fetched.dest, fetched.source);
});

testInTempDir("fetch with a cache: what it made of a newer tree is known, too", async (temp) => {
  const fetched = await Fetched.make(temp);
  writeFileSync(join(fetched.source, "a/small"), "newer");
  unlinkSync(join(fetched.source, "tool"));
  writeFileSync(join(fetched.source, "added"), "added");
  await fetched.publish();
  const stats = await fetched.fetch();
  assert.equal(stats.fetchedBytes, "newer".length + "added".length);
  assert.equal((await fetched.refetch()).installed, false);
  compareTrees(fetched.dest, fetched.source);
});

testInTempDir("fetch with a cache: a tree that was found to be as wanted is known", async (temp) => {
  const fetched = new Fetched(temp);
  for (const root of [fetched.source, fetched.dest]) makeTree(root, MIXED_TREE);
  await fetched.publish();
  assert.equal((await fetched.fetch()).installed, false);
  assert.equal((await fetched.refetch()).installed, false);
});

testInTempDir("fetch with a cache: of an unchanged tree nothing is read but with verify", async (temp) => {
  const fetched = await Fetched.make(temp);
  // As if the change had been made in a way that nothing shows.
  writeFileSync(join(fetched.dest, "a/small"), "SMALL");
  const { mtimeMs, ctimeMs } = lstatSync(join(fetched.dest, "a/small"));
  rememberAs(fetched.cache, { root: fetched.dest }, {
    look: ({ path, ctimeMs: until }) =>
      path === "a/small" ? { mtimeMs, ctimeMs } : { ctimeMs: until + 10_000 },
    trust: TRUST.ctimeUntil,
  });
  assert.equal((await fetched.refetch()).installed, false);
  const { installed, fetchedBytes } = await fetched.fetch({ verify: true });
  assert.deepEqual({ installed, fetchedBytes }, { installed: true, fetchedBytes: 5 });
  compareTrees(fetched.dest, fetched.source);
  assert.equal((await fetched.refetch()).installed, false);
});

testInTempDir(
  "fetch with a cache: hashes come from it, and content is verified all the same",
  async (temp) => {
    const fetched = await Fetched.make(temp);
    rememberLies(fetched.cache, { root: fetched.dest }, { trust: TRUST.ctimeUntil });
    const { installed, reusedBytes } = await fetched.fetch();
    assert.deepEqual(
      { installed, reusedBytes },
      { installed: true, reusedBytes: 0 },
      "it believes that all differ",
    );
    compareTrees(fetched.dest, fetched.source);
  },
);

/** What is done to the destination; the next fetch makes good for it. */
const DAMAGES: Readonly<Record<string, (dest: string) => void>> = {
  "a file was rewritten": (dest) => writeFileSync(join(dest, "a/small"), "SMALL"),
  "a file was rewritten, its time set again": (dest) => {
    const { atime, mtime } = lstatSync(join(dest, "a/small"));
    writeFileSync(join(dest, "a/small"), "SMALL");
    utimesSync(join(dest, "a/small"), atime, mtime);
  },
  "a file grew": (dest) => appendFileSync(join(dest, "large"), "more"),
  "a file was added": (dest) => writeFileSync(join(dest, "hollow/added"), ""),
  "a file is gone": (dest) => unlinkSync(join(dest, "a/empty")),
  "a directory is gone": (dest) => rmSync(join(dest, "hollow"), { recursive: true }),
  "a directory was added": (dest) => mkdirSync(join(dest, "added")),
  "files changed places": (dest) => {
    renameSync(join(dest, "a/small"), join(dest, "t"));
    renameSync(join(dest, "tool"), join(dest, "a/small"));
    renameSync(join(dest, "t"), join(dest, "tool"));
  },
  ...(process.platform === "win32" ? {} : {
    "a mode changed": (dest) => chmodSync(join(dest, "tool"), 0o644),
    "a directory's mode changed": (dest) => chmodSync(join(dest, "hollow"), 0o700),
  }),
};

for (const [name, damage] of Object.entries(DAMAGES)) {
  testInTempDir(`fetch with a cache: ${name}: the next fetch makes good for it`, async (temp) => {
    const fetched = await Fetched.make(temp);
    // As if long ago: Deno's ctime does not tell what happened within one second.
    rememberAs(fetched.cache, { root: fetched.dest }, {
      look: ({ ctimeMs }) => ({ ctimeMs: ctimeMs - 1500 }),
      trust: TRUST.ctimeUntil,
    });
    damage(fetched.dest);
    assert.equal((await fetched.fetch()).installed, true);
    compareTrees(fetched.dest, fetched.source);
    assert.equal((await fetched.refetch()).installed, false);
  });
}

testInTempDir("fetch with a cache: a file that was only touched is read once", async (temp) => {
  const fetched = await Fetched.make(temp);
  rememberAs(fetched.cache, { root: fetched.dest });
  utimesSync(join(fetched.dest, "large"), 1_600_000_000, 1_600_000_000);
  assert.equal((await fetched.refetch()).installed, false);
  const { table } = recall(fetched.cache, { root: fetched.dest });
  assert.equal(table.records.find(({ path }) => path === "large")!.mtimeMs, 1_600_000_000_000);
});

testInTempDir(
  "fetch with a cache: options and references other than those remembered ask again",
  async (temp) => {
    const fetched = await Fetched.make(temp);
    for (const options of [{ specialModes: true }, { symlinks: "all" }, { maxBytes: 20 * MIB }] as const) {
      await assert.rejects(fetched.refetch(options), /somebody asked/);
      assert.equal((await fetched.fetch(options)).installed, false);
      assert.equal((await fetched.refetch(options)).installed, false);
    }
    await assert.rejects(fetched.fetch({ maxBytes: 5 }), { name: "LimitExceededError" });
    writeFileSync(join(fetched.source, "tool"), "#? ");
    await fetched.publish();
    await assert.rejects(fetched.refetch(), /somebody asked/);
  },
);

testInTempDir("fetch with a cache: after a fetch that failed the old tree is still known", async (temp) => {
  const fetched = await Fetched.make(temp);
  const before = fetched.ref;
  writeFileSync(join(fetched.source, "large"), pattern(6 * MIB, 2));
  await fetched.publish();
  const broken: ChunkSource = {
    fetchChunks(jobs, options) {
      const passed = function* () {
        for (const job of jobs) {
          if (!(job instanceof Promise) && job.length === 4 * MIB) throw new Error("gone");
          yield job;
        }
      };
      return new StoreChunkSource(fetched.store).fetchChunks(passed(), options);
    },
  };
  await assert.rejects(fetched.fetch({}, broken));
  fetched.ref = before;
  assert.equal((await fetched.refetch()).installed, false);
});

testInTempDir(
  "fetch with a cache: what was fetched is shared without being read, but for large files",
  async (temp) => {
    const fetched = await Fetched.make(temp);
    const { cache, dest } = fetched;
    assert.deepEqual((await scanDir(dest, { cache })).ref, fetched.ref);
    assert.equal((await fetched.refetch()).installed, false, "what is known of the fetch stays");
    const { trust, table } = recall(cache, { root: dest });
    assert.equal(trust[table.records.findIndex(({ path }) => path === "large")] & TRUST.chunksOnly, 0);
    rememberLies(cache, { root: dest });
    assert.notDeepEqual((await scanDir(dest, { cache })).ref, fetched.ref);
  },
);

testInTempDir("fetch with a cache: without one nothing is remembered", async (temp) => {
  const fetched = await Fetched.make(temp, { cache: undefined });
  assert.throws(() => recall(fetched.cache, { root: fetched.dest }), /remembered/);
  await assert.rejects(fetched.refetch({ cache: undefined }), /somebody asked/);
});

Deno.test("fetch with a cache: links are known, unless some were left out", {
  permissions: { read: true, write: true, sys: ["uid"] },
}, () =>
  withTempDir(async (temp) => {
    const fetched = new Fetched(temp);
    makeTree(fetched.source, MIXED_TREE);
    symlinkSync("tool", join(fetched.source, "link"));
    await fetched.publish();
    await fetched.fetch();
    assert.equal((await fetched.refetch()).symlinks, 1);
    await assert.rejects(fetched.refetch({ symlinks: "skip" }), /somebody asked/);
    await fetched.fetch({ symlinks: "skip" });
    await assert.rejects(fetched.refetch({ symlinks: "skip" }), /somebody asked/);
    await fetched.fetch();
    unlinkSync(join(fetched.dest, "link"));
    symlinkSync("a", join(fetched.dest, "link"));
    assert.equal((await fetched.fetch()).installed, true);
    compareTrees(fetched.dest, fetched.source);
  }));
