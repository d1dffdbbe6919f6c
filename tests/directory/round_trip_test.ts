import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { fetchDir } from "../../src/directory/fetch_dir.ts";
import { verifyDir } from "../../src/directory/inspect.ts";
import { referenceOfPath } from "../../src/directory/reference.ts";
import { scanDir } from "../../src/directory/scan.ts";
import { shareFolder } from "../../src/directory/share.ts";
import { storeDir } from "../../src/directory/store_dir.ts";
import { FileSystemError } from "../../src/errors.ts";
import { encodeUtf8 } from "../../src/wire/bytes.ts";
import { withTempDir } from "../support/temp.ts";
import { compareTrees, makeTree, namesIn, type TreeSpec } from "../support/tree.ts";

/** Making links wants unscoped permissions. */
const permissions: Deno.PermissionOptions = { read: true, write: true };

const name = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("a", "b", "lib", ".hidden", "a-b", "a.txt", "README.md") },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "with space",
      "line\nbreak",
      "-rf",
      "~",
      "...",
      "\t",
      "\\",
      "a\\b",
      "C:",
      "nul",
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "ä",
      "a\u0308",
      "日本",
      "\u{1f600}",
      "\uffff",
      "\ufffd",
      "e\u0301",
      "\ufeffbom",
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom("x".repeat(255), "é".repeat(127), "\u{1f600}".repeat(63)) },
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 6 }),
).filter((name) =>
  !/[/\0]/.test(name) && name !== "." && name !== ".." && encodeUtf8(name).length <= 255 &&
  name.isWellFormed()
);

const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/"));
const content = fc.oneof(
  fc.constantFrom("", "x", "same", "#!/bin/sh\n"),
  fc.uint8Array({ maxLength: 400 }),
  // A size stands for that many bytes: a counterexample that spells them out helps nobody.
  fc.constantFrom(4096, 262_144, 262_145),
);
const fileMode = fc.constantFrom(0o644, 0o644, 0o755, 0o600, 0o444, 0o400, 0o777, 0o711);
const dirMode = fc.constantFrom(0o755, 0o755, 0o700, 0o777, 0o555, 0o500, 0o711);

/** Entries by path, such that none lies below one that is no directory. */
const tree = fc.array(
  fc.tuple(
    path,
    fc.oneof(
      { weight: 4, arbitrary: fc.record({ kind: fc.constant("file" as const), content, mode: fileMode }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("dir" as const), mode: dirMode }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("link" as const), target: path }) },
    ),
  ),
  { maxLength: 12 },
);

type Entries = typeof tree extends fc.Arbitrary<infer T> ? T : never;

function specOf(entries: Entries): TreeSpec {
  const files: Record<string, readonly [string | Uint8Array, number]> = {};
  const dirs: Record<string, number> = {};
  const links: Record<string, string> = {};
  const taken = new Set<string>();
  const leaves = new Set<string>();
  for (const [path, entry] of entries) {
    const steps = path.split("/");
    const parents = steps.slice(0, -1).map((_, i) => steps.slice(0, i + 1).join("/"));
    if (taken.has(path) || parents.some((parent) => leaves.has(parent))) continue;
    for (const parent of parents) taken.add(parent);
    taken.add(path);
    if (entry.kind !== "dir") leaves.add(path);
    if (entry.kind === "file") {
      const { content, mode } = entry;
      files[path] = [typeof content === "number" ? new Uint8Array(content).fill(7) : content, mode];
    }
    if (entry.kind === "dir") dirs[path] = entry.mode;
    if (entry.kind === "link") links[path] = entry.target;
  }
  return { files, dirs, links };
}

Deno.test(
  "round trip: any tree keeps its address through share and fetch",
  { permissions },
  () =>
    withTempDir(async (temp) => {
      let run = 0;
      await fc.assert(
        fc.asyncProperty(tree, async (entries) => {
          const home = join(temp, `${run++}`);
          const [from, to] = [join(home, "from"), join(home, "to")];
          makeTree(from, specOf(entries));
          const store = new MemoryBlobStore();
          const { ref, stats } = await storeDir(store, from);
          assert.deepEqual(stats.skipped, []);
          assert.deepEqual(await referenceOfPath(from), ref);
          const source = new StoreChunkSource(store);
          await fetchDir(source, ref, to, { symlinks: "all" });
          compareTrees(to, from);
          assert.deepEqual((await scanDir(to)).ref, ref);
          assert((await verifyDir(source, ref, to, { symlinks: "all" })).ok);
          assert.equal((await fetchDir(source, ref, to, { symlinks: "all" })).installed, false);

          // Served in place, over a tree that is there.
          makeTree(join(home, "other"), { files: { old: "old" } });
          const shared = await shareFolder(to);
          assert.deepEqual(shared.ref, ref);
          await fetchDir(new StoreChunkSource(shared.store), ref, join(home, "other"), { symlinks: "all" });
          await shared.store.close();
          compareTrees(join(home, "other"), from);
          assert.deepEqual(namesIn(home), ["from", "other", "to"]);
        }),
        { numRuns: 60, interruptAfterTimeLimit: 20_000, endOnFailure: true },
      );
    }),
);

Deno.test(
  "round trip: files that their owner cannot read, where that is no hindrance",
  { permissions },
  () =>
    withTempDir(async (temp) => {
      const from = join(temp, "from");
      makeTree(from, {
        files: { secret: ["s", 0o000], drop: ["d", 0o200], large: [new Uint8Array(300_000), 0o000] },
      });
      try {
        closeSync(openSync(join(from, "secret"), "r"));
      } catch {
        await assert.rejects(scanDir(from), FileSystemError);
        return;
      }
      const store = new MemoryBlobStore();
      const { ref } = await storeDir(store, from);
      await fetchDir(new StoreChunkSource(store), ref, join(temp, "to"));
      compareTrees(join(temp, "to"), from);
    }),
);

Deno.test("round trip: special bits only when asked for", { permissions }, () =>
  withTempDir(async (temp) => {
    const from = join(temp, "from");
    makeTree(from, { files: { tool: ["t", 0o4755] }, dirs: { shared: 0o1777 } });
    const store = new MemoryBlobStore();
    const { ref } = await storeDir(store, from);
    const source = new StoreChunkSource(store);
    await fetchDir(source, ref, join(temp, "plain"));
    makeTree(join(temp, "expected"), { files: { tool: ["t", 0o755] }, dirs: { shared: 0o777 } });
    compareTrees(join(temp, "plain"), join(temp, "expected"));
    await fetchDir(source, ref, join(temp, "special"), { specialModes: true });
    compareTrees(join(temp, "special"), from);
    // One that is there with special bits is not what a fetch without them makes.
    assert.equal((await fetchDir(source, ref, join(temp, "special"))).installed, true);
    compareTrees(join(temp, "special"), join(temp, "expected"));
  }));
