import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { fetchDir } from "../../src/directory/fetch_dir.ts";
import { fetchDirWith } from "../../src/directory/fetch_tree.ts";
import { INSTALL_CALLS } from "../../src/directory/install.ts";
import { scanDir } from "../../src/directory/scan.ts";
import { storeDir } from "../../src/directory/store_dir.ts";
import { FileSystemError } from "../../src/errors.ts";
import { tempPermissions as permissions, withTempDir } from "../support/temp.ts";
import { CHUNK_SIZE } from "../../src/wire/blob_ref.ts";
import { compareTrees, makeSeedTree, makeTree, namesIn, pattern } from "../support/tree.ts";

const OLD = { files: { "old.txt": "old", "sub/dir/x": "y" } };

Deno.test(
  "fetchDir: aborted anywhere leaves everything as it was",
  { permissions },
  () =>
    withTempDir(async (temp) => {
      const from = join(temp, "from");
      const { files } = makeSeedTree(from, 20, { links: false });
      const store = new MemoryBlobStore();
      const { ref } = await storeDir(store, from);
      const source = new StoreChunkSource(store);
      makeTree(join(temp, "expected"), OLD);
      makeTree(join(temp, "home", "to"), OLD);
      const abortAt = async (count: number, dest: string) => {
        const controller = new AbortController();
        const reason = new Error(`abort after ${count}`);
        const onProgress = (progress: { files: number }) => {
          if (progress.files === count) controller.abort(reason);
        };
        await assert.rejects(
          fetchDir(source, ref, dest, { signal: controller.signal, onProgress }),
          (error) => error === reason,
        );
      };
      for (const count of [1, 2, 3, 17, 50, 99, 100, files - 1, files]) {
        await abortAt(count, join(temp, "home", "to"));
        compareTrees(join(temp, "home", "to"), join(temp, "expected"));
        assert.deepEqual(namesIn(join(temp, "home")), ["to"]);
        // With parents that have to be made, too.
        await abortAt(count, join(temp, "home", "new", "er", "to"));
        assert.deepEqual(namesIn(join(temp, "home")), ["to"]);
      }
      // Aborted before it begins.
      await assert.rejects(
        fetchDir(source, ref, join(temp, "x"), { signal: AbortSignal.abort("no") }),
        (e) => e === "no",
      );
      // And after all that it works.
      await fetchDir(source, ref, join(temp, "home", "to"));
      compareTrees(join(temp, "home", "to"), from);
    }),
);

Deno.test(
  "fetchDir: a callback that throws ends the fetch",
  { permissions },
  () =>
    withTempDir(async (temp) => {
      makeTree(join(temp, "from"), { files: { a: "a", b: "b", empty: "" } });
      const store = new MemoryBlobStore();
      const { ref } = await storeDir(store, join(temp, "from"));
      for (const at of [1, 2, 3]) {
        const onProgress = ({ files }: { files: number }) => {
          if (files === at) throw new RangeError("callback");
        };
        await assert.rejects(
          fetchDir(new StoreChunkSource(store), ref, join(temp, "to"), { onProgress }),
          RangeError,
        );
        assert.deepEqual(namesIn(temp), ["from"]);
      }
    }),
);

Deno.test("fetchDir: progress ends with the totals", { permissions }, () =>
  withTempDir(async (temp) => {
    const { files, bytes } = makeSeedTree(join(temp, "from"), 10, { links: false });
    const store = new MemoryBlobStore();
    const seen: string[] = [];
    const { ref } = await storeDir(store, join(temp, "from"), {
      onProgress: (p) => seen.push(JSON.stringify(p)),
    });
    const totals = JSON.stringify({ files, bytes, totalFiles: files, totalBytes: bytes });
    assert.equal(seen.length, files);
    assert.equal(seen.at(-1), totals);
    seen.length = 0;
    await fetchDir(new StoreChunkSource(store), ref, join(temp, "to"), {
      onProgress: (p) => seen.push(JSON.stringify(p)),
    });
    assert.ok(seen.length >= files);
    assert.equal(seen.at(-1), totals);
  }));

Deno.test("progress moves inside a large file", { permissions }, () =>
  withTempDir(async (temp) => {
    const size = 3 * CHUNK_SIZE + 5;
    mkdirSync(join(temp, "from"));
    writeFileSync(join(temp, "from/large"), pattern(size, 0));
    const store = new MemoryBlobStore();
    const seen: number[] = [];
    const onProgress = ({ bytes }: { bytes: number }) => seen.push(bytes);
    const { ref } = await storeDir(store, join(temp, "from"), { onProgress });
    assert.deepEqual([...new Set(seen)], [CHUNK_SIZE, 2 * CHUNK_SIZE, 3 * CHUNK_SIZE, size]);
    seen.length = 0;
    await fetchDir(new StoreChunkSource(store), ref, join(temp, "to"), { onProgress });
    assert.ok(seen.some((bytes) => bytes > 0 && bytes < size));
    assert.equal(seen.at(-1), size);
  }));

Deno.test("scanDir: ends with the signal", { permissions }, () =>
  withTempDir(async (temp) => {
    makeSeedTree(temp, 2, { links: false });
    const controller = new AbortController();
    const onProgress = () => controller.abort("stop");
    // Small trees end before the event loop turns: what counts is that an aborted signal is never overlooked for long.
    await assert.rejects(scanDir(temp, { signal: AbortSignal.abort("stop") }), (error) => error === "stop");
    await scanDir(temp, { signal: controller.signal, onProgress }).catch((error) =>
      assert.equal(error, "stop")
    );
  }));

for (const exchange of [true, false]) {
  Deno.test(
    `install: by ${exchange ? "one exchange" : "two renames"}`,
    { permissions },
    () =>
      withTempDir(async (temp) => {
        const { source, ref, from, to } = await prepare(temp);
        const log: string[] = [];
        const calls = {
          ...INSTALL_CALLS,
          rename(a: string, b: string) {
            log.push("rename");
            INSTALL_CALLS.rename(a, b);
          },
          exchange(a: string, b: string) {
            log.push("exchange");
            if (!exchange) return false;
            // What the system call does, in three steps.
            INSTALL_CALLS.rename(a, `${a}.aside`);
            INSTALL_CALLS.rename(b, a);
            INSTALL_CALLS.rename(`${a}.aside`, b);
            return true;
          },
        };
        await fetchDirWith(source, ref, to, {}, calls);
        assert.deepEqual(log, exchange ? ["exchange"] : ["exchange", "rename", "rename"]);
        compareTrees(to, from);
        assert.deepEqual(namesIn(temp), ["expected", "from", "to"]);
      }),
  );
}

for (const failing of [1, 2]) {
  Deno.test(`install: rename ${failing} fails`, { permissions }, () =>
    withTempDir(async (temp) => {
      const { source, ref, to } = await prepare(temp);
      let renames = 0;
      const calls = {
        ...INSTALL_CALLS,
        exchange: () => false,
        rename(a: string, b: string) {
          if (++renames === failing) throw Object.assign(new Error("injected"), { code: "EBUSY" });
          INSTALL_CALLS.rename(a, b);
        },
      };
      await assert.rejects(fetchDirWith(source, ref, to, {}, calls), (error) => {
        assert(error instanceof FileSystemError);
        assert.equal(error.code, "EBUSY");
        return true;
      });
      // The second failure is followed by the rename back.
      assert.equal(renames, failing === 1 ? 1 : 3);
      compareTrees(to, join(temp, "expected"));
      assert.deepEqual(namesIn(temp), ["expected", "from", "to"]);
    }));
}

Deno.test("install: also the rename back fails", { permissions }, () =>
  withTempDir(async (temp) => {
    const { source, ref, to, from } = await prepare(temp);
    let renames = 0;
    const calls = {
      ...INSTALL_CALLS,
      exchange: () => false,
      rename(a: string, b: string) {
        if (++renames > 1) throw Object.assign(new Error("injected"), { code: "EIO" });
        INSTALL_CALLS.rename(a, b);
      },
    };
    await assert.rejects(
      fetchDirWith(source, ref, to, {}, calls),
      /could not be renamed back .* it is at ".*replaced_/,
    );
    const backup = namesIn(temp).find((name) => name.startsWith(".to.replaced_"));
    assert(backup);
    compareTrees(join(temp, backup), join(temp, "expected"));
    // The next fetch gives the old tree its name back before it does anything.
    await assert.rejects(fetchDir(source, { ...ref, size: ref.size + 1 }, to));
    compareTrees(to, join(temp, "expected"));
    await fetchDir(source, ref, to);
    compareTrees(to, from);
    assert.deepEqual(namesIn(temp), ["expected", "from", "to"]);
  }));

Deno.test(
  "install: something appears at, or disappears from, the destination meanwhile",
  { permissions },
  () =>
    withTempDir(async (temp) => {
      const { source, ref, to, from } = await prepare(temp);
      let first = true;
      const calls = {
        ...INSTALL_CALLS,
        exchange: () => false,
        rename(a: string, b: string) {
          if (first) {
            first = false;
            INSTALL_CALLS.rename(to, join(temp, "elsewhere"));
          }
          INSTALL_CALLS.rename(a, b);
        },
      };
      await fetchDirWith(source, ref, to, {}, calls);
      compareTrees(to, from);
      assert.deepEqual(namesIn(temp), ["elsewhere", "expected", "from", "to"]);
      first = true;
      const other = join(temp, "other");
      await fetchDirWith(source, ref, other, {}, {
        ...INSTALL_CALLS,
        exchange: () => false,
        rename(a: string, b: string) {
          if (first) {
            first = false;
            makeTree(other, OLD);
          }
          INSTALL_CALLS.rename(a, b);
        },
      });
      compareTrees(other, from);
      assert.deepEqual(namesIn(temp), ["elsewhere", "expected", "from", "other", "to"]);
    }),
);

async function prepare(temp: string) {
  const [from, to] = [join(temp, "from"), join(temp, "to")];
  makeTree(from, { files: { "new.txt": "new", "sub/dir/x": "z" } });
  makeTree(to, OLD);
  makeTree(join(temp, "expected"), OLD);
  const store = new MemoryBlobStore();
  const { ref } = await storeDir(store, from);
  return { source: new StoreChunkSource(store), ref, from, to };
}
