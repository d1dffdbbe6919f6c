import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { fetchDir } from "../../src/directory/fetch_dir.ts";
import { scanDir } from "../../src/directory/scan.ts";
import { storeDir } from "../../src/directory/store_dir.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { encodeBlobRef } from "../../src/wire/blob_ref.ts";
import { toHex } from "../../src/wire/bytes.ts";
import { encodeDirManifest } from "../../src/wire/dir_manifest.ts";
import { referenceOf } from "../../src/blob/chunking.ts";
import { withTempDir } from "../support/temp.ts";
import { compareTrees, makeSeedTree, makeTree, pattern, type TreeSpec } from "../support/tree.ts";

interface TreeVector {
  readonly kind: string;
  readonly name: string;
  readonly ref: string;
  readonly entries: number;
  readonly files: number;
  readonly manifest?: string;
}

/** The trees that the vectors describe in words. */
const TREES: Readonly<Record<string, TreeSpec>> = {
  seed_tree: {
    files: {
      "readme.txt": "hello directory transfer",
      "a/one.bin": Uint8Array.from({ length: 5000 }, (_, i) => i % 256),
      "a/b/two.bin": pattern(50_000, 0),
      "a/b/empty.dat": "",
    },
    dirs: { "c/empty_dir": 0o755 },
  },
  modes_and_symlinks: {
    files: {
      "run.sh": ["#!/bin/sh\n", 0o755],
      "secret": ["s", 0o600],
      "ro": ["r", 0o444],
      "bin/tool": ["t", 0o700],
    },
    links: { link: "run.sh", "bin/up": "../outside", abs: "/etc/hostname", dangling: "nowhere" },
  },
  empty_tree: {},
  multichunk: { files: { "small.txt": "a small sibling", "data/big.bin": pattern(9_437_184, 0) } },
};

const path = new URL("../vectors/content.json", import.meta.url);
const { vectors } = JSON.parse(readFileSync(path, "utf8")) as { vectors: TreeVector[] };

/** Making links wants unscoped permissions. */
const permissions: Deno.PermissionOptions = { read: true, write: true };

for (const vector of vectors.filter(({ kind }) => kind === "tree")) {
  Deno.test(`directory vector ${vector.name}`, { permissions }, () =>
    withTempDir(async (dir) => {
      const from = join(dir, "from");
      const packages = /^node_modules_(\d+)$/.exec(vector.name)?.[1];
      if (packages === undefined) makeTree(from, TREES[vector.name]);
      else makeSeedTree(from, Number(packages));

      const { ref, manifest, entries, stats } = await scanDir(from);
      assert.equal(entries.length, vector.entries);
      assert.equal(stats.files, vector.files);
      assert.equal(toHex(encodeBlobRef(ref)), vector.ref);
      if (vector.manifest !== undefined) assert.equal(toHex(manifest), vector.manifest);

      const store = new MemoryBlobStore();
      const stored = await storeDir(store, from);
      assert.deepEqual(stored.ref, ref);
      const to = join(dir, "to");
      await fetchDir(new StoreChunkSource(store), ref, to, { symlinks: "all" });
      compareTrees(to, from);
      assert.deepEqual((await scanDir(to)).ref, ref);
    }));
}

/** Specification 9.5: file modes 0o100644, directory modes 0o40755, or all modes 0. */
const SEED_TREES = [
  [1, false, 16, 1499, "00a0a0fbafd186e8072819c6800909cf871afdca05f9b5c8a55de42b864fb37c"],
  [1, true, 16, 1469, "d7cce03ec6aa29436045a0bac10630e89c1cd4ae6c2689c0d80c817362680f86"],
  [2, false, 25, 2627, "28805eb4b9340cabe6464791b115b8cbea68716403883febdd83ca52cd31e09b"],
] as const;

for (const [packages, noModes, count, length, address] of SEED_TREES) {
  Deno.test(
    `address of ${packages} packages${noModes ? " without modes" : ""}`,
    { permissions },
    () =>
      withTempDir(async (dir) => {
        makeSeedTree(dir, packages);
        const { entries } = await scanDir(dir);
        assert.equal(entries.length, count);
        const bytes = encodeDirManifest(
          noModes
            ? entries.map((entry) => entry.kind === "symlink" ? entry : { ...entry, mode: 0 })
            : entries,
        );
        assert.equal(bytes.length, length);
        const ref = await referenceOf(bytes);
        assert(ref.kind === "small");
        assert.equal(toHex(ref.hash), address);
      }),
  );
}
