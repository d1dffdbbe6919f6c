import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { fetchDir } from "../../src/directory/fetch_dir.ts";
import type { FetchDirOptions } from "../../src/directory/fetch_options.ts";
import { OfferFollower } from "../../src/directory/offer_follower.ts";
import { checkOutlinePaced } from "../../src/directory/plan.ts";
import { WorkPacer } from "../../src/directory/pacer.ts";
import { storeDir } from "../../src/directory/store_dir.ts";
import {
  BlobNotFoundError,
  DiskFullError,
  HawserError,
  LimitExceededError,
  OfferFailedError,
  PeerSilentError,
  SizeMismatchError,
  StreamResetError,
  TransferProtocolError,
} from "../../src/errors.ts";
import { type BlobRef, blobUri, smallRef } from "../../src/wire/blob_ref.ts";
import type { OutlineEntry } from "../../src/wire/dir_outline.ts";
import { tempDir, tempPermissions, testInTempDir, withTempDir } from "../support/temp.ts";
import { compareTrees, makeTree, namesIn, pattern } from "../support/tree.ts";
import {
  inSteps,
  type OfferedTree,
  offeredTree,
  ScriptedOffer,
  ScriptedSource,
  type Step,
} from "./scripted_offer.ts";

const TREE = { files: { "a": "first", "b": "second", "c/d": pattern(5_000_000, 1), "e": "again" } };
const lost = () => new StreamResetError("Use stream: reset", 0, true);
const file = (path: string, size = 4): OutlineEntry => ({ kind: "file", path, mode: 0o100644, size });
const dir = (path: string): OutlineEntry => ({ kind: "dir", path, mode: 0o40755 });
const link = (path: string, target: string): OutlineEntry => ({ kind: "symlink", path, target });

/** Outlines that must be refused before anything is asked for. */
const OUTLINES: readonly [string, OutlineEntry[], RegExp, FetchDirOptions?][] = [
  ["absolute link", [link("a", "/etc")], /is absolute/],
  ["link that leaves", [link("a", "../../..")], /leaves the destination/],
  ["composed links", [link("a", "."), link("b", "a/s/../../etc")], /goes through the link/],
  ["entry below a link", [link("x", "y"), file("x/evil")], /below the symbolic link/],
  ["entry below a file", [file("x"), file("x/evil")], /below the file/],
  ["duplicate", [file("x"), file("x")], /there twice/],
  ["file and directory", [dir("x"), file("x")], /there twice/],
  ["case", [file("X"), file("x")], /ignores case/, { foldNames: true } as FetchDirOptions],
  ["parent path", [file("../x")], /component "\.\."/],
  ["absolute path", [file("/tmp/x")], /is absolute/],
  ["empty path", [file("")], /empty path/],
  ["NUL", [file("a\0b")], /contains NUL/],
  ["depth", [file(Array(300).fill("d").join("/"))], /more than 256 components/],
  ["long name", [file("n".repeat(256))], /longer than 255 bytes/],
  ["quota", [file("a", 9)], /declare more than 8/, { maxBytes: 8 }],
  ["entries", [file("a"), file("b")], /exceed the limit of 1/, { maxEntries: 1 }],
  ["file above every limit", [file("a", 2 ** 40)], /wanted at most/],
];

for (const [name, outline, message, options] of OUTLINES) {
  testInTempDir(`hostile offer: outline with ${name}`, async (temp) => {
    const offer = new ScriptedOffer(outline, []);
    const source = {
      fetchChunks: () => Promise.reject(new Error("nothing is to be asked for")),
    };
    await assert.rejects(fetchDir(source, offer, join(temp, "to"), options), (error) => {
      assert(error instanceof HawserError, `${error}`);
      assert.match(error.message, message);
      return true;
    });
    assert.deepEqual(namesIn(temp), []);
    assert(offer.isClosed);
  });
}

Deno.test("hostile offer: more than there is room for", {
  permissions: { ...tempPermissions, sys: ["statfs"] },
}, () =>
  withTempDir(async (temp) => {
    // 4 TiB: no more could be planned for.
    const outline = Array.from({ length: 256 }, (_, i) => file(`f${i}`, 2 ** 34));
    const source = { fetchChunks: () => Promise.reject(new Error("nothing is to be asked for")) };
    await assert.rejects(fetchDir(source, new ScriptedOffer(outline, []), join(temp, "to")), DiskFullError);
    assert.deepEqual(namesIn(temp), []);
  }));

interface Setting {
  readonly tree: OfferedTree;
  readonly fetch: (...answers: (ScriptedOffer | Error)[]) => Promise<unknown>;
}

/** A case over a directory that is there to be fetched; whatever happens, nothing may be left. */
function hostileTest(name: string, body: (setting: Setting) => Promise<void>): void {
  testInTempDir(`hostile offer: ${name}`, async (temp) => {
    const from = join(temp, "from");
    makeTree(from, TREE);
    const store = new MemoryBlobStore();
    await storeDir(store, from);
    const fetch = async (...answers: (ScriptedOffer | Error)[]) => {
      try {
        await fetchDir(new StoreChunkSource(store), new ScriptedSource(...answers), join(temp, "to"));
      } finally {
        assert.deepEqual(namesIn(temp), ["from"]);
        assert(answers.every((answer) => answer instanceof Error || answer.isClosed));
      }
    };
    await body({ tree: await offeredTree(from), fetch });
  });
}

const breach = (message: RegExp) => (error: unknown) => {
  assert(error instanceof TransferProtocolError, `${error}`);
  assert.match(error.message, /holder scripted breaks the offer protocol/);
  assert.match(error.message, message);
  return true;
};

hostileTest("ends with another reference", async ({ tree, fetch }) => {
  const hash = new Uint8Array(32).fill(7);
  const other: BlobRef = smallRef(blobUri(hash), hash, tree.ref.size);
  const offer = new ScriptedOffer(tree.outline, [tree.hashes], other);
  await assert.rejects(fetch(offer), breach(/its reference is "mesh:\/\/0707.*what it sent is "mesh/));
});

hostileTest("tells too many hashes", async ({ tree, fetch }) => {
  const extra = new Uint8Array(32);
  for (const steps of [[[...tree.hashes, extra]], [tree.hashes, [extra]], [Array(4096).fill(extra)]]) {
    await assert.rejects(fetch(new ScriptedOffer(tree.outline, steps, tree.ref)), HawserError);
  }
  const offer = new ScriptedOffer(tree.outline, [tree.hashes, [extra]], tree.ref);
  await assert.rejects(fetch(offer), breach(/1 came where the outline leaves 0/));
});

hostileTest("tells too few hashes", async ({ tree, fetch }) => {
  const { hashes } = tree;
  for (let count = 0; count < hashes.length; count++) {
    const offer = new ScriptedOffer(
      tree.outline,
      [hashes.slice(0, count)].filter(({ length }) => length),
      tree.ref,
    );
    await assert.rejects(fetch(offer), breach(/it ends before all hashes came/));
  }
});

hostileTest("tells hashes of what nobody has", async ({ tree, fetch }) => {
  const hashes = [new Uint8Array(32).fill(9), ...tree.hashes.slice(1)];
  await assert.rejects(fetch(new ScriptedOffer(tree.outline, [hashes], tree.ref)), BlobNotFoundError);
});

hostileTest("tells one hash of two sizes", async ({ tree, fetch }) => {
  const hashes = [tree.hashes[0], tree.hashes[0], ...tree.hashes.slice(2)];
  const offer = new ScriptedOffer(tree.outline, [hashes], tree.ref);
  await assert.rejects(fetch(offer), breach(/of "b" is that of a chunk of another size/));
});

hostileTest("lies about sizes", async ({ tree, fetch }) => {
  const outline = tree.outline.map((entry) => entry.path === "b" ? { ...entry, size: 7 } : entry);
  await assert.rejects(
    fetch(new ScriptedOffer(outline as OutlineEntry[], [tree.hashes], tree.ref)),
    SizeMismatchError,
  );
});

hostileTest("tells another hash of a whole file", async ({ tree, fetch }) => {
  const hashes = tree.hashes.map((hash, i) => i === 4 ? new Uint8Array(32) : hash);
  await assert.rejects(
    fetch(new ScriptedOffer(tree.outline, [hashes], tree.ref)),
    breach(/its reference is/),
  );
});

hostileTest("is another directory after a loss", async ({ tree, fetch }) => {
  const outline = tree.outline.map((entry) => ({ ...entry, path: `${entry.path}2` }));
  await assert.rejects(
    fetch(
      new ScriptedOffer(tree.outline, [tree.hashes.slice(0, 1), lost()]),
      new ScriptedOffer(outline, [tree.hashes], tree.ref),
    ),
    OfferFailedError,
  );
});

hostileTest("told other hashes than the manifest has", async ({ tree, fetch }) => {
  // Both are there, each where the other belongs.
  const told = new ScriptedOffer(tree.outline, [[tree.hashes[5]], lost()]);
  await assert.rejects(
    fetch(told, new ScriptedOffer(undefined, [], tree.ref)),
    breach(/those that came before are not those of the manifest/),
  );
});

hostileTest("breaks off again and again", async ({ tree, fetch }) => {
  const answers = Array.from({ length: 21 }, () => new ScriptedOffer(tree.outline, [lost()]));
  await assert.rejects(fetch(...answers), StreamResetError);
});

hostileTest("fails", async ({ tree, fetch }) => {
  const failed = new OfferFailedError("Fetch directory: holder scripted could not read it");
  await assert.rejects(fetch(failed), OfferFailedError);
  await assert.rejects(fetch(new ScriptedOffer(tree.outline, [failed])), OfferFailedError);
  await assert.rejects(fetch(new ScriptedOffer(tree.outline, [tree.hashes], failed)), OfferFailedError);
});

Deno.test("hostile offer: tells no hash for too long", { permissions: "none" }, async () => {
  const outline = [file("a")];
  const plan = await checkOutlinePaced(outline, {}, new WorkPacer(undefined));
  const offer = new ScriptedOffer(outline, [new Promise<void>(() => {})]);
  const follower = new OfferFollower(offer, plan, {
    source: { fetchChunks: () => Promise.reject(new Error("not needed")) },
    stallTimeout: 20,
  });
  const more = follower.more();
  await assert.rejects(follower.done, PeerSilentError);
  await assert.rejects(more, PeerSilentError);
  await assert.rejects(follower.more(), PeerSilentError);
});

testInTempDir("hostile offer: chunks without end are not planned for", async (temp) => {
  const outline = Array.from({ length: 100_000 }, (_, i) => file(`f${i}`, 2 ** 50));
  const source = { fetchChunks: () => Promise.reject(new Error("nothing is to be asked for")) };
  const offer = new ScriptedOffer(
    outline,
    [],
    new OfferFailedError("Fetch directory: there is no such thing"),
  );
  await assert.rejects(fetchDir(source, offer, join(temp, "to")), OfferFailedError);
  assert.deepEqual(namesIn(temp), []);
});

testInTempDir("hostile offer: hashes without end are not waited for", async (temp) => {
  const to = join(temp, "to");
  makeTree(to, { files: { a: "here" } });
  const offer = new ScriptedOffer([file("b")], []);
  let asked = 0;
  offer.nextHashes = () => {
    asked++;
    return Promise.resolve(new Uint8Array(32 * 4096));
  };
  const source = new StoreChunkSource(new MemoryBlobStore());
  await assert.rejects(fetchDir(source, offer, to, { maxManifestBytes: 1_000_000 }), LimitExceededError);
  assert.equal(asked, 8);
});

testInTempDir("hostile offer: whatever it tells, nothing is left and nothing is outside", async () => {
  const step = fc.constantFrom("a", "b", "..", ".", "", "to", "from", "/", "a\0");
  const path = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom("a", "b", "c/d", "c/e", "f") },
    { weight: 1, arbitrary: fc.array(step, { minLength: 1, maxLength: 4 }).map((steps) => steps.join("/")) },
  );
  const entry = fc.oneof(
    fc.record({
      kind: fc.constant("file" as const),
      path,
      mode: fc.constantFrom<number>(0, 0o100644, 0o104755),
      size: fc.constantFrom<number>(0, 4, 5, 6, 5_000_000, 2 ** 34, 2 ** 50),
    }),
    fc.record({ kind: fc.constant("dir" as const), path, mode: fc.constantFrom<number>(0, 0o40755) }),
    fc.record({ kind: fc.constant("symlink" as const), path, target: fc.constantFrom("a", "../x", "c/d") }),
  );
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(entry, { maxLength: 4 }),
      fc.array(fc.oneof(fc.nat(5), fc.constant("lost" as const)), { maxLength: 8 }),
      fc.boolean(),
      async (outline, told, ends) => {
        using home = tempDir();
        const [from, to] = [join(home.path, "from"), join(home.path, "to")];
        makeTree(from, { files: { a: "first", b: "second", f: "last" } });
        makeTree(join(home.path, "expected"), { files: { a: "first", b: "second", f: "last" } });
        const store = new MemoryBlobStore();
        await storeDir(store, from);
        const tree = await offeredTree(from);
        const steps = told.map((what): Step =>
          what === "lost" ? lost() : [tree.hashes[what] ?? new Uint8Array(32).fill(what)]
        );
        const end = ends ? tree.ref : new OfferFailedError("gone");
        const offers = new ScriptedSource(
          new ScriptedOffer(outline, steps, end),
          new ScriptedOffer(tree.outline, inSteps(tree.hashes), end),
        );
        const result = await fetchDir(new StoreChunkSource(store), offers, to).catch((error) => error);
        compareTrees(from, join(home.path, "expected"));
        if (!(result instanceof Error)) {
          accepted++;
          compareTrees(to, from);
        }
        assert.deepEqual(
          namesIn(home.path),
          result instanceof Error ? ["expected", "from"] : ["expected", "from", "to"],
        );
        if (result instanceof Error) {
          assert(result instanceof HawserError || /asked too often/.test(result.message));
        }
      },
    ),
    {
      numRuns: 150,
      interruptAfterTimeLimit: 15_000,
      // One that is what it says.
      examples: [[
        ["a", "b", "f"].map((path, i) => ({
          kind: "file" as const,
          path,
          mode: 0o100644,
          size: [5, 6, 4][i],
        })),
        [0, 1, 2],
        true,
      ]],
    },
  );
  assert(accepted > 0);
});
