/** What changed in a tree, told and applied: the same manifest, the same plan or the same refusal as of the whole. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { newBlake3 } from "../../src/crypto/blake3.ts";
import { ChangedTree } from "../../src/directory/changed_tree.ts";
import { manifestKey } from "../../src/directory/outline_key.ts";
import { packChanges, unpackChanges } from "../../src/directory/packed_changes.ts";
import { sortByPath } from "../../src/directory/path_rules.ts";
import { checkManifest, type CheckOptions, type ManifestPlan } from "../../src/directory/plan.ts";
import { planChanges } from "../../src/directory/plan_changes.ts";
import { KINDS, RecordTable } from "../../src/directory/record_table.ts";
import { runSteps } from "../../src/directory/steps.ts";
import type { TreeMemory } from "../../src/directory/tree_cache_format.ts";
import { changesOf } from "../../src/directory/tree_changes.ts";
import { TreeHashes } from "../../src/directory/tree_hashes.ts";
import { encodeTree } from "../../src/directory/tree_manifest.ts";
import type { WalkRecord } from "../../src/directory/walk.ts";
import { DecodeError, HawserError, ManifestError } from "../../src/errors.ts";
import { blobUri, CHUNK_SIZE, encodeBlobRef, smallRef } from "../../src/wire/blob_ref.ts";
import { decodeDirManifest, type DirEntry, encodeDirManifest } from "../../src/wire/dir_manifest.ts";
import {
  decodeTreeChanges,
  encodeTreeChanges,
  MAX_TREE_CHANGES_LENGTH,
  type TreeChanges,
} from "../../src/wire/tree_changes.ts";

const blake3 = newBlake3();
const NOTHING = { mtimeMs: 0, ctimeMs: 0, ino: 0, dev: 0 };

/** A node of a tree; `content` decides the hash. */
interface Node extends Pick<WalkRecord, "kind" | "mode" | "size" | "target"> {
  readonly content: number;
}

const file = (content: number, size: number, mode = 0o644): Node => ({
  ...{ kind: "file", mode: 0o100000 | mode, size, target: "", content },
});
const dir = (mode = 0o755): Node => ({ kind: "dir", mode: 0o040000 | mode, size: 0, target: "", content: 0 });
const link = (target: string): Node => ({ kind: "symlink", mode: 0o120777, size: 0, target, content: 0 });

const names = fc.constantFrom("a", "b", "c", "a-b", "a.b", "é", "\u{1f600}", "\uffee");
const paths = fc.array(names, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const modes = fc.constantFrom(0o644, 0o755, 0o600);
/** Sizes go with contents: one hash is of one size, mostly. */
const files = fc.tuple(fc.nat(5), modes, fc.boolean()).map(([content, mode, isLarge]) =>
  file(content, isLarge ? 2 * CHUNK_SIZE + content : content, mode)
);
const targets = fc.constantFrom("a", "b/c", "../a", "./c", "a/../b");
const nodes = fc.oneof(
  { weight: 6, arbitrary: files },
  { weight: 2, arbitrary: modes.map((mode) => dir(mode)) },
  { weight: 1, arbitrary: targets.map(link) },
);
/** What no fetch can make, too. */
const badPaths = fc.oneof(
  { weight: 8, arbitrary: paths },
  { weight: 1, arbitrary: fc.constantFrom("..", "a/..", "a//b", "/a", "", "a\0", "b/" + "n".repeat(256)) },
);
const badNodes = fc.oneof(
  { weight: 8, arbitrary: nodes },
  { weight: 1, arbitrary: fc.constantFrom(link("/etc"), link("../../.."), link("")) },
  { weight: 1, arbitrary: fc.constantFrom(file(1, 77), file(1, 1, 0o4755), dir(0o2775)) },
);
type Tree = Map<string, Node>;
const trees: fc.Arbitrary<Tree> = fc.array(fc.tuple(paths, nodes), { maxLength: 12 }).map((list) => {
  const tree: Tree = new Map();
  for (const [path, node] of list) {
    const parents = parentsOf(path);
    if (parents.some((parent) => (tree.get(parent) ?? dir()).kind !== "dir") || tree.has(path)) continue;
    for (const parent of parents) if (!tree.has(parent)) tree.set(parent, dir());
    tree.set(path, node);
  }
  return tree;
});
/** Changes of a tree; `undefined` removes. */
const edits = fc.oneof(
  fc.array(fc.tuple(paths, fc.option(files, { nil: undefined, freq: 3 })), { maxLength: 4 }),
  fc.array(fc.tuple(badPaths, fc.option(badNodes, { nil: undefined, freq: 3 })), { maxLength: 6 }),
);

/** The directories that a path lies in, outermost first. */
function parentsOf(path: string): string[] {
  const parts = path.split("/");
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join("/"));
}

interface Listed {
  readonly table: RecordTable;
  readonly hashes: TreeHashes;
}

function listed(tree: Tree): Listed {
  const records = sortByPath([...tree].map(([path, { kind, mode, size, target }]): WalkRecord => ({
    ...{ path, kind, mode, size, target, ...NOTHING },
  })));
  const table = RecordTable.of(records);
  const hashes = new TreeHashes(table);
  for (const [entry, path] of table.paths.entries()) {
    hashes.of(entry).fill(tree.get(path)!.content + 1);
  }
  return { table, hashes };
}

function memoryOf(tree: Tree): TreeMemory {
  const { table, hashes } = listed(tree);
  return { table, hashes, trust: new Uint8Array(table.length) };
}

/** @param isWhole whether directories come and go with what is in them. */
function edited(tree: Tree, list: readonly (readonly [string, Node | undefined])[], isWhole = false): Tree {
  const other = new Map(tree);
  for (const [path, node] of list) {
    if (isWhole && node?.kind !== "dir") {
      for (const name of tree.keys()) if (name.startsWith(`${path}/`)) other.delete(name);
    }
    if (node === undefined) other.delete(path);
    else other.set(path, node);
    if (isWhole && node) {
      for (const parent of parentsOf(path)) if (!other.has(parent)) other.set(parent, dir());
    }
  }
  return other;
}

/** What a holder that remembers `before` tells of `after`. */
function told(before: TreeMemory, { table, hashes }: Listed): TreeChanges | undefined {
  const changes = changesOf(table, { hashes, known: [] }, before);
  return changes && decodeTreeChanges(changes);
}

const manifestOf = ({ table, hashes }: Listed) => encodeTree(table, hashes, (entry) => entry);

Deno.test("tree changes: what is told makes the manifest", () => {
  fc.assert(
    fc.property(trees, edits, (before, list) => {
      const memory = memoryOf(before);
      const after = listed(edited(before, list));
      const tree = ChangedTree.apply(memory, told(memory, after)!);
      assert.deepEqual(runSteps(tree.manifest()), manifestOf(after));
      const entries = Array.from({ length: tree.length }, (_, entry) => entry);
      assert.deepEqual(entries.map((entry) => tree.pathAt(entry)), after.table.paths);
      assert.deepEqual(
        entries.map((entry) => tree.kindAt(entry)),
        entries.map((n) => KINDS[after.table.kinds[n]]),
      );
    }),
    { numRuns: 500 },
  );
});

Deno.test("tree changes: only what changed is told, and what a fetch cannot tell", () => {
  const before: Tree = new Map([
    ["a", dir()],
    ["a/same", file(1, 9)],
    ["a/other", file(2, 9)],
    ["a/mode", file(3, 9)],
    ["a/gone", file(4, 9)],
    ["a/large", file(5, CHUNK_SIZE + 1)],
    ["a/setuid", file(5, 5, 0o4755)],
    ["sticky", dir(0o1777)],
    ["link", link("a/same")],
  ]);
  const after = edited(before, [
    ["a/other", file(6, 9)],
    ["a/mode", file(3, 9, 0o600)],
    ["a/gone", undefined],
    ["b", file(7, 9)],
  ]);
  const { removed, entries } = told(memoryOf(before), listed(after))!;
  assert.deepEqual(removed, ["a/gone"]);
  const names = entries.map(({ path }) => path);
  assert.deepEqual(names, ["a/large", "a/mode", "a/other", "a/setuid", "b", "sticky"]);
});

Deno.test("tree changes: more than is sent is not told", () => {
  const names = Array.from({ length: 9000 }, (_, i) => `f${i}`);
  const many: Tree = new Map(names.map((name) => [name, file(1, 9)]));
  assert.equal(typeof told(memoryOf(new Map()), listed(many)), "undefined");
  const few: Tree = new Map(names.slice(0, 5000).map((name) => [name, file(1, 9)]));
  assert.equal(told(memoryOf(new Map()), listed(few))!.entries.length, 5000);
  // Nor are as many removals.
  const long = (i: number) => `${i} ${"x".repeat(200)}`;
  const gone: Tree = new Map(names.map((_, i) => [long(i), file(1, 9)]));
  assert.ok(encodeTreeChanges({ removed: [...gone.keys()], entries: [] }).length > MAX_TREE_CHANGES_LENGTH);
  assert.equal(typeof told(memoryOf(gone), listed(new Map())), "undefined");
});

/** A plan as plain values. */
function plain({ chunks, ...plan }: ManifestPlan): unknown {
  const table = Array.from({ length: chunks.count }, (_, i) => [
    ...[chunks.hashOf(i), chunks.sizeOf(i), chunks.fileOf(i), chunks.offsetOf(i)],
    ...[chunks.isHead(i), chunks.nextOf(i), chunks.find(chunks.hashOf(i))],
  ]);
  return { ...plan, table };
}

function outcome<T>(work: () => T): { value: T } | { error: HawserError } {
  try {
    return { value: work() };
  } catch (error) {
    assert.ok(error instanceof HawserError, `${error}`);
    return { error };
  }
}

const optionSets: fc.Arbitrary<CheckOptions> = fc.record({
  symlinks: fc.constantFrom("inside", "all"),
  specialModes: fc.boolean(),
  foldNames: fc.constantFrom(true, false, false, false),
  maxEntries: fc.integer({ min: 8, max: 30 }),
  maxDepth: fc.constantFrom(2, 3),
  maxBytes: fc.constantFrom(20, 9 * CHUNK_SIZE),
}, { requiredKeys: [] });

Deno.test("tree changes: the plan of the whole, or none where the whole is refused", () => {
  let planned = 0;
  let refused = 0;
  fc.assert(
    fc.property(trees, edits, fc.boolean(), optionSets, (before, list, isWhole, options) => {
      // What was there before was fetched with the same options.
      fc.pre(
        "value" in
          outcome(() => checkManifest(decodeDirManifest(manifestOf(listed(before))).entries, options)),
      );
      const memory = memoryOf(before);
      const after = listed(edited(before, list, isWhole));
      const { entries } = decodeDirManifest(manifestOf(after));
      const whole = outcome(() => checkManifest(entries, options));
      const tree = ChangedTree.apply(memory, told(memory, after)!);
      const plan = runSteps(planChanges(tree, options));
      if (plan === undefined) return void refused++;
      planned++;
      assert.ok("value" in whole, "error" in whole ? whole.error.message : "");
      assert.deepEqual(plain(plan), plain(whole.value));
      const key = manifestKey(blake3, entries, whole.value.files);
      assert.equal(tree.key(blake3, plan.files), key);
    }),
    { numRuns: 3000 },
  );
  assert.ok(planned > 200 && refused > 200, `${planned} planned, ${refused} not`);
});

Deno.test("tree changes: what is usual is planned without the whole", () => {
  const before: Tree = new Map([["a", dir()], ["a/b", file(1, 3)], ["l", link("a/b")], ["z", dir()]]);
  const memory = memoryOf(before);
  const planOf = (list: [string, Node | undefined][]) => {
    const tree = ChangedTree.apply(memory, told(memory, listed(edited(before, list)))!);
    return runSteps(planChanges(tree, { foldNames: false }));
  };
  for (
    const list of [
      [["a/b", file(2, 3)]],
      [["a/c", file(2, 3)], ["l", undefined]],
      [["c", dir()], ["c/d", file(2, 3)]],
      [["a", undefined], ["a/b", undefined]],
      [["z", file(4, 4)], ["a", dir(0o700)]],
      [["l", file(4, 4)]],
    ] as [string, Node | undefined][][]
  ) assert.ok(planOf(list), JSON.stringify(list));
  for (
    const list of [
      [["m", link("a")]],
      [["c/d", file(2, 3)]],
      [["a", undefined]],
      [["a", file(1, 3)]],
      [["a/b/c", file(1, 3)]],
      [["l/x", file(1, 3)]],
      [["q", file(1, 4)]],
    ] as [string, Node | undefined][][]
  ) assert.equal(planOf(list), undefined, JSON.stringify(list));
});

Deno.test("tree changes: nonsense is refused", () => {
  const memory = memoryOf(new Map([["a", dir()], ["a/b", file(1, 3)], ["c", file(5, CHUNK_SIZE + 1)]]));
  const at = (path: string) => ({ kind: "dir", path, mode: 0o40755 }) as const;
  const refuses = (changes: TreeChanges, message: RegExp) =>
    assert.throws(() => ChangedTree.apply(memory, changes), (error) => {
      assert.ok(error instanceof ManifestError);
      assert.match(error.message, message);
      return true;
    });
  refuses({ removed: ["b"], entries: [] }, /"b" is not there/);
  refuses({ removed: ["d"], entries: [] }, /"d" is not there/);
  refuses({ removed: ["c", "a"], entries: [] }, /"a" is not in order/);
  refuses({ removed: ["a", "a"], entries: [] }, /"a" is not in order/);
  refuses({ removed: ["a"], entries: [at("a")] }, /"a" is not in order/);
  refuses({ removed: [], entries: [at("x"), at("x")] }, /"x" is not in order/);
  refuses({ removed: [], entries: [at("x"), at("b")] }, /"b" is not in order/);
  const tree = ChangedTree.apply(memory, { removed: ["a"], entries: [at("b")] });
  assert.throws(() => runSteps(tree.manifest()), /"c" has several chunks and did not come along/);
});

Deno.test("tree changes: any changes of any tree are applied or refused", () => {
  const lists = fc.array(fc.tuple(badPaths, badNodes), { maxLength: 5 });
  fc.assert(fc.property(trees, fc.array(badPaths, { maxLength: 5 }), lists, (before, removed, list) => {
    const { table, hashes } = listed(new Map(list));
    const { entries } = decodeDirManifest(encodeTree(table, hashes, (entry) => entry));
    const applied = outcome(() => ChangedTree.apply(memoryOf(before), { removed, entries }));
    if ("error" in applied) return;
    const manifest = outcome(() => runSteps(applied.value.manifest()));
    if ("error" in manifest) return;
    // What came of it is sorted and has no path twice.
    const made = decodeDirManifest(manifest.value).entries;
    assert.deepEqual(made.map(({ path }) => path), [
      ...new Set(sortByPath([...made]).map(({ path }) => path)),
    ]);
    assert.deepEqual(encodeDirManifest(made), manifest.value);
  }));
});

Deno.test("tree changes: packed where that is worth it", () => {
  const hash = new Uint8Array(32).fill(7);
  const blob = encodeBlobRef(smallRef(blobUri(hash), hash, 1));
  for (const [count, isPacked] of [[0, false], [10, false], [1000, true]] as const) {
    const entries = sortByPath(Array.from(
      { length: count },
      (_, i): DirEntry => ({ kind: "file", path: `f${i}`, mode: 1, blob }),
    ));
    const changes = encodeTreeChanges({ removed: [], entries });
    const packed = packChanges(changes);
    assert.deepEqual([packed.length, packed.packed.length < changes.length], [changes.length, isPacked]);
    assert.deepEqual(unpackChanges(packed).entries, entries);
    const other = { ...packed, length: changes.length - 1 };
    if (changes.length > 4) assert.throws(() => unpackChanges(other), DecodeError);
  }
});
