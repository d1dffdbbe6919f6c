import assert from "node:assert/strict";
import { chmodSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readLocalTree } from "../../src/directory/local_tree.ts";
import { WorkPacer } from "../../src/directory/pacer.ts";
import { nobleBlake3 } from "../../src/crypto/blake3.ts";
import { testInTempDir } from "../support/temp.ts";
import { makeTree, pattern } from "../support/tree.ts";

const LARGE = 5_000_000;

testInTempDir("own tree: hashed without being remembered", async (temp) => {
  makeTree(temp, { files: { a: "first", "b/large": pattern(LARGE, 1), c: "" } });
  for (const path of ["a", "b/large", "c"]) utimesSync(join(temp, path), 1e9, 1e9);
  const tree = await readLocalTree("Test", temp, new WorkPacer(undefined), { hashes: true });
  assert.deepEqual(tree.table.paths, ["a", "b", "b/large", "c"]);
  // Nothing is read any more.
  rmSync(join(temp, "a"));
  const { hash } = nobleBlake3();
  const hashesOf = (path: string) => tree.known!.hashesOf(tree.table.paths.indexOf(path));
  assert.deepEqual(hashesOf("a"), hash(new TextEncoder().encode("first")));
  assert.deepEqual(hashesOf("b/large")!.subarray(32), hash(pattern(LARGE, 1).subarray(4_194_304)));
  assert.equal(hashesOf("c")!.length, 0);
});

testInTempDir("own tree: without hashes nothing is read", async (temp) => {
  makeTree(temp, { files: { a: "first" } });
  const tree = await readLocalTree("Test", temp, new WorkPacer(undefined));
  assert.equal(tree.known, undefined);
});

testInTempDir("own tree: one that cannot be read is looked at later", async (temp) => {
  makeTree(temp, { files: { a: "first" } });
  writeFileSync(join(temp, "b"), "second");
  chmodSync(join(temp, "b"), 0);
  const tree = await readLocalTree("Test", temp, new WorkPacer(undefined), { hashes: true });
  assert.deepEqual(tree.table.paths, ["a", "b"]);
});
