import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UnsafePathError } from "../../src/errors.ts";
import { WorkPacer } from "../../src/directory/pacer.ts";
import { checkManifest } from "../../src/directory/plan.ts";
import { leftPlaces, StagedDirs } from "../../src/directory/staged_dirs.ts";
import { blobUri, encodeBlobRef, smallRef } from "../../src/wire/blob_ref.ts";
import type { DirEntry } from "../../src/wire/dir_manifest.ts";
import { fromHex } from "../../src/wire/bytes.ts";
import { tempPermissions as permissions, withTempDir } from "../support/temp.ts";

const EMPTY = fromHex("af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")!;

const file = (path: string): DirEntry => ({
  kind: "file",
  path,
  mode: 0o100644,
  blob: encodeBlobRef(smallRef(blobUri(EMPTY), EMPTY, 0)),
});
const dir = (path: string): DirEntry => ({ kind: "dir", path, mode: 0o40755 });

/** Directories with files, with directories only, with nothing, and that only a path tells of. */
const PLAN = checkManifest([
  dir("a"),
  dir("a/b"),
  dir("a/b/c"),
  file("a/b/c/f"),
  file("a/b/c/g"),
  file("a/z"),
  dir("bare"),
  dir("bare/er"),
  file("implied/by/path"),
  dir("implied/nothing"),
  file("top"),
]);
const PATHS = ["a", "a/b", "a/b/c", "a/b/c/f", "a/b/c/g", "a/z", "bare", "bare/er", "implied", "implied/by"]
  .concat(["implied/by/path", "implied/nothing", "top"]);
const pacer = new WorkPacer(undefined);
const onError = (error: unknown) => error as Error;

for (const isFlat of [true, false]) {
  Deno.test(`staged dirs: ${isFlat ? "flat" : "nested"}, files are where they should be at any time`, {
    permissions,
  }, () =>
    withTempDir(async (staging) => {
      mkdirSync(join(staging, "tree"));
      const dirs = new StagedDirs(PLAN, staging, isFlat);
      await dirs.make(pacer, onError);
      const left = leftPlaces(PLAN);
      const isLeft = (path: string) => left(path).some((place) => existsSync(join(staging, place)));
      for (const { path } of PLAN.files) {
        assert.equal(isLeft(path), false);
        writeFileSync(dirs.pathOf(path), "");
        assert.equal(isLeft(path), true);
      }
      assert.equal(existsSync(join(staging, "tree/a/z")), !isFlat);
      await dirs.nest(pacer, onError);
      for (const { path } of PLAN.files) {
        assert.equal(dirs.pathOf(path), `${staging}/tree/${path}`);
        assert.equal(isLeft(path), true);
      }
      assert.deepEqual(readdirSync(join(staging, "tree"), { recursive: true }).sort(), PATHS.sort());
      assert.deepEqual(readdirSync(staging), ["tree"]);
    }));
}

for (const [name, put] of [["file", writeFileSync], ["full directory", fill]] as const) {
  Deno.test(
    `staged dirs: a directory does not take the name of a ${name}`,
    { permissions },
    () =>
      withTempDir(async (staging) => {
        mkdirSync(join(staging, "tree"));
        const dirs = new StagedDirs(PLAN, staging, true);
        await dirs.make(pacer, onError);
        for (const { path } of PLAN.files) writeFileSync(dirs.pathOf(path), "");
        put(join(staging, "tree", "implied"), "");
        const failure = new UnsafePathError("taken", "implied");
        await assert.rejects(
          dirs.nest(pacer, (error, path) => {
            assert.equal(path, "implied");
            assert.match((error as { code: string }).code, /^(?:ENOTDIR|ENOTEMPTY|EEXIST)$/);
            return failure;
          }),
          failure,
        );
      }),
  );
}

function fill(path: string): void {
  mkdirSync(join(path, "content"), { recursive: true });
}
