import assert from "node:assert/strict";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { scanDir, type ScanOptions } from "../../src/directory/scan.ts";
import { shareFolder } from "../../src/directory/share.ts";
import { fetchDir } from "../../src/directory/fetch_dir.ts";
import { TreeCache } from "../../src/directory/tree_cache.ts";
import { TRUST } from "../../src/directory/tree_cache_format.ts";
import { isSettled } from "../../src/directory/tree_match.ts";
import type { WalkRecord } from "../../src/directory/walk.ts";
import type { DirEntry } from "../../src/wire/dir_manifest.ts";
import { type MemoryChange, recall, rememberAs, rememberLies } from "../support/memories.ts";
import { tempPermissions, testInTempDir, withTempDir } from "../support/temp.ts";
import { compareTrees, makeTree, MIXED_TREE, namesIn, pattern } from "../support/tree.ts";

/** Makes a tree that was scanned with a cache. */
async function scanned(temp: string, options: ScanOptions = {}) {
  const root = join(temp, "tree");
  const cache = join(temp, "cache");
  makeTree(root, MIXED_TREE);
  const first = await scanDir(root, { cache, ...options });
  return {
    root,
    cache,
    first,
    rescan: (more: ScanOptions = {}) => scanDir(root, { cache, ...options, ...more }),
  };
}

/** The reference of a file. */
function refOf(entries: readonly DirEntry[], path: string): Uint8Array {
  const entry = entries.find((entry) => entry.path === path);
  assert.ok(entry?.kind === "file", path);
  return entry.blob;
}

testInTempDir("tree cache: an unchanged tree is the same again", async (temp) => {
  const { root, cache, first, rescan } = await scanned(temp);
  rememberAs(cache, { root });
  const again = await rescan();
  assert.deepEqual(again.ref, first.ref);
  assert.deepEqual(again.manifest, first.manifest);
  assert.deepEqual(again.entries, first.entries);
  assert.deepEqual(again.stats, first.stats);
  assert.deepEqual((await scanDir(root)).stats, first.stats);
});

testInTempDir("tree cache: of an unchanged tree nothing is read", async (temp) => {
  const { root, cache, first, rescan } = await scanned(temp);
  rememberLies(cache, { root });
  const again = await rescan();
  assert.notDeepEqual(again.ref, first.ref, "it believes what is remembered");
  assert.notDeepEqual(refOf(again.entries, "large"), refOf(first.entries, "large"));
  assert.deepEqual((await rescan({ verify: true })).ref, first.ref, "verify believes nothing");
  assert.deepEqual((await rescan()).ref, first.ref, "and what it found is remembered");
  assert.deepEqual((await scanDir(root)).ref, first.ref);
});

testInTempDir("tree cache: what was changed just before it was hashed is read again", async (temp) => {
  const { root, cache } = await scanned(temp);
  const { table, trust } = recall(cache, { root });
  assert.equal(table.records.filter(({ kind }) => kind === "file").length, 4);
  assert.deepEqual(new Set(trust), new Set([TRUST.none]));
});

Deno.test(
  "isSettled: content or anything else changed within two seconds is not",
  { permissions: "none" },
  () => {
    const record = (mtimeMs: number, ctimeMs: number) => ({ mtimeMs, ctimeMs }) as WalkRecord;
    assert.equal(isSettled(record(7_999, 7_999), 10_000), true);
    assert.equal(isSettled(record(8_000, 7_000), 10_000), false);
    assert.equal(isSettled(record(7_000, 8_000), 10_000), false);
    assert.equal(
      isSettled(record(99_000, 7_000), 10_000),
      false,
      "a time that is yet to come may come again",
    );
  },
);

/** What is done to the file "f" before the second scan, and whether it must be read then. */
const CHANGES: readonly {
  readonly name: string;
  readonly act?: (file: string) => void;
  readonly memory?: MemoryChange;
  readonly isRead: boolean;
}[] = [
  { name: "nothing", isRead: false },
  { name: "its time of reading changed", act: (file) => readFileSync(file), isRead: false },
  { name: "nothing relied upon", memory: { trust: TRUST.none }, isRead: true },
  {
    name: "only chunks known, of a file of one",
    memory: { trust: TRUST.sameCtime | TRUST.chunksOnly },
    isRead: true,
  },
  { name: "rewritten", act: (file) => rewrite(file, new Date(1_700_000_000_000)), isRead: true },
  { name: "longer", act: (file) => writeFileSync(file, "longer than before"), isRead: true },
  {
    name: "rewritten, the old time of change set again",
    act: (file) => rewrite(file, lstatSync(file).mtime),
    memory: { look: ({ ctimeMs }) => ({ ctimeMs: ctimeMs - 5000 }) },
    isRead: true,
  },
  {
    name: "rewritten after the clock was set back, the old time of change set again",
    act: (file) => rewrite(file, lstatSync(file).mtime),
    memory: { look: ({ ctimeMs }) => ({ ctimeMs: ctimeMs + 3_600_000 }) },
    isRead: true,
  },
  {
    name: "another file of the same size and time in its place",
    act(file) {
      writeFileSync(`${file}2`, "FILE");
      utimesSync(`${file}2`, lstatSync(file).atime, lstatSync(file).mtime);
      renameSync(`${file}2`, file);
    },
    isRead: true,
  },
  {
    name: "another file system in its place",
    memory: { look: ({ dev }) => ({ dev: dev + 1 }) },
    isRead: true,
  },
  {
    name: "as of a moment after its last change",
    memory: { trust: TRUST.ctimeUntil, look: ({ ctimeMs }) => ({ ctimeMs: ctimeMs + 500 }) },
    isRead: false,
  },
  {
    name: "something done to it after that moment",
    memory: { trust: TRUST.ctimeUntil, look: ({ ctimeMs }) => ({ ctimeMs: ctimeMs - 500 }) },
    isRead: true,
  },
];

/** Same length, other content. */
function rewrite(file: string, mtime: Date): void {
  const { atime } = lstatSync(file);
  writeFileSync(file, "FILE");
  utimesSync(file, atime, mtime);
}

for (const { name, act, memory, isRead } of CHANGES) {
  testInTempDir(`tree cache: ${name}: the file is ${isRead ? "" : "not "}read`, async (temp) => {
    const root = join(temp, "tree");
    const cache = join(temp, "cache");
    makeTree(root, { files: { f: "file" } });
    // Whole milliseconds, which `utimes` can set again.
    utimesSync(join(root, "f"), new Date(1_600_000_000_123), new Date(1_600_000_000_123));
    await scanDir(root, { cache });
    rememberLies(cache, { root }, memory);
    act?.(join(root, "f"));
    const again = await scanDir(root, { cache });
    const truth = await scanDir(root);
    assert.equal(again.ref.uri === truth.ref.uri, isRead);
  });
}

testInTempDir("tree cache: of a tree that changed only what differs is read", async (temp) => {
  const { root, cache, first, rescan } = await scanned(temp);
  rememberLies(cache, { root });
  writeFileSync(join(root, "a/new"), "new");
  writeFileSync(join(root, "tool"), "#! changed");
  unlinkSync(join(root, "a/empty"));
  const again = await rescan();
  const truth = await scanDir(root);
  assert.deepEqual(again.entries.map(({ path }) => path), truth.entries.map(({ path }) => path));
  for (const path of ["a/new", "tool"]) {
    assert.deepEqual(refOf(again.entries, path), refOf(truth.entries, path));
  }
  for (const path of ["a/small", "large"]) {
    assert.notDeepEqual(refOf(again.entries, path), refOf(first.entries, path));
  }
  assert.equal(again.stats.files, 4);
  assert.equal(again.stats.bytes, truth.stats.bytes);
});

testInTempDir("tree cache: modes, links and kinds count, though no file is read for them", async (temp) => {
  const { root, cache, rescan } = await scanned(temp);
  rememberAs(cache, { root });
  const change = async (act: () => void) => {
    act();
    assert.deepEqual((await rescan()).ref, (await scanDir(root)).ref);
    rememberAs(cache, { root });
  };
  await change(() => chmodSync(join(root, "tool"), 0o700));
  await change(() => chmodSync(join(root, "hollow"), 0o700));
  await change(() => mkdirSync(join(root, "b")));
  await change(() => {
    unlinkSync(join(root, "a/small"));
    mkdirSync(join(root, "a/small"));
  });
});

Deno.test("tree cache: the target of a link counts", {
  permissions: { read: true, write: true, sys: ["uid"] },
}, () =>
  withTempDir(async (temp) => {
    const { root, cache, rescan } = await scanned(temp);
    for (const target of ["tool", "a"]) {
      symlinkSync(target, join(root, "link"));
      assert.deepEqual((await rescan()).ref, (await scanDir(root)).ref);
      rememberAs(cache, { root });
      unlinkSync(join(root, "link"));
    }
  }));

testInTempDir("tree cache: patterns are part of what is remembered", async (temp) => {
  const { root, cache, first } = await scanned(temp);
  const options = { cache, exclude: ["a"] };
  const without = await scanDir(root, options);
  rememberAs(cache, { root });
  rememberAs(cache, { root, exclude: ["a"] });
  assert.notDeepEqual(without.ref, first.ref);
  assert.deepEqual((await scanDir(root, options)).ref, without.ref);
  assert.deepEqual((await scanDir(root, { cache })).ref, first.ref);
  assert.equal(namesIn(cache).length, 2);
});

testInTempDir(
  "tree cache: a folder shared from memory serves all, and notices what changes",
  async (temp) => {
    const { root, cache } = await scanned(temp);
    rememberAs(cache, { root });
    const { store, ref, stats } = await shareFolder(root, { cache });
    try {
      assert.equal(stats.files, 4);
      await fetchDir(new StoreChunkSource(store), ref, join(temp, "copy"));
      compareTrees(join(temp, "copy"), root);
      truncateSync(join(root, "large"), 5);
      await assert.rejects(fetchDir(new StoreChunkSource(store), ref, join(temp, "other")), {
        name: "SourceChangedError",
      });
    } finally {
      await store.close();
    }
  },
);

testInTempDir("tree cache: limits hold for a tree that is not read", async (temp) => {
  const { root, cache, rescan } = await scanned(temp);
  rememberAs(cache, { root });
  for (const limit of ["maxEntries", "maxManifestBytes", "maxDepth", "maxBytes"] as const) {
    await assert.rejects(rescan({ [limit]: 1 }), { name: "LimitExceededError" });
  }
});

testInTempDir("tree cache: what is no such file, or another's, is as good as not there", async (temp) => {
  const { root, cache, first, rescan } = await scanned(temp);
  rememberLies(cache, { root });
  const [name] = namesIn(cache);
  const path = join(cache, name);
  const lies = readFileSync(path);
  const put = (bytes: Uint8Array) => {
    unlinkSync(path);
    writeFileSync(path, bytes, { mode: 0o600 });
  };
  const isIgnored = async (what: string) => {
    const { ref } = await scanDir(root, { cache });
    assert.deepEqual(ref, first.ref, what);
  };
  put(lies);
  assert.notDeepEqual((await rescan()).ref, first.ref, "whole, it is believed");
  for (const length of [0, 7, 40, lies.length - 1]) {
    put(lies.subarray(0, length));
    await isIgnored(`${length} bytes`);
  }
  put(lies.map((byte, i) => i === 50 ? byte ^ 1 : byte));
  await isIgnored("one bit changed");
  put(pattern(100_000, 3));
  await isIgnored("foreign bytes");
  if (process.platform !== "win32") {
    put(lies);
    chmodSync(path, 0o620);
    await isIgnored("writable by others");
    put(lies);
    chmodSync(cache, 0o770);
    await isIgnored("in a folder that others can write");
    chmodSync(cache, 0o700);
  }
  unlinkSync(path);
  mkdirSync(path);
  await isIgnored("a directory");
});

Deno.test(
  "tree cache: a link is not followed",
  { permissions: { read: true, write: true, sys: ["uid"] } },
  () =>
    withTempDir(async (temp) => {
      const { root, cache, first, rescan } = await scanned(temp);
      rememberLies(cache, { root });
      const path = join(cache, namesIn(cache)[0]);
      renameSync(path, join(temp, "elsewhere"));
      symlinkSync(join(temp, "elsewhere"), path);
      assert.deepEqual((await rescan()).ref, first.ref);
      assert.equal(lstatSync(path).isFile(), true, "it was replaced");

      rememberLies(cache, { root });
      renameSync(cache, join(temp, "moved"));
      symlinkSync(join(temp, "moved"), cache);
      assert.deepEqual((await rescan()).ref, first.ref);
    }),
);

testInTempDir("tree cache: its files are the user's alone, and nothing else is left", async (temp) => {
  const { cache, rescan } = await scanned(temp);
  await rescan();
  assert.match(namesIn(cache).join(), /^tree_[0-9a-f]{32}$/);
  if (process.platform === "win32") return;
  assert.equal(lstatSync(cache).mode & 0o777, 0o700);
  assert.equal(lstatSync(join(cache, namesIn(cache)[0])).mode & 0o777, 0o600);
});

testInTempDir("tree cache: scans at once do not harm it", async (temp) => {
  const { root, cache, first, rescan } = await scanned(temp);
  const results = await Promise.all(Array.from({ length: 5 }, () => rescan()));
  for (const { ref } of results) assert.deepEqual(ref, first.ref);
  assert.equal(namesIn(cache).length, 1);
  recall(cache, { root });
});

testInTempDir("tree cache: a folder that cannot be made or written is no error", async (temp) => {
  const { root, first } = await scanned(temp);
  writeFileSync(join(temp, "file"), "");
  for (const cache of [join(temp, "file"), join(temp, "file", "below")]) {
    assert.deepEqual((await scanDir(root, { cache })).ref, first.ref);
  }
});

testInTempDir(
  "tree cache: what was not used for longest goes, and what killed processes left",
  async (temp) => {
    const { root, cache, rescan } = await scanned(temp);
    const name = (i: number) => join(cache, `tree_${i.toString(16).padStart(32, "0")}`);
    for (let i = 0; i < 140; i++) {
      writeFileSync(name(i), "x", { mode: 0o600 });
      utimesSync(name(i), 1_600_000_000 + i, 1_600_000_000 + i);
    }
    writeFileSync(`${name(1)}.0123456789abcdef`, "unfinished");
    utimesSync(`${name(1)}.0123456789abcdef`, 1_600_000_000, 1_600_000_000);
    writeFileSync(`${name(2)}.0123456789abcdef`, "being written");
    writeFileSync(join(cache, "notes"), "mine");
    await rescan();
    const left = namesIn(cache).map((file) => join(cache, file));
    assert.equal(left.length, 128 + 2);
    assert.ok(left.includes(join(cache, "notes")) && left.includes(`${name(2)}.0123456789abcdef`));
    assert.ok(left.includes(name(139)) && !left.includes(name(12)));
    recall(cache, { root });
  },
);

Deno.test("tree cache: without permission for its folder there is none", {
  permissions: { read: tempPermissions.read, write: false },
}, () => {
  assert.equal(TreeCache.open(join(tempPermissions.read[0], "none")), undefined);
  assert.equal(TreeCache.open(undefined), undefined);
});
