import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  readlinkSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { fetchDir } from "../../src/directory/fetch_dir.ts";
import { diffDir, listDir, verifyDir } from "../../src/directory/inspect.ts";
import { storeDir } from "../../src/directory/store_dir.ts";
import { FileSystemError, UnsafePathError } from "../../src/errors.ts";
import { readyJobs } from "../support/jobs.ts";
import { tempPermissions as permissions, withTempDir } from "../support/temp.ts";
import { compareTrees, makeTree, namesIn, pattern, type TreeSpec } from "../support/tree.ts";

/** Making links wants unscoped permissions. */
const everything: Deno.PermissionOptions = { read: true, write: true };

async function stored(temp: string, spec: TreeSpec) {
  const from = join(temp, "from");
  makeTree(from, spec);
  const store = new MemoryBlobStore();
  const { ref } = await storeDir(store, from);
  return { from, ref, source: new StoreChunkSource(store), store };
}

Deno.test("destination: names that no tree can take", { permissions }, () =>
  withTempDir(async (temp) => {
    const { source, ref } = await stored(temp, { files: { a: "a" } });
    for (const dest of ["", "/", "//", ".", "..", `${temp}/.`, `${temp}/..`, `${temp}/x/..`, "a\0b"]) {
      await assert.rejects(fetchDir(source, ref, dest), UnsafePathError, dest);
    }
    // These are fine.
    for (
      const dest of [
        `${temp}/x/`,
        `${temp}/.../y`,
        `${temp}/${"n".repeat(255)}`,
        `${temp}/${"é".repeat(127)}`,
      ]
    ) {
      await fetchDir(source, ref, dest);
      await fetchDir(source, ref, dest);
    }
    assert.deepEqual(namesIn(temp), ["...", "from", "n".repeat(255), "x", "é".repeat(127)]);
  }));

Deno.test("destination: a file is refused", { permissions }, () =>
  withTempDir(async (temp) => {
    const { source, ref } = await stored(temp, { files: { a: "a" } });
    writeFileSync(join(temp, "to"), "a file");
    await assert.rejects(fetchDir(source, ref, join(temp, "to")), (error) => {
      assert(error instanceof FileSystemError);
      assert.equal(error.code, "ENOTDIR");
      return /is there and not a directory/.test(error.message);
    });
    await assert.rejects(fetchDir(source, ref, join(temp, "to", "below")), FileSystemError);
    assert.deepEqual(namesIn(temp), ["from", "to"]);
  }));

Deno.test("destination: a link is followed", { permissions: everything }, () =>
  withTempDir(async (temp) => {
    const { source, ref, from } = await stored(temp, { files: { a: "a" } });
    makeTree(join(temp, "real", "tree"), { files: { old: "old" } });
    symlinkSync("real/tree", join(temp, "to"));
    await fetchDir(source, ref, join(temp, "to"));
    assert.equal(readlinkSync(join(temp, "to")), "real/tree");
    compareTrees(join(temp, "real", "tree"), from);
    assert.deepEqual([namesIn(temp), namesIn(join(temp, "real"))], [["from", "real", "to"], ["tree"]]);

    symlinkSync("nowhere", join(temp, "dangling"));
    await assert.rejects(fetchDir(source, ref, join(temp, "dangling")), FileSystemError);
    symlinkSync("from/a", join(temp, "tofile"));
    await assert.rejects(fetchDir(source, ref, join(temp, "tofile")), /not a directory/);
    assert.deepEqual(namesIn(temp), ["dangling", "from", "real", "to", "tofile"]);
  }));

Deno.test(
  "destination: the working directory, and what holds it, stay",
  { permissions: everything },
  async () => {
    const before = process.cwd();
    await withTempDir(async (temp) => {
      const { source, ref } = await stored(temp, { files: { a: "a" } });
      mkdirSync(join(temp, "to", "sub"), { recursive: true });
      process.chdir(join(temp, "to", "sub"));
      try {
        for (const dest of [join(temp, "to"), join(temp, "to", "sub"), "../sub"]) {
          await assert.rejects(fetchDir(source, ref, dest), (error) => {
            assert(error instanceof FileSystemError);
            assert.equal(error.code, "EBUSY");
            return true;
          });
        }
        await fetchDir(source, ref, "relative/new");
        assert.deepEqual(namesIn("relative/new"), ["a"]);
        assert.deepEqual(namesIn(temp), ["from", "to"]);
      } finally {
        process.chdir(before);
      }
    });
  },
);

Deno.test("destination: a mount point is refused", { permissions: everything }, async () => {
  if (process.platform !== "linux") return;
  const source = new StoreChunkSource(new MemoryBlobStore());
  const ref = { kind: "small", uri: "", hash: new Uint8Array(32), size: 2 } as const;
  await assert.rejects(fetchDir(source, ref, "/proc"), (error) => {
    return error instanceof FileSystemError || (error as Error).name === "PermissionDeniedError";
  });
});

Deno.test(
  "destination: keeps its mode, and parents are made",
  { permissions },
  () =>
    withTempDir(async (temp) => {
      const { source, ref, from } = await stored(temp, { files: { a: "a" }, dirs: { d: 0o555 } });
      const to = join(temp, "x", "y", "to");
      await fetchDir(source, ref, to);
      const usual = statSync(join(temp, "x")).mode;
      assert.equal(statSync(to).mode, usual);
      for (const mode of [0o700, 0o751, 0o555]) {
        chmodSync(to, mode);
        chmodSync(join(from, "a"), 0o600 | mode);
        const store = new MemoryBlobStore();
        const next = await storeDir(store, from);
        const stats = await fetchDir(new StoreChunkSource(store), next.ref, to);
        assert.equal(stats.installed, true);
        assert.equal(statSync(to).mode & 0o7777, mode);
        compareTrees(to, from);
      }
      assert.deepEqual(namesIn(join(temp, "x", "y")), ["to"]);
    }),
);

Deno.test(
  "fetch: what is there already is not fetched again",
  { permissions },
  () =>
    withTempDir(async (temp) => {
      const big = pattern(12_000_000, 1);
      const spec = { files: { a: "aaa", "d/b": "bbb", "d/big": big, same1: "twice", same2: "twice" } };
      const { source, ref, from } = await stored(temp, spec);
      const to = join(temp, "to");
      const first = await fetchDir(source, ref, to);
      assert.deepEqual([first.fetchedBytes, first.reusedBytes], [12_000_011, 0]);
      assert.equal(first.bytes, 12_000_016);
      const inode = statSync(join(to, "a")).ino;

      const second = await fetchDir(source, ref, to);
      assert.deepEqual([second.installed, second.fetchedBytes, second.reusedBytes], [false, 0, 12_000_016]);
      assert.equal(statSync(join(to, "a")).ino, inode);

      // One chunk of three, a renamed file, a new one, one gone; and nothing shares an inode with the old tree.
      big.fill(0, 5_000_000, 5_000_010);
      makeTree(join(temp, "next"), {
        files: { a2: "aaa", "d/b": "bbb", "d/big": big, new: "new", same2: "twice" },
      });
      const store = new MemoryBlobStore();
      const next = await storeDir(store, join(temp, "next"));
      const third = await fetchDir(new StoreChunkSource(store), next.ref, to);
      assert.equal(third.fetchedBytes, 4_194_304 + 3);
      assert.equal(third.reusedBytes, 12_000_000 - 4_194_304 + 11);
      compareTrees(to, join(temp, "next"));

      // From another tree altogether.
      const fourth = await fetchDir(source, ref, join(temp, "fresh"), { reuse: [to, join(temp, "absent")] });
      assert.equal(fourth.fetchedBytes, 4_194_304);
      compareTrees(join(temp, "fresh"), from);
      assert.deepEqual(namesIn(temp), ["fresh", "from", "next", "to"]);
    }),
);

Deno.test("fetch: the smallest difference is seen", { permissions }, () =>
  withTempDir(async (temp) => {
    const { source, ref, from } = await stored(temp, {
      files: { a: "aaa", "d/b": "bbb" },
      dirs: { e: 0o755 },
    });
    const to = join(temp, "to");
    const changes: [() => void, Partial<Record<"missing" | "changed" | "extra", string[]>>][] = [
      [() => writeFileSync(join(to, "a"), "aab"), { changed: ["a"] }],
      [() => writeFileSync(join(to, "x"), ""), { extra: ["x"] }],
      [() => chmodSync(join(to, "a"), 0o600), { changed: ["a"] }],
      [() => chmodSync(join(to, "a"), 0o4644), { changed: ["a"] }],
      [() => chmodSync(join(to, "d"), 0o700), { changed: ["d"] }],
      [() => mkdirSync(join(to, "f")), { extra: ["f"] }],
    ];
    for (const [change, difference] of changes) {
      await fetchDir(source, ref, to);
      assert((await verifyDir(source, ref, to)).ok);
      change();
      const { missing, changed, extra, ok } = await verifyDir(source, ref, to);
      assert.deepEqual({ missing, changed, extra, ok }, {
        missing: [],
        changed: [],
        extra: [],
        ok: false,
        ...difference,
      });
      assert.equal((await fetchDir(source, ref, to)).installed, true);
      compareTrees(to, from);
    }
  }));

Deno.test("fetch: much repeated content is fetched once", { permissions }, () =>
  withTempDir(async (temp) => {
    const files: Record<string, string | Uint8Array | readonly [string | Uint8Array, number]> = {};
    for (let i = 0; i < 300; i++) files[`same/${i}`] = i % 2 ? ["all the same", 0o444] : "all the same";
    const middling = pattern(400_000, 5);
    for (let i = 0; i < 5; i++) files[`middling/${i}`] = [middling, i % 2 ? 0o400 : 0o644];
    // Four equal chunks and a tail, twice.
    const zeros = new Uint8Array(4 * 4_194_304 + 100);
    files["zeros/a"] = zeros;
    files["zeros/b"] = zeros;
    const { source, ref, from } = await stored(temp, { files });
    const stats = await fetchDir(source, ref, join(temp, "to"));
    compareTrees(join(temp, "to"), from);
    assert.equal(stats.fetchedBytes, 12 + 400_000 + 4_194_304 + 100);
    assert.equal(stats.bytes, 300 * 12 + 5 * 400_000 + 2 * zeros.length);
  }));

Deno.test(
  "fetch: more large files at a time than are kept open",
  { permissions },
  () =>
    withTempDir(async (temp) => {
      const files: Record<string, Uint8Array> = {};
      for (let i = 0; i < 70; i++) files[`f${i}`] = pattern(262_145 + i, i);
      const { source, ref, from } = await stored(temp, { files });
      // Every file begun before any is finished.
      const interleaved: typeof source.fetchChunks = async (jobs, options) => {
        const all = [...readyJobs(jobs)];
        if (all.length === 1) return await source.fetchChunks(all, options);
        const contents = new Map(all.map((job) => [job, new Uint8Array(job.length)]));
        await source.fetchChunks(
          all.map((job) => ({
            hash: job.hash,
            length: job.length,
            write: (bytes: Uint8Array, offset: number) => contents.get(job)!.set(bytes, offset),
            complete() {},
          })),
          options,
        );
        for (const job of all) job.write(contents.get(job)!.subarray(0, 1000), 0);
        for (const job of all) job.write(contents.get(job)!.subarray(1000), 1000);
        for (const job of all) job.complete();
      };
      await fetchDir({ fetchChunks: interleaved }, ref, join(temp, "to"), { durable: true });
      compareTrees(join(temp, "to"), from);
    }),
);

Deno.test("fetch: link policies", { permissions: everything }, () =>
  withTempDir(async (temp) => {
    const links = { out: "/etc/hostname", "d/in": "../a" };
    const { source, ref, from } = await stored(temp, { files: { a: "a" }, links });
    const to = join(temp, "to");
    await assert.rejects(fetchDir(source, ref, to), UnsafePathError);
    const skipped = await fetchDir(source, ref, to, { symlinks: "skip" });
    assert.deepEqual([skipped.symlinks, skipped.skipped.map(({ path }) => path)], [0, ["d/in", "out"]]);
    assert.deepEqual([namesIn(to), namesIn(join(to, "d"))], [["a", "d"], []]);
    assert.equal((await fetchDir(source, ref, to, { symlinks: "skip" })).installed, false);
    await fetchDir(source, ref, to, { symlinks: "all" });
    compareTrees(to, from);
    assert.deepEqual(namesIn(temp), ["from", "to"]);
  }));

Deno.test("listDir and diffDir", { permissions: everything }, () =>
  withTempDir(async (temp) => {
    const spec = { files: { a: "aaa", "d/b": ["bb", 0o600] as const }, links: { l: "a" } };
    const { source, ref, from } = await stored(temp, spec);
    const { entries, bytes } = await listDir(source, ref);
    assert.deepEqual(
      entries.map(({ path, kind, mode, size, target }) => ({ path, kind, mode, size, target })),
      [
        { path: "a", kind: "file", mode: 0o100644, size: 3, target: undefined },
        { path: "d", kind: "dir", mode: 0o40755, size: 0, target: undefined },
        { path: "d/b", kind: "file", mode: 0o100600, size: 2, target: undefined },
        { path: "l", kind: "symlink", mode: 0, size: 0, target: "a" },
      ],
    );
    assert.equal(bytes, 5);
    const diff = (dest: string) => diffDir(source, ref, join(temp, dest));
    const all = ["a", "d", "d/b", "l"];
    assert.deepEqual(await diff("absent"), { added: all, changed: [], removed: [], unchanged: [] });
    assert.deepEqual(await diff("from"), { added: [], changed: [], removed: [], unchanged: all });
    makeTree(join(temp, "to"), { files: { a: "aab", x: "", "d": "a file" }, links: { l: "b" } });
    assert.deepEqual(await diff("to"), {
      added: ["d/b"],
      changed: ["a", "d", "l"],
      removed: ["x"],
      unchanged: [],
    });
    compareTrees(from, realpathSync(from));
  }));
