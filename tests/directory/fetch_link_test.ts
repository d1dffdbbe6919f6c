import assert from "node:assert/strict";
import { chmodSync, linkSync, lstatSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ChunkSource } from "../../src/blob/source.ts";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { fetchDirWith } from "../../src/directory/fetch_tree.ts";
import { INSTALL_CALLS, type InstallCalls } from "../../src/directory/install.ts";
import { storeDir } from "../../src/directory/store_dir.ts";
import { type BlobRef, encodeBlobRef } from "../../src/wire/blob_ref.ts";
import { toHex } from "../../src/wire/bytes.ts";
import { tempPermissions as permissions, withTempDir } from "../support/temp.ts";
import { compareTrees, makeTree, namesIn, pattern } from "../support/tree.ts";

const LARGE = 5_000_000;
const FILES = {
  "same": "the same",
  "sub/same.bin": pattern(LARGE, 1),
  "sub/read-only": ["read-only", 0o400] as const,
  "mode": ["its mode changes", 0o644] as const,
  "text": "its text changes",
  "two names": "it has another name",
};
const PATHS = Object.keys(FILES);

interface Setting {
  readonly temp: string;
  readonly from: string;
  readonly to: string;
  readonly ref: BlobRef;
  readonly source: ChunkSource;
  /** Inode numbers of the old files by path. */
  readonly inodes: ReadonlyMap<string, number>;
  fetch(calls?: Partial<InstallCalls>, source?: ChunkSource): ReturnType<typeof fetchDirWith>;
  /** Paths at which the file is the one that was there before. */
  kept(): string[];
}

/** An old tree at the destination, and one to fetch that differs from it. */
async function prepared(test: (setting: Setting) => Promise<void>): Promise<void> {
  await withTempDir(async (temp) => {
    const [from, to] = [join(temp, "from"), join(temp, "to")];
    makeTree(to, { files: FILES });
    linkSync(join(to, "two names"), join(temp, "other name"));
    makeTree(from, {
      files: {
        ...FILES,
        "mode": ["its mode changes", 0o600],
        "text": "its TEXT changes",
        "copy": "the same",
      },
    });
    const store = new MemoryBlobStore();
    const { ref } = await storeDir(store, from);
    const source = new StoreChunkSource(store);
    const inodeOf = (path: string) => lstatSync(join(to, path)).ino;
    const inodes = new Map(PATHS.map((path) => [path, inodeOf(path)]));
    await test({
      ...{ temp, from, to, ref, source, inodes },
      fetch: (calls = {}, other = source) => fetchDirWith(other, ref, to, {}, { ...INSTALL_CALLS, ...calls }),
      kept: () => PATHS.filter((path) => inodes.get(path) === inodeOf(path)),
    });
  });
}

/** A source that gives the manifest and then fails. */
function breaking(inner: ChunkSource): ChunkSource {
  let calls = 0;
  return {
    fetchChunks: (...args) => {
      if (calls++ > 0) throw new Error("the source breaks");
      return inner.fetchChunks(...args);
    },
  };
}

Deno.test(
  "link: files that do not change stay the same files",
  { permissions },
  () =>
    prepared(async ({ temp, from, to, fetch, kept }) => {
      const stats = await fetch();
      assert.deepEqual(kept(), ["same", "sub/same.bin", "sub/read-only"]);
      compareTrees(to, from);
      for (const path of [...PATHS, "copy"]) assert.equal(lstatSync(join(to, path)).nlink, 1, path);
      assert.equal(stats.fetchedBytes, "its TEXT changes".length);
      assert.equal(stats.reusedBytes, LARGE + "the sameread-onlyits mode changesit has another name".length);
      assert.equal(stats.resumed, false);
      // What has a name outside the tree is nobody else's file afterwards, and as it was.
      assert.equal(readFileSync(join(temp, "other name"), "utf8"), "it has another name");
      writeFileSync(join(temp, "other name"), "changed");
      compareTrees(to, from);
      assert.deepEqual(namesIn(temp), ["from", "other name", "to"]);
    }),
);

Deno.test(
  "link: a fetch that fails leaves the old files alone",
  { permissions },
  () =>
    prepared(async ({ temp, to, source, fetch, kept }) => {
      makeTree(join(temp, "before"), { files: FILES });
      await assert.rejects(fetch({}, breaking(source)), /the source breaks/);
      assert.deepEqual(kept(), PATHS);
      compareTrees(to, join(temp, "before"));
      assert.deepEqual(namesIn(temp), ["before", "from", "other name", "to"]);
      for (const path of PATHS) {
        assert.equal(lstatSync(join(to, path)).nlink, path === "two names" ? 2 : 1, path);
      }
    }),
);

for (const code of ["EXDEV", "EPERM"]) {
  Deno.test(
    `link: where it is refused (${code}), files are copied`,
    { permissions },
    () =>
      prepared(async ({ from, to, fetch, kept }) => {
        let tries = 0;
        const link = () => {
          tries++;
          throw Object.assign(new Error("refused"), { code });
        };
        const { fetchedBytes } = await fetch({ link });
        // Another file system is another one for all files.
        assert.equal(tries, code === "EXDEV" ? 1 : 4);
        assert.deepEqual(kept(), []);
        assert.equal(fetchedBytes, "its TEXT changes".length);
        compareTrees(to, from);
      }),
  );
}

Deno.test(
  "link: what takes a file's place after it was verified is not linked",
  { permissions },
  () =>
    prepared(async ({ temp, from, to, fetch, kept }) => {
      await fetch({
        link(a, b) {
          if (a.endsWith("/same")) {
            writeFileSync(join(temp, "evil"), "evil sam");
            renameSync(join(temp, "evil"), a);
          } else if (a.endsWith("same.bin")) {
            writeFileSync(a, "in place");
          } else if (a.endsWith("read-only")) {
            chmodSync(a, 0o444);
          }
          INSTALL_CALLS.link(a, b);
        },
      });
      assert.deepEqual(kept(), []);
      compareTrees(to, from);
    }),
);

Deno.test(
  "link: files of an unfinished tree that are also in the old one are not moved",
  { permissions },
  () =>
    prepared(async ({ temp, from, to, ref, source, fetch, kept }) => {
      // As a process leaves it that was killed after it had made its links.
      const left = join(temp, ".to.fetch_0123456789abcdef");
      makeTree(join(left, "tree"), { dirs: { sub: 0o755 } });
      for (const path of ["same", "sub/same.bin", "sub/read-only"]) {
        linkSync(join(to, path), join(left, "tree", path));
      }
      writeFileSync(join(left, "lock"), "");
      writeFileSync(join(left, "ref"), `${toHex(encodeBlobRef(ref))}\n`);
      await assert.rejects(fetch({}, breaking(source)), /the source breaks/);
      assert.deepEqual(kept(), PATHS);
      await fetch();
      compareTrees(to, from);
      assert.deepEqual(namesIn(temp), ["from", "other name", "to"]);
    }),
);
