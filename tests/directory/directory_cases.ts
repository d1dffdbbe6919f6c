/**
 * What a directory transfer must do whatever carries it (specification 9.2): every body takes a function that makes a
 * source out of a store, so that the same run over a local store and over two nodes.
 *
 * @module
 */

import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ChunkSource } from "../../src/blob/source.ts";
import type { BlobStore } from "../../src/blob/store.ts";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { fetchDir } from "../../src/directory/fetch_dir.ts";
import { storeDir } from "../../src/directory/store_dir.ts";
import { UnsafePathError } from "../../src/errors.ts";
import { type BlobRef, blobUri, encodeBlobRef, smallRef } from "../../src/wire/blob_ref.ts";
import { type DirEntry, encodeDirManifest } from "../../src/wire/dir_manifest.ts";
import { referenceOf } from "../../src/blob/chunking.ts";
import { compareTrees, makeSeedTree, makeTree, namesIn, pattern } from "../support/tree.ts";

/** Makes a source that gives what `store` holds. It lasts until it is disposed of. */
export type MakeSource = (store: BlobStore) => Promise<ChunkSource & Partial<AsyncDisposable>>;

/** One case. `dir` is an empty directory. */
export interface DirectoryCase {
  /** What is to be seen. */
  readonly name: string;
  /** Fails unless it is. */
  run(dir: string, makeSource: MakeSource): Promise<void>;
}

/** Stores `root` and calls `fn` with a source of it. */
export async function withStored<T>(
  root: string,
  makeSource: MakeSource,
  fn: (source: ChunkSource, ref: BlobRef) => Promise<T>,
): Promise<T> {
  const store = new MemoryBlobStore();
  const { ref } = await storeDir(store, root);
  return await withSource(store, makeSource, (source) => fn(source, ref));
}

/** Calls `fn` with a source of `store`. */
export async function withSource<T>(
  store: BlobStore,
  makeSource: MakeSource,
  fn: (source: ChunkSource) => Promise<T>,
): Promise<T> {
  const source = await makeSource(store);
  try {
    return await fn(source);
  } finally {
    await source[Symbol.asyncDispose]?.();
  }
}

/** Stores a manifest of any entries, also hostile ones. */
export async function storeManifest(store: BlobStore, entries: readonly DirEntry[]): Promise<BlobRef> {
  const bytes = encodeDirManifest(entries);
  await store.put(bytes);
  return await referenceOf(bytes);
}

async function copied(dir: string, makeSource: MakeSource, bytes: number) {
  const [from, to] = [join(dir, "from"), join(dir, "to")];
  const stats = await withStored(from, makeSource, (source, ref) => fetchDir(source, ref, to));
  compareTrees(to, from);
  assert.equal(stats.bytes, bytes);
  assert.deepEqual(namesIn(dir), ["from", "to"]);
  return stats;
}

const escape = (): DirEntry => {
  const hash = new Uint8Array(32).fill(0xab);
  return {
    kind: "file",
    path: "../escape.txt",
    mode: 0o644,
    blob: encodeBlobRef(smallRef(blobUri(hash), hash, 4)),
  };
};

/** The cases of specification 9.2, and the trees of its benchmarks. */
export const directoryCases: readonly DirectoryCase[] = [
  {
    name: "a tree with an empty file and an empty directory",
    async run(dir, makeSource) {
      makeTree(join(dir, "from"), {
        files: {
          "readme.txt": "hello directory transfer",
          "a/one.bin": Uint8Array.from({ length: 5000 }, (_, i) => i % 256),
          "a/b/two.bin": pattern(50_000, 0),
          "a/b/empty.dat": "",
        },
        dirs: { "c/empty_dir": 0o755 },
      });
      const stats = await copied(dir, makeSource, 24 + 5000 + 50_000);
      assert.equal(stats.files, 4);
      assert.equal(stats.dirs, 4);
      assert(statSync(join(dir, "to/c/empty_dir")).isDirectory());
    },
  },
  {
    name: "200 small files",
    async run(dir, makeSource) {
      const files: Record<string, string> = {};
      let bytes = 0;
      for (let i = 0; i < 200; i++) {
        const body = `file ${i} contents — ${"x".repeat(i % 64)}`;
        files[`pkg${i % 12}/mod${i}.js`] = body;
        bytes += new TextEncoder().encode(body).length;
      }
      makeTree(join(dir, "from"), { files });
      assert.equal((await copied(dir, makeSource, bytes)).files, 200);
    },
  },
  {
    name: "six files of 4 MiB",
    async run(dir, makeSource) {
      const size = 4 * 1024 * 1024;
      const files: Record<string, Uint8Array> = {};
      for (let i = 0; i < 6; i++) files[`artifact${i}.bin`] = pattern(size, i);
      makeTree(join(dir, "from"), { files });
      assert.equal((await copied(dir, makeSource, 6 * size)).files, 6);
    },
  },
  {
    name: "a file of several chunks beside a small one",
    async run(dir, makeSource) {
      makeTree(join(dir, "from"), {
        files: { "data/big.bin": pattern(9_437_184, 0), "small.txt": "a small sibling" },
      });
      assert.equal((await copied(dir, makeSource, 9_437_184 + 15)).files, 2);
    },
  },
  {
    name: "a second fetch replaces everything",
    async run(dir, makeSource) {
      const to = join(dir, "to");
      makeTree(join(dir, "first"), { files: { "a.txt": "old", "b.txt": "to disappear" } });
      makeTree(join(dir, "second"), { files: { "a.txt": "new content" } });
      await withStored(join(dir, "first"), makeSource, (source, ref) => fetchDir(source, ref, to));
      await withStored(join(dir, "second"), makeSource, (source, ref) => fetchDir(source, ref, to));
      assert(!existsSync(join(to, "b.txt")));
      assert.equal(readFileSync(join(to, "a.txt"), "utf8"), "new content");
      assert.deepEqual(namesIn(dir), ["first", "second", "to"]);
    },
  },
  {
    name: "a manifest that leaves the destination changes nothing there",
    async run(dir, makeSource) {
      const to = join(dir, "to");
      const original = join(dir, "original");
      for (const root of [to, original]) makeTree(root, { files: { "keep.txt": "kept" } });
      const store = new MemoryBlobStore();
      const ref = await storeManifest(store, [escape()]);
      await withSource(store, makeSource, async (source) => {
        await assert.rejects(fetchDir(source, ref, to), UnsafePathError);
      });
      compareTrees(to, original);
      assert.deepEqual(namesIn(dir), ["original", "to"]);
    },
  },
  {
    name: "a manifest that leaves the destination makes none",
    async run(dir, makeSource) {
      const store = new MemoryBlobStore();
      const ref = await storeManifest(store, [escape()]);
      await withSource(store, makeSource, async (source) => {
        await assert.rejects(fetchDir(source, ref, join(dir, "to")), UnsafePathError);
      });
      assert.deepEqual(namesIn(dir), []);
    },
  },
  {
    name: "two fetches at once into neighbours",
    async run(dir, makeSource) {
      const from = join(dir, "from");
      makeSeedTree(from, 8, { links: false });
      await withStored(from, makeSource, async (source, ref) => {
        const dests = [join(dir, "one"), join(dir, "two")];
        await Promise.all(dests.map((dest) => fetchDir(source, ref, dest)));
        for (const dest of dests) compareTrees(dest, from);
      });
      assert.deepEqual(namesIn(dir), ["from", "one", "two"]);
    },
  },
  {
    name: "two fetches at once into the same destination",
    async run(dir, makeSource) {
      const from = join(dir, "from");
      makeSeedTree(from, 8, { links: false });
      await withStored(from, makeSource, async (source, ref) => {
        await Promise.all([1, 2].map(() => fetchDir(source, ref, join(dir, "to"))));
        compareTrees(join(dir, "to"), from);
      });
      assert.deepEqual(namesIn(dir), ["from", "to"]);
    },
  },
  {
    name: "scale: the benchmark's tree of 1500 packages",
    async run(dir, makeSource) {
      const made = makeSeedTree(join(dir, "from"), 1500, { links: false });
      assert.deepEqual(made, { files: 12_430, bytes: 28_749_570 });
      assert.equal((await copied(dir, makeSource, made.bytes)).files, made.files);
    },
  },
  {
    name: "invariance: the same volume in two files and in 1024",
    async run(dir, makeSource) {
      const volume = 8 * 1024 * 1024;
      for (const count of [2, 1024]) {
        const files: Record<string, Uint8Array> = {};
        for (let f = 0; f < count; f++) files[`d${f % 32}/f${f}.bin`] = pattern(volume / count, f);
        const sub = join(dir, `${count}`);
        makeTree(join(sub, "from"), { files });
        assert.equal((await copied(sub, makeSource, volume)).files, count);
      }
    },
  },
];
