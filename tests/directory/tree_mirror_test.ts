import assert from "node:assert/strict";
import fc from "fast-check";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { ChunkSource } from "../../src/blob/source.ts";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { fetchDirWith } from "../../src/directory/fetch_tree.ts";
import type { FetchDirOptions } from "../../src/directory/fetch_options.ts";
import { INSTALL_CALLS, type InstallCalls } from "../../src/directory/install.ts";
import { storeDir } from "../../src/directory/store_dir.ts";
import type { BlobRef } from "../../src/wire/blob_ref.ts";
import { tempPermissions, withTempDir } from "../support/temp.ts";
import { compareTrees, describeTree, makeTree, namesIn, pattern, type TreeSpec } from "../support/tree.ts";

/** Of all that is mirrored, whatever is worth it, and nothing. */
const ALWAYS = 0;
const NEVER = Infinity;
/** The helping thread's module has to be read. */
const permissions = { ...tempPermissions, read: true as const };

/** Most of the tree stays. */
const SAME: TreeSpec["files"] = {
  "kept/a": "kept a",
  "kept/deep/er/b": "kept b",
  "kept/tool": ["#!", 0o755],
  "kept/large": pattern(5_000_000, 1),
  ...Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`kept/more/${i}`, `content ${i}`])),
};
const OLD: TreeSpec = {
  files: {
    ...SAME,
    "kept/empty": "",
    "text": "its text changes",
    "mode": ["its mode changes", 0o644],
    "gone": "gone",
    "gone-dir/x/y": "gone, too",
    "file": "becomes a directory",
    "dir/z": "its directory becomes a file",
  },
  dirs: { "hollow": 0o755, "gone-hollow": 0o755, "read-only": 0o555 },
};
const NEW: TreeSpec = {
  files: {
    ...SAME,
    "kept/empty": "",
    "text": "its TEXT changes",
    "mode": ["its mode changes", 0o600],
    "file/inside": "becomes a directory",
    "dir": "its directory becomes a file",
    "new/copy": "kept a",
  },
  dirs: { "hollow": 0o755, "read-only": 0o555 },
};
const KEPT = Object.keys(SAME);

/** A folder with a tree that was fetched, remembered and has been left alone, and a newer one to fetch. */
class Setting {
  readonly home: string;
  readonly dest: string;
  readonly cache: string;
  readonly #store = new MemoryBlobStore();
  #ref!: BlobRef;

  constructor(readonly temp: string, name = "home") {
    this.home = join(temp, name);
    this.dest = join(this.home, "dest");
    this.cache = join(temp, `${name}-cache`);
    mkdirSync(this.home);
  }

  static async make(temp: string): Promise<Setting> {
    const setting = new Setting(temp);
    await setting.publish(OLD);
    await setting.fetch(NEVER);
    await setting.publish(NEW);
    return setting;
  }

  /** Path of the tree that is to be fetched. */
  get source(): string {
    return `${this.home}-source`;
  }

  async publish(spec: TreeSpec): Promise<void> {
    rmSync(this.source, { recursive: true, force: true });
    makeTree(this.source, spec);
    this.#ref = (await storeDir(this.#store, this.source)).ref;
  }

  fetch(mirrorFrom: number, calls: Partial<InstallCalls> = {}, options: FetchOptions = {}) {
    const { source = new StoreChunkSource(this.#store), ...rest } = options;
    const all = Object.keys(calls).length === 0 ? INSTALL_CALLS : { ...INSTALL_CALLS, ...calls };
    return fetchDirWith(source, this.#ref, this.dest, { cache: this.cache, ...rest }, all, mirrorFrom);
  }

  /** A source that gives only so many times what it is asked for. */
  breaking(times: number): ChunkSource {
    const inner = new StoreChunkSource(this.#store);
    return {
      fetchChunks: (...args) => {
        if (times-- <= 0) throw new Error("the source breaks");
        return inner.fetchChunks(...args);
      },
    };
  }

  inodes(paths: readonly string[] = KEPT): number[] {
    return paths.map((path) => lstatSync(join(this.dest, path)).ino);
  }

  /** Fails unless the old tree is alone here, as it was. */
  checkOld(): void {
    makeTree(join(this.temp, "expected"), OLD);
    compareTrees(this.dest, join(this.temp, "expected"));
    assert.deepEqual(namesIn(this.home), ["dest"]);
    for (const path of Object.keys(OLD.files!)) assert.equal(lstatSync(join(this.dest, path)).nlink, 1, path);
  }

  /** Fails unless the new tree is alone here. */
  checkNew(): void {
    compareTrees(this.dest, this.source);
    assert.deepEqual(namesIn(this.home), ["dest"]);
  }
}

type FetchOptions = FetchDirOptions & { readonly source?: ChunkSource };

function mirrorTest(name: string, work: (temp: string) => Promise<void>): void {
  Deno.test(`mirror: ${name}`, { permissions }, () => withTempDir(work));
}

/** Makes links and counts them. */
function counting(before: (from: string, to: string) => void = () => {}) {
  const calls = {
    links: 0,
    link(from: string, to: string): void {
      calls.links++;
      before(from, to);
      INSTALL_CALLS.link(from, to);
    },
  };
  return calls;
}

/** Files of the old tree with content. */
const MIRRORED = Object.values(OLD.files!).filter((content) => content !== "").length;

for (const thread of ["this thread", "two threads"]) {
  mirrorTest(`a changed tree is made from the old one, by ${thread}`, async (temp) => {
    const setting = await Setting.make(temp);
    const before = setting.inodes();
    const calls = counting();
    const stats = await setting.fetch(ALWAYS, thread === "this thread" ? calls : {});
    setting.checkNew();
    assert.deepEqual(setting.inodes(), before);
    if (thread === "this thread") assert.equal(calls.links, MIRRORED);
    assert.equal(stats.fetchedBytes, "its TEXT changes".length);
    assert.equal(stats.resumed, false);
    // And what is remembered of it holds.
    assert.equal((await setting.fetch(ALWAYS)).installed, false);
  });
}

mirrorTest("what a fetch did is the same without it", async (temp) => {
  const [one, other] = [await Setting.make(temp), await Setting.make(join(temp, "home"))];
  assert.deepEqual(await one.fetch(ALWAYS), await other.fetch(NEVER));
});

mirrorTest("nothing is made of a tree that is unchanged, or that no fetch made", async (temp) => {
  const setting = await Setting.make(temp);
  await setting.fetch(NEVER);
  const { mtimeMs } = lstatSync(setting.home);
  const calls = counting();
  assert.equal((await setting.fetch(ALWAYS, calls)).installed, false);
  const cache = join(temp, "another cache");
  assert.equal((await setting.fetch(ALWAYS, calls, { cache })).installed, false);
  assert.equal(calls.links, 0);
  assert.equal(lstatSync(setting.home).mtimeMs, mtimeMs);
});

mirrorTest("a tree of which most changed is made anew", async (temp) => {
  const setting = await Setting.make(temp);
  const before = setting.inodes(["kept/a"]);
  await setting.publish({
    files: { ...NEW.files, "kept/large": "1", "kept/tool": "2", "kept/deep/er/b": "3" },
  });
  const calls = counting();
  await setting.fetch(ALWAYS, calls);
  setting.checkNew();
  assert.deepEqual(setting.inodes(["kept/a"]), before);
});

for (const times of [0, 1]) {
  mirrorTest(`a fetch that fails leaves nothing, after ${times} answers`, async (temp) => {
    const setting = await Setting.make(temp);
    const before = setting.inodes(Object.keys(OLD.files!));
    for (const calls of [{}, counting()]) {
      await assert.rejects(
        setting.fetch(ALWAYS, calls, { source: setting.breaking(times) }),
        /the source breaks/,
      );
      setting.checkOld();
      assert.deepEqual(setting.inodes(Object.keys(OLD.files!)), before);
    }
    await setting.fetch(ALWAYS);
    setting.checkNew();
  });
}

mirrorTest("a manifest that is refused leaves nothing", async (temp) => {
  const setting = await Setting.make(temp);
  await assert.rejects(setting.fetch(ALWAYS, counting(), { maxBytes: 10 }), /maxBytes|more than 10 bytes/);
  setting.checkOld();
});

mirrorTest("aborted at any link it leaves nothing", async (temp) => {
  const setting = await Setting.make(temp);
  for (let at = 1; at <= MIRRORED; at += 5) {
    const controller = new AbortController();
    let links = 0;
    const calls = counting(() => {
      if (++links === at) controller.abort(new Error(`aborted at ${at}`));
    });
    await assert.rejects(setting.fetch(ALWAYS, calls, { signal: controller.signal }), /aborted at/);
    setting.checkOld();
  }
});

for (const code of ["EXDEV", "EPERM"]) {
  mirrorTest(`where links are refused (${code}), files are copied`, async (temp) => {
    const setting = await Setting.make(temp);
    const before = setting.inodes();
    const link = () => {
      throw Object.assign(new Error("refused"), { code });
    };
    const stats = await setting.fetch(ALWAYS, { link });
    setting.checkNew();
    assert.equal(stats.fetchedBytes, "its TEXT changes".length);
    assert(setting.inodes().every((ino, i) => ino !== before[i]));
  });
}

mirrorTest("a link that is refused once is no reason to leave the others", async (temp) => {
  const setting = await Setting.make(temp);
  const before = setting.inodes();
  let isFirst = true;
  const calls = counting((from) => {
    if (!from.endsWith("kept/tool") || !isFirst) return;
    isFirst = false;
    throw Object.assign(new Error("refused"), { code: "EACCES" });
  });
  await setting.fetch(ALWAYS, calls);
  setting.checkNew();
  // It was tried again.
  assert.deepEqual(setting.inodes(), before);
});

mirrorTest("what takes a file's place after it was listed is not linked", async (temp) => {
  const setting = await Setting.make(temp);
  const before = setting.inodes();
  const calls = counting((from) => {
    if (from.endsWith("kept/a")) {
      writeFileSync(join(temp, "evil"), "evil a");
      renameSync(join(temp, "evil"), from);
    } else if (from.endsWith("er/b")) writeFileSync(from, "in place");
    else if (from.endsWith("tool")) chmodSync(from, 0o700);
    else if (from.endsWith("large")) linkSync(from, join(temp, "other name"));
  });
  await setting.fetch(ALWAYS, calls);
  setting.checkNew();
  assert(setting.inodes().slice(0, 4).every((ino, i) => ino !== before[i]));
  assert.deepEqual(setting.inodes().slice(4), before.slice(4));
});

mirrorTest("a file with another name is not linked", async (temp) => {
  const setting = await Setting.make(temp);
  linkSync(join(setting.dest, "kept/a"), join(temp, "other name"));
  const [before] = setting.inodes();
  await setting.fetch(ALWAYS);
  setting.checkNew();
  assert.notEqual(setting.inodes()[0], before);
  assert.equal(lstatSync(join(setting.dest, "kept/a")).nlink, 1);
});

/** Leaves a staging folder as a process does that was killed while it mirrored `KEPT`, with a key or none. */
function leaveMirror({ home, dest }: Setting, key?: string): string {
  const left = join(home, ".dest.fetch_0123456789abcdef");
  makeTree(join(left, "tree"), { dirs: { "kept/deep/er": 0o755, "kept/more": 0o755 } });
  for (const path of KEPT) linkSync(join(dest, path), join(left, "tree", path));
  writeFileSync(join(left, "lock"), "");
  if (key !== undefined) writeFileSync(join(left, "key"), `${key}\n`);
  return left;
}

for (const key of [undefined, "0".repeat(64)]) {
  mirrorTest(`what a killed fetch left ${key ? "with" : "without"} a key is removed`, async (temp) => {
    const setting = await Setting.make(temp);
    const before = setting.inodes();
    leaveMirror(setting, key);
    const calls = counting();
    await setting.fetch(ALWAYS, calls);
    setting.checkNew();
    // Links could be made: the other names were gone by then.
    assert.deepEqual(setting.inodes(), before);
    // With a key it might have been of the same directory: until that was known, nothing was made.
    assert.equal(calls.links, key === undefined ? MIRRORED : KEPT.length);
  });
}

/** Paths of random trees: few, so that old and new ones have many in common, also as other kinds. */
const NAMES = ["a", "b", "c/a", "c/b", "c", "d/e", "d/e/f", "d/e/g", "B", "d.x"];
const CONTENTS = ["", "1", "22", "333", "4444"];
const entry = fc.oneof(
  fc.record({
    kind: fc.constant("file"),
    content: fc.constantFrom(...CONTENTS),
    mode: fc.constantFrom(0o644, 0o600, 0o755),
  }),
  fc.record({
    kind: fc.constant("dir"),
    content: fc.constant(""),
    mode: fc.constantFrom(0o755, 0o700, 0o555),
  }),
);
const tree = fc.array(fc.tuple(fc.constantFrom(...NAMES), entry), { maxLength: 12 }).map(
  (entries): TreeSpec => {
    const files: Record<string, readonly [string, number]> = {};
    const dirs: Record<string, number> = {};
    const used = new Map<string, "file" | "dir">();
    for (const [path, { kind, content, mode }] of entries) {
      const isBelowFile = [...used].some(([other, is]) => is === "file" && path.startsWith(`${other}/`));
      const holds = [...used.keys()].some((other) => other.startsWith(`${path}/`));
      if (used.has(path) || isBelowFile || (kind === "file" && holds)) continue;
      used.set(path, kind === "file" ? "file" : "dir");
      if (kind === "file") files[path] = [content, mode];
      else dirs[path] = mode;
    }
    return { files, dirs };
  },
);
/** What somebody may do to a file of the old tree before the new one is fetched. */
const damage = fc.array(
  fc.tuple(fc.nat(), fc.constantFrom("rewrite", "touch", "link", "remove", "replace", "mode")),
  { maxLength: 2 },
);

function doDamage(root: string, outside: string, changes: readonly (readonly [number, string])[]): void {
  const files = filesBelow(root);
  if (files.length === 0) return;
  for (const [i, [number, change]] of changes.entries()) {
    const path = join(root, files[number % files.length]);
    if (!existsSync(path)) continue;
    if (change === "rewrite") writeFileSync(path, "other");
    else if (change === "touch") chmodSync(path, lstatSync(path).mode & 0o777);
    else if (change === "link") linkSync(path, `${outside}-${i}`);
    else if (change === "remove") unlinkSync(path);
    else if (change === "mode") chmodSync(path, 0o640);
    else {
      writeFileSync(`${outside}-new`, "1");
      renameSync(`${outside}-new`, path);
    }
  }
}

function filesBelow(root: string, path = ""): string[] {
  return readdirSync(join(root, path), { withFileTypes: true }).flatMap((entry) => {
    const child = path === "" ? entry.name : `${path}/${entry.name}`;
    return entry.isDirectory() ? filesBelow(root, child) : [child];
  }).sort();
}

mirrorTest("any tree becomes any other as it does without", async (temp) => {
  let number = 0;
  await fc.assert(
    fc.asyncProperty(tree, tree, damage, async (from, to, changes) => {
      const results = [];
      // In the helping thread, in this one, and not at all.
      for (const [mirrorFrom, calls] of [[ALWAYS, {}], [ALWAYS, counting()], [NEVER, {}]] as const) {
        const setting = new Setting(temp, `run${number++}`);
        await setting.publish(from);
        await setting.fetch(NEVER);
        doDamage(setting.dest, join(temp, `outside${number}`), changes);
        await setting.publish(to);
        const stats = await setting.fetch(mirrorFrom, calls);
        setting.checkNew();
        for (const path of filesBelow(setting.dest)) {
          assert.equal(lstatSync(join(setting.dest, path)).nlink, 1);
        }
        results.push({ stats, tree: describeTree(setting.dest) });
      }
      assert.deepEqual(results[0], results[2]);
      assert.deepEqual(results[1], results[2]);
    }),
    { numRuns: 40 },
  );
});
