import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFileSync, lstatSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { fetchDir } from "../../src/directory/fetch_dir.ts";
import { FileReader } from "../../src/directory/file_reader.ts";
import { referenceOfPath } from "../../src/directory/reference.ts";
import { scanDir, scanInto, type ScanOptions } from "../../src/directory/scan.ts";
import { shareFolder } from "../../src/directory/share.ts";
import { storeDir } from "../../src/directory/store_dir.ts";
import {
  FileSystemError,
  LimitExceededError,
  SourceChangedError,
  UnsupportedError,
} from "../../src/errors.ts";
import { decodeBlobRef, encodeBlobRef } from "../../src/wire/blob_ref.ts";
import { tempPermissions, tempPermissions as permissions, withTempDir } from "../support/temp.ts";
import { compareTrees, makeSeedTree, makeTree, pattern } from "../support/tree.ts";

const pathsOf = async (root: string, options?: ScanOptions) =>
  (await scanDir(root, options)).entries.map(({ path }) => path);

Deno.test(
  "scanDir: sorts by the UTF-8 bytes of whole paths, hidden ones included",
  { permissions },
  () =>
    withTempDir(async (temp) => {
      makeTree(temp, {
        files: {
          "a/x": "",
          "a-b": "",
          "a.txt": "",
          ".hidden": "",
          "\u{10000}": "",
          "\uffff": "",
          "b/.c/d": "",
        },
      });
      assert.deepEqual(await pathsOf(temp), [
        ".hidden",
        "a",
        "a-b",
        "a.txt",
        "a/x",
        "b",
        "b/.c",
        "b/.c/d",
        "\uffff",
        "\u{10000}",
      ]);
    }),
);

Deno.test("scanDir: globs", { permissions }, () =>
  withTempDir(async (temp) => {
    makeTree(temp, {
      files: {
        "src/a.ts": "",
        "src/b.js": "",
        "src/.x/c.ts": "",
        "log.log": "",
        "src/d.log": "",
        "doc/e.md": "",
      },
      dirs: { empty: 0o755, "src/none": 0o755 },
    });
    const cases: [ScanOptions, string[]][] = [
      [{ include: ["doc"] }, ["doc", "doc/e.md"]],
      [{ include: ["**/*.ts"] }, ["src", "src/.x", "src/.x/c.ts", "src/a.ts"]],
      [{ include: ["*.log"] }, ["log.log"]],
      [{ include: ["src/[ab].*"] }, ["src", "src/a.ts", "src/b.js"]],
      [{ include: ["src/?.js", "empty"] }, ["empty", "src", "src/b.js"]],
      [{ include: ["src"], exclude: ["**/*.log", "src/.x"] }, ["src", "src/a.ts", "src/b.js", "src/none"]],
      [{ exclude: ["**/*.{ts,js,log}", "empty"] }, ["doc", "doc/e.md", "src", "src/.x", "src/none"]],
      [{ include: [] }, []],
      [{ include: ["nothing"] }, []],
    ];
    for (const [options, expected] of cases) {
      assert.deepEqual(await pathsOf(temp, options), expected, JSON.stringify(options));
    }
    const { stats } = await scanDir(temp, { include: ["src"] });
    assert.deepEqual([stats.files, stats.dirs], [4, 3]);
  }));

Deno.test("scanDir: roots", { permissions: { read: true, write: true } }, () =>
  withTempDir(async (temp) => {
    makeTree(join(temp, "tree"), { files: { a: "a", "big": pattern(5_000_000, 9) } });
    symlinkSync("tree", join(temp, "link"));
    const { ref, entries } = await scanDir(join(temp, "tree"));
    assert.deepEqual((await scanDir(join(temp, "link"))).ref, ref);
    assert.deepEqual((await scanDir(join(temp, "tree/"))).ref, ref);
    assert.deepEqual(await referenceOfPath(join(temp, "link")), ref);
    for (const entry of entries) {
      assert(entry.kind === "file");
      assert.deepEqual(await referenceOfPath(join(temp, "link", entry.path)), decodeBlobRef(entry.blob));
    }
    await assert.rejects(scanDir(join(temp, "tree/a")), (error) =>
      error instanceof FileSystemError && error.code === "ENOTDIR");
    await assert.rejects(scanDir(join(temp, "absent")), (error) =>
      error instanceof FileSystemError && error.code === "ENOENT");
    await assert.rejects(referenceOfPath("/dev/null"), /neither a file nor a directory|permission/);
  }));

Deno.test("scanDir: limits", { permissions }, () =>
  withTempDir(async (temp) => {
    makeTree(temp, { files: { a: "aaa", "b/c/d": "ddd" } });
    for (const limits of [{ maxEntries: 3 }, { maxDepth: 2 }, { maxBytes: 5 }, { maxManifestBytes: 50 }]) {
      await assert.rejects(scanDir(temp, limits), LimitExceededError, JSON.stringify(limits));
    }
    await scanDir(temp, { maxEntries: 4, maxDepth: 3, maxBytes: 6 });
  }));

Deno.test("scanDir: what no manifest can hold is skipped, or an error", {
  permissions: { ...tempPermissions, run: ["sh"], env: true },
}, () =>
  withTempDir(async (temp) => {
    if (process.platform !== "linux") return;
    makeTree(temp, { files: { a: "a", "real\ufffd": "b", "d/x": "x" } });
    const make = [
      "mkfifo d/fifo",
      "touch \"$(printf 'bad\\377')\" \"$(printf 'real\\377')\"",
      "ln -s \"$(printf 'x\\376')\" badlink",
      "ln -s a goodlink",
    ];
    execFileSync("sh", ["-c", make.join(" && ")], { cwd: temp });
    const { entries, stats } = await scanDir(temp);
    assert.deepEqual(entries.map(({ path }) => path), ["a", "d", "d/x", "goodlink", "real\ufffd"]);
    assert.deepEqual(stats.skipped, [
      { path: "badlink", reason: "link target is not UTF-8" },
      { path: "bad\ufffd", reason: "name is not UTF-8" },
      { path: "d/fifo", reason: "is a FIFO" },
      { path: "\ufffd", reason: "name is not UTF-8" },
    ]);
    assert.deepEqual([stats.files, stats.dirs, stats.symlinks], [3, 1, 1]);
    await assert.rejects(scanDir(temp, { strict: true }), UnsupportedError);
    await assert.rejects(scanDir(temp, { strict: true, exclude: ["bad*"] }), UnsupportedError);
    // A destination that holds such things is not taken for unchanged.
    const store = new MemoryBlobStore();
    const { ref } = await storeDir(store, temp, { exclude: ["goodlink"] });
    const fetched = await fetchDir(new StoreChunkSource(store), ref, join(temp, "d", "copy"));
    assert.equal(fetched.installed, true);
  }));

Deno.test(
  "scanDir: a file that changes while it is read is noticed",
  { permissions },
  () =>
    withTempDir(async (temp) => {
      const names = ["a", "b", "c"].map((name) => join(temp, name));
      const changes: [() => void, RegExp][] = [
        [() => appendFileSync(names[1], "more"), /3 bytes became 7/],
        [() => writeFileSync(names[1], "b"), /became shorter/],
        [() => renameSync(names[2], names[1]), /replaced/],
        [() => renameSync(names[1], names[2]), /replaced/],
      ];
      for (const [change, message] of changes) {
        for (const name of names) writeFileSync(name, "xyz");
        let done = false;
        const onProgress = () => {
          if (!done) change();
          done = true;
        };
        for (const scan of [scanDir, shareFolder]) {
          done = false;
          for (const name of names) writeFileSync(name, "xyz");
          await assert.rejects(
            scan(temp, { onProgress }),
            (error) => error instanceof SourceChangedError && message.test(error.message),
          );
        }
      }
    }),
);

Deno.test("file reader: a link or a directory in a file's place is not read", {
  permissions: { read: true, write: true },
}, () =>
  withTempDir((temp) => {
    makeTree(temp, { files: { a: "abc" }, dirs: { d: 0o755 }, links: { l: "a" } });
    const reader = new FileReader("Test");
    assert.equal(reader.tryRead(join(temp, "a"), 1, 2)?.length, 2);
    assert.equal(reader.tryRead(join(temp, "a"), 1, 3), undefined);
    for (const name of ["d", "absent"]) assert.equal(reader.tryRead(join(temp, name), 0, 1), undefined, name);
    const seen = lstatSync(join(temp, "a"));
    assert.equal([...reader.chunks(join(temp, "a"), seen)].length, 1);
    const link = { ...seen, ino: lstatSync(join(temp, "l")).ino };
    assert.throws(() => [...reader.chunks(join(temp, "l"), link)], SourceChangedError);
    assert.throws(() => [...reader.chunks(join(temp, "d"), seen)], FileSystemError);
  }));

Deno.test(
  "storeDir: large files in chunks, through a promise or without",
  { permissions },
  () =>
    withTempDir(async (temp) => {
      const from = join(temp, "from");
      const size = 4 * 1024 * 1024;
      makeTree(from, {
        files: {
          "exact": pattern(size, 1),
          "one more": pattern(size + 1, 2),
          "two": pattern(2 * size, 3),
          "none": "",
        },
      });
      const store = new MemoryBlobStore();
      const { ref } = await storeDir(store, from);
      assert.deepEqual((await scanDir(from)).ref, ref);
      const shared = await shareFolder(from);
      assert.deepEqual(shared.ref, ref);
      for (const source of [new StoreChunkSource(store), new StoreChunkSource(shared.store)]) {
        await fetchDir(source, ref, join(temp, "to"));
        compareTrees(join(temp, "to"), from);
      }
      await shared.store.close();
    }),
);

Deno.test(
  "shareFolder: a file is a directory that holds nothing else",
  { permissions },
  () =>
    withTempDir(async (temp) => {
      makeTree(join(temp, "from"), { files: { "a [1].txt": "a", "b.txt": "b" } });
      makeTree(join(temp, "alone"), { files: { "a [1].txt": "a" } });
      const shared = await shareFolder(join(temp, "from", "a [1].txt"));
      const { ref } = await scanDir(join(temp, "alone"));
      assert.deepEqual(encodeBlobRef(shared.ref), encodeBlobRef(ref));
      assert.equal(shared.stats.files, 1);
      await fetchDir(new StoreChunkSource(shared.store), shared.ref, join(temp, "to"));
      compareTrees(join(temp, "alone"), join(temp, "to"));
      await shared.store.close();
    }),
);

Deno.test(
  "storeDir: a store that takes its time is given many small files at once",
  { permissions },
  () =>
    withTempDir(async (temp) => {
      const { files } = makeSeedTree(join(temp, "from"), 40, { links: false });
      const store = new MemoryBlobStore();
      let running = 0;
      let most = 0;
      const put = store.put.bind(store);
      store.put = async (...args: Parameters<typeof put>) => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 0));
        running--;
        return await put(...args);
      };
      const { ref } = await storeDir(store, join(temp, "from"));
      assert.deepEqual(encodeBlobRef(ref), encodeBlobRef((await scanDir(join(temp, "from"))).ref));
      assert.ok(most > files / 4 && most <= 512, `${most} at once`);
      await fetchDir(new StoreChunkSource(store), ref, join(temp, "to"));
      compareTrees(join(temp, "from"), join(temp, "to"));
    }),
);

Deno.test(
  "scan: those who follow it are let catch up, and nobody else",
  { permissions },
  () =>
    withTempDir(async (temp) => {
      makeTree(temp, { files: { a: "1", b: "2" } });
      for (const isFollowed of [true, false]) {
        let waits = 0;
        const catchUp = (limit: number) => {
          assert.ok(limit > 0);
          waits++;
          return undefined;
        };
        await scanInto("Test", { base: temp }, {}, { isFollowed: () => isFollowed, catchUp });
        assert.equal(waits > 0, isFollowed);
      }
    }),
);
