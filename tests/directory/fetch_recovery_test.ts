import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { tryLockFile } from "#lock";
import type { ChunkSource } from "../../src/blob/source.ts";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { nobleBlake3 } from "../../src/crypto/blake3.ts";
import { fetchDir } from "../../src/directory/fetch_dir.ts";
import { manifestKey } from "../../src/directory/outline_key.ts";
import { checkManifest } from "../../src/directory/plan.ts";
import { scanDir } from "../../src/directory/scan.ts";
import { storeDir } from "../../src/directory/store_dir.ts";
import type { BlobRef } from "../../src/wire/blob_ref.ts";
import { readyJobs } from "../support/jobs.ts";
import { tempPermissions as permissions, withTempDir } from "../support/temp.ts";
import { compareTrees, makeTree, namesIn, pattern } from "../support/tree.ts";

const ID = "0123456789abcdef";
const LARGE = 9_000_000;
const TREE = {
  files: {
    "a.txt": "small a",
    "d/b.txt": ["small b", 0o400] as const,
    "d/large.bin": pattern(LARGE, 3),
    "e": "",
  },
  dirs: { "ro": 0o555 },
};

interface Setting {
  readonly temp: string;
  readonly from: string;
  readonly to: string;
  readonly ref: BlobRef;
  /** What staging folders of it are known by. */
  readonly key: string;
  readonly source: CountingSource;
}

/** Counts the bytes that are asked for. */
class CountingSource implements ChunkSource {
  bytes = 0;
  readonly #inner: StoreChunkSource;

  constructor(store: MemoryBlobStore) {
    this.#inner = new StoreChunkSource(store);
  }

  fetchChunks(...[jobs, options]: Parameters<ChunkSource["fetchChunks"]>): Promise<void> {
    return this.#inner.fetchChunks(this.#counted(jobs), options);
  }

  *#counted(jobs: Parameters<ChunkSource["fetchChunks"]>[0]) {
    for (const job of readyJobs(jobs)) {
      this.bytes += job.length;
      yield job;
    }
  }
}

function recoveryTest(name: string, body: (setting: Setting) => Promise<void>): void {
  Deno.test(`recovery: ${name}`, { permissions }, () =>
    withTempDir(async (temp) => {
      const from = join(temp, "from");
      makeTree(from, TREE);
      const store = new MemoryBlobStore();
      const { ref } = await storeDir(store, from);
      const source = new CountingSource(store);
      await body({ temp, from, to: join(temp, "to"), ref, key: await keyOf(from), source });
    }));
}

/** The key of the directory at `root`. */
async function keyOf(root: string): Promise<string> {
  const { entries } = await scanDir(root);
  return manifestKey(nobleBlake3(), entries, checkManifest(entries).files);
}

/** What a fetch that was killed while it wrote files leaves. */
function leaveStaging({ temp, key }: Setting, id: string, of: string = key): string {
  const path = join(temp, `.to.fetch_${id}`);
  mkdirSync(join(path, "tree", "d"), { recursive: true, mode: 0o700 });
  writeFileSync(join(path, "lock"), "");
  writeFileSync(join(path, "key"), of + "\n");
  return path;
}

recoveryTest("a staging folder of the same directory is continued", async (setting) => {
  const { temp, from, to, ref, source } = setting;
  const tree = join(leaveStaging(setting, ID), "tree");
  writeFileSync(join(tree, "a.txt"), "small a");
  writeFileSync(join(tree, "d/b.txt"), "small X");
  // At its full size, with the first and the last chunk written.
  const large = pattern(LARGE, 3);
  large.fill(0, 4_194_304, 8_388_608);
  writeFileSync(join(tree, "d/large.bin"), large);
  const stats = await fetchDir(source, ref, to);
  compareTrees(to, from);
  assert.deepEqual(namesIn(temp), ["from", "to"]);
  assert.equal(stats.resumed, true);
  assert.equal(stats.reusedBytes, LARGE - 4_194_304 + 7);
  assert.equal(stats.fetchedBytes, 4_194_304 + 7);
  assert.equal(source.bytes, stats.fetchedBytes + stats.manifestBytes);
});

for (const place of ["0", "7/d"]) {
  recoveryTest(
    `a staging folder whose tree was not put together is continued, files at ${place}`,
    async (setting) => {
      const { temp, from, to, ref, source } = setting;
      const folder = join(leaveStaging(setting, ID), place);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "b.txt"), "small b");
      const large = pattern(LARGE, 3);
      large.fill(0, 4_194_304, 8_388_608);
      writeFileSync(join(folder, "large.bin"), large);
      const stats = await fetchDir(source, ref, to);
      compareTrees(to, from);
      assert.deepEqual(namesIn(temp), ["from", "to"]);
      assert.equal(stats.resumed, true);
      assert.equal(stats.reusedBytes, LARGE - 4_194_304 + 7);
      assert.equal(source.bytes, stats.fetchedBytes + stats.manifestBytes);
    },
  );
}

recoveryTest("several of them, with rubbish in them", async (setting) => {
  const { temp, from, to, ref, source } = setting;
  const one = join(leaveStaging(setting, ID), "tree");
  writeFileSync(join(one, "d/large.bin"), new Uint8Array(LARGE));
  mkdirSync(join(one, "a.txt"));
  const two = join(leaveStaging(setting, "f".repeat(16)), "tree");
  writeFileSync(join(two, "a.txt"), "small a");
  writeFileSync(join(two, "d/large.bin"), pattern(LARGE, 3));
  writeFileSync(join(two, "unknown"), "what is this");
  // Killed before there was more than the folder, or its lock.
  mkdirSync(join(temp, ".to.fetch_1111111111111111"));
  mkdirSync(join(temp, ".to.fetch_2222222222222222"));
  writeFileSync(join(temp, ".to.fetch_2222222222222222", "lock"), "");
  await fetchDir(source, ref, to);
  compareTrees(to, from);
  assert.deepEqual(namesIn(temp), ["from", "to"]);
});

recoveryTest("a staging folder of another directory is removed", async (setting) => {
  const { temp, from, to, ref, source } = setting;
  const tree = join(leaveStaging(setting, ID, "ab".repeat(32)), "tree");
  writeFileSync(join(tree, "a.txt"), "small a");
  mkdirSync(join(tree, "d/ro"));
  chmodSync(join(tree, "d"), 0o500);
  const stats = await fetchDir(source, ref, to);
  assert.equal(stats.resumed, false);
  compareTrees(to, from);
  assert.deepEqual(namesIn(temp), ["from", "to"]);
});

recoveryTest("what a living fetch holds is left alone", async (setting) => {
  const { temp, from, to, ref, source } = setting;
  const path = leaveStaging(setting, ID);
  const backup = join(temp, `.to.replaced_${ID}`);
  makeTree(backup, { files: { old: "old" } });
  const lock = tryLockFile(join(path, "lock"));
  assert(lock);
  try {
    await fetchDir(source, ref, to);
    compareTrees(to, from);
    assert.deepEqual(namesIn(temp), [`.to.fetch_${ID}`, `.to.replaced_${ID}`, "from", "to"]);
  } finally {
    lock.release();
  }
  // When it is dead, even a fetch that has nothing else to do cleans up.
  assert.equal((await fetchDir(source, ref, to)).installed, false);
  assert.deepEqual(namesIn(temp), ["from", "to"]);
});

recoveryTest("killed between the two renames", async (setting) => {
  const { temp, from, to, ref, source } = setting;
  makeTree(join(temp, `.to.replaced_${ID}`), { files: { old: "old" } });
  makeTree(join(temp, "expected"), { files: { old: "old" } });
  renameSync(from, join(leaveStaging(setting, ID), "whole"));
  // Also when the fetch itself fails, the old tree has its name again.
  const failing: ChunkSource = { fetchChunks: () => Promise.reject(new Error("gone")) };
  await assert.rejects(fetchDir(failing, ref, to), /gone/);
  compareTrees(to, join(temp, "expected"));
  // The unfinished work is kept for a fetch that gets further.
  assert.deepEqual(namesIn(temp), [`.to.fetch_${ID}`, "expected", "to"]);
  await fetchDir(source, ref, to);
  assert.deepEqual(readdirSync(to).sort(), ["a.txt", "d", "e", "ro"]);
  assert.deepEqual(namesIn(temp), ["expected", "to"]);
});

recoveryTest("killed after the second rename", async (setting) => {
  const { temp, from, to, ref, source } = setting;
  makeTree(to, TREE);
  makeTree(join(temp, `.to.replaced_${ID}`), { files: { old: "old" }, dirs: { "sub": 0o500 } });
  assert.equal((await fetchDir(source, ref, to)).installed, false);
  compareTrees(to, from);
  assert.deepEqual(namesIn(temp), ["from", "to"]);
});

recoveryTest("killed while the old tree was removed after an exchange", async (setting) => {
  const { temp, from, to, ref, source } = setting;
  makeTree(to, TREE);
  const path = leaveStaging(setting, ID);
  rmSync(join(path, "tree"), { recursive: true });
  makeTree(join(path, "tree"), { files: { "old": "old", "a.txt": "older" } });
  assert.equal((await fetchDir(source, ref, to)).installed, false);
  compareTrees(to, from);
  assert.deepEqual(namesIn(temp), ["from", "to"]);
});

recoveryTest("things that only look like ours stay", async ({ temp, from, to, ref, source }) => {
  writeFileSync(join(temp, `.to.fetch_${ID}`), "a file");
  writeFileSync(join(temp, `.to.replaced_${ID}`), "a file");
  mkdirSync(join(temp, ".to.fetch_notourid"));
  mkdirSync(join(temp, `.too.fetch_${ID}`));
  mkdirSync(join(temp, `.to.fetch_${ID}0`));
  const before = namesIn(temp);
  await fetchDir(source, ref, to);
  compareTrees(to, from);
  assert.deepEqual(namesIn(temp), [...before, "to"].sort());
});

Deno.test("recovery: links in an unfinished tree are not followed", {
  permissions: { read: true, write: true },
}, () =>
  withTempDir(async (temp) => {
    const from = join(temp, "from");
    makeTree(from, TREE);
    const store = new MemoryBlobStore();
    const { ref } = await storeDir(store, from);
    const victim = join(temp, "victim");
    makeTree(victim, { files: { "large.bin": pattern(LARGE, 3) } });
    const path = leaveStaging({ temp, key: await keyOf(from) } as Setting, ID);
    rmSync(join(path, "tree", "d"), { recursive: true });
    symlinkSync(victim, join(path, "tree", "d"));
    await fetchDir(new StoreChunkSource(store), ref, join(temp, "to"));
    compareTrees(join(temp, "to"), from);
    assert.equal(statSync(join(victim, "large.bin")).size, LARGE);
    assert.deepEqual(namesIn(temp), ["from", "to", "victim"]);
  }));
