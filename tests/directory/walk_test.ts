/** The order of a walk, which sorts each directory by itself, is that of whole paths. */
import assert from "node:assert/strict";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { WorkPacer } from "../../src/directory/pacer.ts";
import type { PathFilter } from "../../src/directory/path_filter.ts";
import { comparePaths } from "../../src/directory/path_rules.ts";
import { walkTree } from "../../src/directory/walk.ts";
import { testInTempDir } from "../support/temp.ts";

const pacer = new WorkPacer(undefined);
/** Names around the slash in order, the lowest after another, and where UTF-16 and UTF-8 differ. */
const names = fc.constantFrom(
  "a",
  "a\u0001",
  "a-",
  "a--",
  "a.b",
  "a0",
  "a a",
  "ab",
  "-",
  "0",
  "\u00e9",
  "\uffee",
  "\u{10000}",
);
const paths = fc.array(fc.array(names, { minLength: 1, maxLength: 4 }), { maxLength: 12 });

/** Makes directories, and files where there is room for one. */
function make(root: string, list: readonly (readonly string[])[]): void {
  for (const parts of list) {
    try {
      mkdirSync(join(root, ...parts.slice(0, -1)), { recursive: true });
      writeFileSync(join(root, ...parts), "", { flag: "wx" });
    } catch {
      // Something else by one of the names was first.
    }
  }
}

testInTempDir(
  "walkTree: in the order of the UTF-8 bytes of whole paths, whatever the names",
  async (temp) => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(paths, async (list) => {
        const root = join(temp, String(run++));
        mkdirSync(root);
        make(root, list);
        const { table, skipped } = await walkTree(root, { action: "Test", pacer });
        const { records } = table;
        const found = records.map(({ path }) => path);
        assert.deepEqual(found, [...found].sort(comparePaths));
        assert.equal(new Set(found).size, found.length);
        for (const { path, kind } of records) {
          const parent = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : undefined;
          assert.ok(parent === undefined || found.includes(parent), `${path} without its parent`);
          assert.equal(kind, records.some((other) => other.path.startsWith(`${path}/`)) ? "dir" : kind);
        }
        assert.deepEqual(skipped, []);
        rmSync(root, { recursive: true });
      }),
      { numRuns: 60 },
    );
  },
);

testInTempDir("walkTree: the same, whatever is expected", async (temp) => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(paths, paths, async (before, after) => {
      const root = join(temp, String(run++));
      mkdirSync(root);
      make(root, before);
      const { table: expected } = await walkTree(root, { action: "Test", pacer });
      assert.deepEqual(
        (await walkTree(root, { action: "Test", pacer, expected })).table.paths,
        expected.paths,
      );
      rmSync(root, { recursive: true });
      mkdirSync(root);
      make(root, after);
      const { table } = await walkTree(root, { action: "Test", pacer });
      assert.deepEqual(
        (await walkTree(root, { action: "Test", pacer, expected })).table.records,
        table.records,
      );
      rmSync(root, { recursive: true });
    }),
    { numRuns: 60 },
  );
});

testInTempDir("walkTree: a directory that is replaced while it is listed is noticed", async (temp) => {
  mkdirSync(join(temp, "a"));
  mkdirSync(join(temp, "b"));
  writeFileSync(join(temp, "b", "inside"), "");
  // Asked about each path before it is looked at.
  const swap = () => {
    rmSync(join(temp, "a"), { recursive: true, force: true });
    renameSync(join(temp, "b"), join(temp, "a"));
    writeFileSync(join(temp, "b"), "now a file");
  };
  let isSwapped = false;
  const excludes = (path: string): boolean => {
    if (path === "b" && !isSwapped) {
      isSwapped = true;
      swap();
    }
    return false;
  };
  const filter = { excludes } as unknown as PathFilter;
  await assert.rejects(walkTree(temp, { action: "Test", pacer, filter }), {
    name: "SourceChangedError",
    message: /replaced while it was listed/,
  });
});
