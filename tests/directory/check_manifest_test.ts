import assert from "node:assert/strict";
import { checkManifest, type CheckOptions } from "../../src/directory/plan.ts";
import { nobleBlake3 } from "../../src/crypto/blake3.ts";
import { LimitExceededError, ManifestError, UnsafePathError, UnsupportedError } from "../../src/errors.ts";
import {
  blobUri,
  CHUNK_SIZE,
  encodeBlobRef,
  manifestRef,
  MAX_BLOB_SIZE,
  smallRef,
  treeRef,
} from "../../src/wire/blob_ref.ts";
import type { DirEntry } from "../../src/wire/dir_manifest.ts";

const hashOf = (text: string) => nobleBlake3().hash(new TextEncoder().encode(text));

function file(path: string, text = "content", mode = 0o100644, size = text.length): DirEntry {
  const hash = hashOf(text);
  return { kind: "file", path, mode, blob: encodeBlobRef(smallRef(blobUri(hash), hash, size)) };
}
const dir = (path: string, mode = 0o40755): DirEntry => ({ kind: "dir", path, mode });
const link = (path: string, target: string): DirEntry => ({ kind: "symlink", path, target });

type ErrorClass = new (...args: never[]) => Error;

function refuses(entries: DirEntry[], kind: ErrorClass, message: RegExp, options?: CheckOptions): void {
  assert.throws(() => checkManifest(entries, { platform: "posix", ...options }), (error) => {
    assert(error instanceof kind, `${error}`);
    assert.match(error.message, message);
    return true;
  });
}

Deno.test("checkManifest: a good one becomes a plan", () => {
  const plan = checkManifest([
    dir("a", 0o40700),
    file("a/x", "same", 0o104755),
    link("a/l", "../b/c"),
    file("b/c/y", "same", 0),
    file("empty", ""),
  ], { platform: "posix" });
  assert.deepEqual(plan.dirs, [
    { path: "a", mode: 0o700 },
    { path: "b", mode: undefined },
    { path: "b/c", mode: undefined },
  ]);
  assert.deepEqual(plan.files, [
    { path: "a/x", mode: 0o755, size: 4, firstChunk: 0, chunkCount: 1 },
    { path: "b/c/y", mode: undefined, size: 4, firstChunk: 1, chunkCount: 1 },
    { path: "empty", mode: 0o644, size: 0, firstChunk: 2, chunkCount: 0 },
  ]);
  assert.deepEqual(plan.links, [{ path: "a/l", target: "../b/c" }]);
  assert.equal(plan.bytes, 8);
  assert.deepEqual([plan.chunks.count, plan.chunks.distinct], [2, 1]);
  assert.equal(plan.chunks.find(hashOf("same")), 0);
  assert.equal(plan.chunks.nextOf(0), 1);
  assert.equal(plan.chunks.nextOf(1), undefined);
});

Deno.test("checkManifest: special bits only when asked for", () => {
  const entries = [dir("d", 0o41777), file("s", "x", 0o104755)];
  const modes = (options?: CheckOptions) => {
    const { dirs, files } = checkManifest(entries, options);
    return [dirs[0].mode, files[0].mode];
  };
  assert.deepEqual(modes(), [0o777, 0o755]);
  assert.deepEqual(modes({ specialModes: true }), [0o1777, 0o4755]);
});

Deno.test("checkManifest: entries that contradict each other", () => {
  refuses([file("a"), file("a")], UnsafePathError, /"a" is there twice/);
  refuses([dir("a"), dir("a")], UnsafePathError, /is there twice/);
  refuses([dir("a"), file("a")], UnsafePathError, /is there twice/);
  refuses([link("a", "b"), file("a")], UnsafePathError, /is there twice/);
  refuses([file("a"), file("a/b")], UnsafePathError, /"a\/b" lies below the file "a"/);
  refuses([file("a/b/c"), file("a")], UnsafePathError, /"a\/b\/c" lies below the file "a"/);
  refuses([link("x", "y"), file("x/evil")], UnsafePathError, /lies below the symbolic link "x"/);
  refuses([link("x", "y"), dir("x/d/e")], UnsafePathError, /lies below the symbolic link "x"/);
  refuses([link("x", "y"), link("x/z", "y")], UnsafePathError, /lies below the symbolic link "x"/, {
    symlinks: "skip",
  });
});

Deno.test("checkManifest: names that fold to one", () => {
  const pairs: DirEntry[][] = [
    [file("README"), file("readme")],
    [file("\u00e9"), file("e\u0301")],
    [dir("Dir"), file("dir/x")],
    [file("Dir/x"), file("dir/y")],
    [file("a/B/x"), file("a/b/y")],
    [dir("a"), file("A")],
  ];
  for (const entries of pairs) {
    checkManifest(entries, { platform: "posix" });
    for (const options of [{ platform: "windows" }, { platform: "darwin" }, { foldNames: true }] as const) {
      refuses(entries, UnsafePathError, /the same as .* ignores case or normalisation/, options);
    }
  }
  // Below a file, in another case.
  refuses([file("a"), file("A/x")], UnsafePathError, /lies below the file "a"/, { foldNames: true });
  // A link reached in another case.
  const links = [link("Link", "sub"), link("l", "link/../../x"), dir("sub")];
  refuses(links, UnsafePathError, /leaves the destination|goes through the link/, { foldNames: true });
});

Deno.test("checkManifest: link policies", () => {
  for (const target of ["/etc", "..", "a/../../x"]) {
    refuses([link("l", target)], UnsafePathError, /"l" is a link to/);
    assert.equal(checkManifest([link("l", target)], { symlinks: "all" }).links.length, 1);
    const skipped = checkManifest([link("l", target)], { symlinks: "skip" });
    assert.deepEqual([skipped.links, skipped.skippedLinks], [[], ["l"]]);
  }
  for (const symlinks of ["inside", "all"] as const) {
    refuses([link("l", "")], UnsafePathError, /empty target/, { symlinks });
    refuses([link("l", "a\0b")], UnsafePathError, /contains NUL/, { symlinks });
    refuses([link("l", "x".repeat(4096))], UnsafePathError, /longer than 4095/, { symlinks });
  }
  // Composed: each link alone looks harmless.
  refuses([link("a", "."), link("b", "a/sub/../../etc")], UnsafePathError, /goes through the link "a"/);
});

Deno.test("checkManifest: references", () => {
  const bad = (blob: Uint8Array): DirEntry => ({ kind: "file", path: "f", mode: 0o100644, blob });
  const hash = hashOf("x");
  refuses([bad(new Uint8Array(0))], ManifestError, /"f" has no blob reference/);
  refuses([bad(new TextEncoder().encode("plain"))], ManifestError, /has no blob reference/);
  refuses([bad(Uint8Array.of(0xb0, 0xb1, 0xb2, 0xb3, 1, 7))], ManifestError, /malformed blob reference/);
  refuses([bad(Uint8Array.of(0xb0, 0xb1, 0xb2, 0xb3, 9))], ManifestError, /malformed blob reference/);
  const tree = treeRef("u", { kind: "replicated" }, hash, 1000, 1);
  refuses([bad(encodeBlobRef(tree))], UnsupportedError, /"f" uses a tree reference/);
  const erasure = manifestRef("u", { kind: "reed-solomon", k: 2, m: 1 }, [{ hash, size: 3 }]);
  refuses([bad(encodeBlobRef(erasure))], UnsupportedError, /uses erasure coding/);
  refuses([file("f", "x", 0o644, 0)], ManifestError, /declares size 0 for content that is not empty/);
  refuses([file("f", "x", 0o644, 17 * 1024 * 1024)], LimitExceededError, /a chunk of 17825792 bytes/);
  refuses([file("f", "x", 0o644, 1), file("g", "x", 0o644, 2)], ManifestError, /"g" declares another size/);
});

Deno.test("checkManifest: limits", () => {
  refuses([file("a"), file("b")], LimitExceededError, /2 entries exceed the limit of 1/, { maxEntries: 1 });
  refuses([file("a/b/c")], UnsafePathError, /more than 2 components/, { maxDepth: 2 });
  refuses([file("a", "12345"), file("b", "123456")], LimitExceededError, /up to "b" declare more than 10/, {
    maxBytes: 10,
  });
  assert.equal(checkManifest([file("a", "12345"), file("b", "12346")], { maxBytes: 10 }).bytes, 10);
});

Deno.test("checkManifest: declared sizes that sum beyond exact integers are refused, not wrapped", () => {
  // The dedup bomb: one chunk, 4096 times in a file, in very many files.
  const chunk = { hash: hashOf("zero"), size: CHUNK_SIZE };
  const chunks = Array.from({ length: MAX_BLOB_SIZE / CHUNK_SIZE }, () => chunk);
  const blob = encodeBlobRef(manifestRef("u", { kind: "replicated" }, chunks));
  const entries = Array.from(
    { length: 40 },
    (_, i): DirEntry => ({ kind: "file", path: `${i}`, mode: 0, blob }),
  );
  refuses(entries, LimitExceededError, /declare more than/, { maxBytes: 100 * 1024 ** 3 });
  assert.equal(checkManifest(entries.slice(0, 3)).chunks.distinct, 1);
});

Deno.test("checkManifest: many chunks find their equals", () => {
  const entries = Array.from({ length: 5000 }, (_, i) => file(`f${i}`, `content ${i % 1700}`));
  const { chunks } = checkManifest(entries);
  assert.deepEqual([chunks.count, chunks.distinct], [5000, 1700]);
  for (let i = 0; i < 1700; i++) {
    const seen: number[] = [];
    const head = chunks.find(hashOf(`content ${i}`));
    for (let chunk = head; chunk !== undefined; chunk = chunks.nextOf(chunk)) seen.push(chunks.fileOf(chunk));
    assert.equal(head, i);
    assert.deepEqual(seen.sort((a, b) => a - b), [i, i + 1700, i + 3400].filter((file) => file < 5000));
  }
});
