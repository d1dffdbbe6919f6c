import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import type { ChunkJob, ChunkJobs, ChunkSource, FetchChunksOptions } from "../../src/blob/source.ts";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { nobleBlake3 } from "../../src/crypto/blake3.ts";
import { fetchDir } from "../../src/directory/fetch_dir.ts";
import type { FetchDirOptions } from "../../src/directory/fetch_options.ts";
import { listDir } from "../../src/directory/inspect.ts";
import { storeDir } from "../../src/directory/store_dir.ts";
import {
  BlobNotFoundError,
  DecodeError,
  LimitExceededError,
  ManifestError,
  SizeMismatchError,
  TransferProtocolError,
  UnsafePathError,
  UnsupportedVersionError,
} from "../../src/errors.ts";
import { type BlobRef, blobUri, encodeBlobRef, smallRef } from "../../src/wire/blob_ref.ts";
import { type DirEntry, encodeDirManifest } from "../../src/wire/dir_manifest.ts";
import { referenceOf } from "../../src/blob/chunking.ts";
import { readyJobs } from "../support/jobs.ts";
import { tempPermissions as permissions, withTempDir } from "../support/temp.ts";
import { compareTrees, describeTree, makeTree, namesIn } from "../support/tree.ts";
import { storeManifest } from "./directory_cases.ts";

const OLD_TREE = { files: { "keep.txt": "kept", "deep/er": "still" } };

/** Checks that a fetch fails as it should, over an existing and over an absent destination, and changes nothing. */
async function leavesNoTrace(
  dir: string,
  fetch: (dest: string) => Promise<unknown>,
  expected: (error: Error) => boolean,
): Promise<void> {
  for (const exists of [true, false]) {
    const home = join(dir, exists ? "present" : "absent");
    makeTree(home, {});
    if (exists) makeTree(join(home, "to"), OLD_TREE);
    await assert.rejects(fetch(join(home, "to")), (error) => {
      assert(error instanceof Error);
      assert(expected(error), `${error}`);
      return true;
    });
    assert.deepEqual(namesIn(home), exists ? ["to"] : []);
    if (!exists) continue;
    makeTree(join(dir, "expected"), OLD_TREE);
    compareTrees(join(home, "to"), join(dir, "expected"));
  }
}

const hash = nobleBlake3().hash(new TextEncoder().encode("evil"));
const file = (path: string, size = 4): DirEntry => ({
  kind: "file",
  path,
  mode: 0o100644,
  blob: encodeBlobRef(smallRef(blobUri(hash), hash, size)),
});
const dir = (path: string): DirEntry => ({ kind: "dir", path, mode: 0o40755 });
const link = (path: string, target: string): DirEntry => ({ kind: "symlink", path, target });

/** The holes of specification 5.4 that a manifest can aim at. */
const HOSTILE: readonly [string, DirEntry[], new (...args: never[]) => Error, RegExp, FetchDirOptions?][] = [
  ["absolute link", [link("a", "/etc")], UnsafePathError, /is absolute/],
  ["link that leaves", [link("a", "../../..")], UnsafePathError, /leaves the destination/],
  ["composed links", [link("a", "."), link("b", "a/s/../../etc")], UnsafePathError, /goes through the link/],
  ["entry below a link", [link("x", "y"), file("x/evil")], UnsafePathError, /below the symbolic link/],
  ["entry below a file", [file("x"), file("x/evil")], UnsafePathError, /below the file/],
  ["duplicate", [file("x"), file("x")], UnsafePathError, /there twice/],
  ["file and directory", [dir("x"), file("x")], UnsafePathError, /there twice/],
  ["case", [file("X"), file("x")], UnsafePathError, /ignores case/, { foldNames: true } as FetchDirOptions],
  ["parent path", [file("../x")], UnsafePathError, /component "\.\."/],
  ["absolute path", [file("/tmp/x")], UnsafePathError, /is absolute/],
  ["empty path", [file("")], UnsafePathError, /empty path/],
  ["dot path", [file("a/./b")], UnsafePathError, /component "\."/],
  ["NUL", [file("a\0b")], UnsafePathError, /contains NUL/],
  ["depth", [file(Array(300).fill("d").join("/"))], UnsafePathError, /more than 256 components/],
  ["long name", [file("n".repeat(256))], UnsafePathError, /longer than 255 bytes/],
  ["quota", [file("a", 9)], LimitExceededError, /declare more than 8/, { maxBytes: 8 }],
  ["entries", [file("a"), file("b")], LimitExceededError, /exceed the limit of 1/, { maxEntries: 1 }],
  ["manifest size", [file("a")], LimitExceededError, /wanted at most 10/, { maxManifestBytes: 10 }],
  [
    "no reference",
    [{ ...file("a"), blob: new Uint8Array(3) } as DirEntry],
    ManifestError,
    /no blob reference/,
  ],
  ["two sizes", [file("a", 4), file("b", 5)], ManifestError, /another size/],
  ["small size lie", [file("a", 3)], SizeMismatchError, /4 bytes, want 3/],
  ["large size lie", [file("a", 5_000_000)], SizeMismatchError, /4 bytes, want 5000000/],
];

for (const [name, entries, kind, message, options] of HOSTILE) {
  Deno.test(`hostile manifest: ${name}`, { permissions }, () =>
    withTempDir(async (temp) => {
      const store = new MemoryBlobStore();
      await store.put(new TextEncoder().encode("evil"));
      const ref = await storeManifest(store, entries);
      const source = new StoreChunkSource(store);
      await leavesNoTrace(
        temp,
        (dest) => fetchDir(source, ref, dest, options),
        (error) => error instanceof kind && message.test(error.message),
      );
      // It can be looked at all the same, unless it is too large for that.
      if (kind !== LimitExceededError) assert((await listDir(source, ref)).entries.length > 0);
    }));
}

Deno.test("hostile manifest: no manifest at all", { permissions }, () =>
  withTempDir(async (temp) => {
    const store = new MemoryBlobStore();
    const source = new StoreChunkSource(store);
    const cases: [Uint8Array, new (...args: never[]) => Error][] = [
      [new Uint8Array(0), DecodeError],
      [Uint8Array.of(2, 0), UnsupportedVersionError],
      [Uint8Array.of(1, 0xff, 0xff, 0xff, 0x0f), LimitExceededError],
      [encodeDirManifest([file("a")]).subarray(0, 30), DecodeError],
    ];
    for (const [index, [bytes, kind]] of cases.entries()) {
      await store.put(bytes);
      const ref = await referenceOf(bytes);
      const fetch = (dest: string) => fetchDir(source, ref, dest);
      await leavesNoTrace(join(temp, `${index}`), fetch, (error) => error instanceof kind);
    }
    const absent = smallRef("", new Uint8Array(32), 2);
    await leavesNoTrace(
      join(temp, "absent"),
      (dest) => fetchDir(source, absent, dest),
      (error) => error instanceof BlobNotFoundError,
    );
    const huge = smallRef("", new Uint8Array(32), 2 ** 34);
    await leavesNoTrace(
      join(temp, "huge"),
      (dest) => fetchDir(source, huge, dest),
      (error) => error instanceof LimitExceededError,
    );
  }));

Deno.test(
  "hostile manifest: whatever is accepted stays inside",
  { permissions: { read: true, write: true } },
  () =>
    withTempDir(async (temp) => {
      const step = fc.constantFrom("a", "b", "c", "..", ".", "", "to", "canary", "/", "a\0");
      const steps = fc.array(step, { minLength: 1, maxLength: 4 }).map((steps) => steps.join("/"));
      const plain = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 }).map((steps) =>
        steps.join("/")
      );
      const path = fc.oneof({ weight: 4, arbitrary: plain }, { weight: 1, arbitrary: steps });
      const mode = fc.constantFrom(0, 0o100644, 0o104755, 0o40755, 0o40700);
      const entry = fc.oneof(
        path.map((path) => file(path)),
        fc.record({ kind: fc.constant("dir" as const), path, mode }),
        fc.record({ kind: fc.constant("symlink" as const), path, target: steps }),
      );
      const store = new MemoryBlobStore();
      await store.put(new TextEncoder().encode("evil"));
      makeTree(join(temp, "expected"), OLD_TREE);
      let accepted = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(entry, { maxLength: 4 }), fc.boolean(), async (entries, exists) => {
          const home = join(temp, "home");
          makeTree(join(home, "canary"), OLD_TREE);
          if (exists) makeTree(join(home, "to"), OLD_TREE);
          const ref = await storeManifest(store, entries);
          const result = await fetchDir(new StoreChunkSource(store), ref, join(home, "to")).catch((error) =>
            error
          );
          compareTrees(join(home, "canary"), join(temp, "expected"));
          if (result instanceof Error) {
            assert(result instanceof UnsafePathError, `${result.stack}`);
            assert.deepEqual(namesIn(home), exists ? ["canary", "to"] : ["canary"]);
            if (exists) compareTrees(join(home, "to"), join(temp, "expected"));
          } else {
            accepted++;
            assert.deepEqual(namesIn(home), ["canary", "to"]);
            // Exactly what was asked for: every entry, and the directories on the way to it.
            const paths = new Set<string>();
            for (const { path } of entries) {
              for (let at = path; at !== ""; at = at.slice(0, Math.max(0, at.lastIndexOf("/")))) {
                paths.add(at);
              }
            }
            const lines = describeTree(join(home, "to"));
            assert.equal(lines.length, paths.size, lines.join("\n"));
            for (const { path, kind } of entries) {
              const start = kind === "symlink" ? "link" : kind;
              assert(lines.some((line) => line.startsWith(start) && line.includes(`"${path}"`)), path);
            }
          }
          rmSync(home, { recursive: true });
        }),
        { numRuns: 150, interruptAfterTimeLimit: 15_000 },
      );
      assert(accepted > 10);
    }),
);

/** A source that gives manifests honestly and does with later jobs what `behave` says. */
class BadSource implements ChunkSource {
  #calls = 0;
  readonly #honest: StoreChunkSource;
  readonly #behave: (jobs: Iterable<ChunkJob>, options: FetchChunksOptions) => Promise<void>;

  constructor(
    store: MemoryBlobStore,
    behave: (jobs: Iterable<ChunkJob>, options: FetchChunksOptions) => Promise<void>,
  ) {
    this.#honest = new StoreChunkSource(store);
    this.#behave = behave;
  }

  fetchChunks(jobs: ChunkJobs, options: FetchChunksOptions = {}): Promise<void> {
    return this.#calls++ % 2 === 0
      ? this.#honest.fetchChunks(jobs, options)
      : this.#behave(readyJobs(jobs), options);
  }
}

type Behaviour = (jobs: Iterable<ChunkJob>, options: FetchChunksOptions) => Promise<void>;

const BAD_SOURCES: readonly [string, Behaviour, (error: Error) => boolean][] = [
  ["takes jobs and forgets them", (jobs) => {
    for (const _job of jobs);
    return Promise.resolve();
  }, (error) => error instanceof TransferProtocolError && /0 of 4 chunks complete/.test(error.message)],
  ["completes without bytes", (jobs) => {
    for (const job of jobs) job.complete();
    return Promise.resolve();
  }, (error) => error instanceof SizeMismatchError],
  ["sends too much", (jobs) => {
    for (const job of jobs) job.write(new Uint8Array(job.length + 1), 0);
    return Promise.resolve();
  }, (error) => error instanceof SizeMismatchError],
  ["sends too much and swallows the error", (jobs) => {
    for (const job of jobs) {
      try {
        job.write(new Uint8Array(job.length + 1), 0);
      } catch {
        break;
      }
    }
    return Promise.resolve();
  }, (error) => error instanceof SizeMismatchError],
  ["sends out of order", (jobs) => {
    for (const job of jobs) job.write(new Uint8Array(1), 1);
    return Promise.resolve();
  }, (error) => error instanceof TransferProtocolError],
  ["completes twice", (jobs) => {
    for (const job of jobs) {
      job.write(new Uint8Array(job.length), 0);
      job.complete();
      job.complete();
    }
    return Promise.resolve();
  }, (error) => error instanceof TransferProtocolError && /completed twice/.test(error.message)],
  ["rejects", () => Promise.reject(new Error("cable cut")), (error) => error.message === "cable cut"],
  ["throws", () => {
    throw new Error("cable cut");
  }, (error) => error.message === "cable cut"],
  ["swallows a job's error and never ends", (jobs) => {
    try {
      for (const job of jobs) job.write(new Uint8Array(job.length + 1), 0);
    } catch {
      // And waits for ever.
    }
    return new Promise(() => {});
  }, (error) => error instanceof SizeMismatchError],
];

for (const [name, behave, expected] of BAD_SOURCES) {
  Deno.test(`hostile source: ${name}`, { permissions }, () =>
    withTempDir(async (temp) => {
      const { store, ref } = await storedSample(temp);
      await leavesNoTrace(
        join(temp, "home"),
        (dest) => fetchDir(new BadSource(store, behave), ref, dest),
        expected,
      );
    }));
}

Deno.test("hostile source: asks for no job and ends", { permissions }, () =>
  withTempDir(async (temp) => {
    const { store, ref } = await storedSample(temp);
    const source = new BadSource(store, () => Promise.resolve());
    await leavesNoTrace(
      join(temp, "home"),
      (dest) => fetchDir(source, ref, dest),
      (error) => error instanceof TransferProtocolError,
    );
  }));

Deno.test(
  "hostile source: never answers, until the signal is aborted",
  { permissions },
  () =>
    withTempDir(async (temp) => {
      const { store, ref } = await storedSample(temp);
      const late: ChunkJob[] = [];
      await leavesNoTrace(
        join(temp, "home"),
        (dest) => {
          const controller = new AbortController();
          const source = new BadSource(store, (jobs) => {
            late.push(...jobs);
            controller.abort(new Error("enough"));
            return new Promise(() => {});
          });
          return fetchDir(source, ref, dest, { signal: controller.signal });
        },
        (error) => error.message === "enough",
      );
      // What comes after the end is refused.
      assert(late.length > 0);
      for (const job of late) {
        assert.throws(() => job.write(new Uint8Array(job.length), 0), /enough/);
        assert.throws(() => job.complete(), /enough/);
      }
    }),
);

Deno.test(
  "a source may begin a chunk again, and send it in pieces",
  { permissions },
  () =>
    withTempDir(async (temp) => {
      const { store, ref } = await storedSample(temp);
      const source = new BadSource(store, async (jobs) => {
        for (const job of jobs) {
          const bytes = (await store.get(job.hash))!;
          job.write(new Uint8Array(Math.min(7, job.length)), 0);
          const middle = Math.floor(bytes.length / 2);
          const scratch = bytes.slice(0, middle);
          job.write(scratch, 0);
          scratch.fill(0);
          job.write(bytes.subarray(middle), middle);
          job.complete();
        }
      });
      await fetchDir(source, ref, join(temp, "to"));
      compareTrees(join(temp, "to"), join(temp, "sample"));
    }),
);

/** Four distinct chunks: a small file, a middling one, and a large one of two. */
async function storedSample(temp: string): Promise<{ store: MemoryBlobStore; ref: BlobRef }> {
  const root = join(temp, "sample");
  makeTree(root, {
    files: {
      "small": "some text",
      "middling": new Uint8Array(300_000).fill(1),
      "large": new Uint8Array(5_000_000).fill(2),
    },
  });
  const store = new MemoryBlobStore();
  const { ref } = await storeDir(store, root);
  return { store, ref };
}
