import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import fc from "fast-check";
import { type FileBlobStore, type FsyncPolicy, openWithFiles } from "../../src/blob/file_store.ts";
import { HashMismatchError } from "../../src/errors.ts";
import { seeded } from "../support/seeded.ts";
import { testInTempDir } from "../support/temp.ts";
import { Crash, CrashingFiles, type Random } from "./crashing_files.ts";
import { findBlob, flipBit, openQuickly, packsOf } from "./file_store_support.ts";
import { type Change, StoreModel } from "./store_model.ts";

const sizes = [0, 1, 40, 300, 700, 1500];
const packBytes = 2048;

/** A store that was used and killed: its folder is copied while it is open. */
async function killedStore(path: string, model: StoreModel, changes: readonly Change[]): Promise<string> {
  const store = await openQuickly(join(path, "live"), { packBytes: 1024 * 1024 });
  for (const change of changes) await model.apply(store, change);
  cpSync(join(path, "live"), join(path, "killed"), { recursive: true });
  await store.close();
  return join(path, "killed");
}

const putAll: Change[] = sizes.map((_, which) => ({ what: "put", which }));

testInTempDir("file store crash: the last pack cut at every byte", async (path) => {
  const model = new StoreModel(sizes.slice(0, 5));
  const killed = await killedStore(path, model, [...putAll.slice(0, 5), { what: "pin", which: 2 }]);
  const [pack] = packsOf(killed);
  const ends = model.hashes.map((hash, i) => findBlob(killed, hash).offset + 48 + model.blobs[i].length);
  const whole = readFileSync(pack);
  for (let cut = 0; cut <= whole.length; cut++) {
    writeFileSync(pack, whole.subarray(0, cut));
    const store = await openQuickly(killed, { fsync: "never" });
    for (const [i, hash] of model.hashes.entries()) {
      assert.deepEqual(
        await store.get(hash),
        ends[i] <= cut ? model.blobs[i] : undefined,
        `blob ${i}, cut ${cut}`,
      );
    }
    await model.check(store, "nothing");
    await store.close();
    const again = await openQuickly(killed);
    assert.equal(again.usage().blobs, sizes.length - 1);
    assert.deepEqual(again.recovery.truncatedBytes, 0);
    await again.close();
    for (const file of packsOf(killed)) rmSync(file);
  }
});

testInTempDir("file store crash: every bit flip costs at most the record it hits", async (path) => {
  const model = new StoreModel([0, 1, 40, 300]);
  const killed = await killedStore(path, model, [...putAll.slice(0, 4), { what: "pin", which: 2 }]);
  // Once as a kill leaves it, once after a clean close: only then are the blobs not verified at opening.
  for (const isClean of [false, true]) {
    if (isClean) await (await openQuickly(killed)).close();
    const [pack] = packsOf(killed);
    const whole = readFileSync(pack);
    const starts = model.hashes.map((hash) => findBlob(killed, hash).offset);
    for (let at = 0; at < whole.length; at += isClean ? 1 : 3) {
      writeFileSync(pack, whole);
      flipBit(pack, at, at % 8);
      const store = await openQuickly(killed, { fsync: "never" });
      for (const [i, hash] of model.hashes.entries()) {
        const isHit = at >= starts[i] && at < starts[i] + 48 + model.blobs[i].length;
        const bytes = await store.get(hash).catch((error) => {
          assert(error instanceof HashMismatchError);
          return undefined;
        });
        assert.deepEqual(bytes, isHit ? undefined : model.blobs[i], `blob ${i}, flip at ${at}`);
      }
      await Promise.all(model.blobs.map((blob) => store.put(blob)));
      await model.check(store, "nothing");
      await store.close();
      const again = await openQuickly(killed, { fsync: "never" });
      assert.deepEqual(await again.verify(), { checked: 4, damaged: [] });
      await again.close();
      for (const file of packsOf(killed)) rmSync(file);
    }
    writeFileSync(pack, whole);
  }
});

testInTempDir("file store crash: a pack whose two headers are damaged is left alone", async (path) => {
  const model = new StoreModel(sizes);
  const killed = await killedStore(path, model, putAll);
  const [pack] = packsOf(killed);
  flipBit(pack, 9);
  flipBit(pack, 24 + 17);
  const damaged = readFileSync(pack);
  const store = await openQuickly(killed);
  assert.deepEqual(store.recovery.unreadablePacks, [basename(pack)]);
  assert.equal(store.usage().blobs, 0);
  await model.check(store, "nothing");
  await store.gc();
  await store.close();
  assert.deepEqual(readFileSync(pack), damaged);
});

testInTempDir("file store crash: bytes inside a blob never pass for records", async (path) => {
  const model = new StoreModel(sizes);
  const killed = await killedStore(path, model, [...putAll, { what: "delete", which: 3 }]);
  // The store's own pack as a blob, whose header is then lost: the scan goes through the copy.
  const store = await openQuickly(killed);
  const copy = readFileSync(packsOf(killed)[0]);
  const hash = await store.put(copy);
  await store.put(model.blobs[3]);
  await store.close();
  const { pack, offset } = findBlob(killed, hash);
  flipBit(pack, offset + 9);
  const again = await openQuickly(killed);
  assert.equal(again.recovery.skippedBytes, 48 + copy.length);
  assert.deepEqual(await again.get(model.hashes[3]), model.blobs[3]);
  assert.deepEqual(await again.verify(), { checked: sizes.length, damaged: [] });
  await again.close();
});

/** Runs changes, four at a time, on files that crash at a call; how many calls there were. */
async function runToCrash(
  files: CrashingFiles,
  path: string,
  model: StoreModel,
  changes: readonly Change[],
  fsync: FsyncPolicy,
): Promise<void> {
  let store: FileBlobStore | undefined;
  try {
    store = await openWithFiles(path, { fsync, packBytes }, files);
    for (let i = 0; i < changes.length && !files.isDown; i += 4) {
      const batch = changes.slice(i, i + 4).map((change) => model.apply(store!, change));
      for (const result of await Promise.allSettled(batch)) {
        // After the crash nothing works, and errors tell so in many ways; before it nothing fails.
        if (result.status === "rejected" && !files.isDown) throw result.reason;
      }
    }
    await store.close();
  } catch (error) {
    if (!(error instanceof Crash) && !files.isDown) throw error;
    await store?.close().catch(() => {});
  }
}

async function checkAfterCrash(
  path: string,
  model: StoreModel,
  durability: "acknowledged" | "nothing",
): Promise<void> {
  for (let i = 0; i < 2; i++) {
    const store = await openQuickly(path, { fsync: "never", packBytes });
    assert.deepEqual(store.recovery.unreadablePacks, []);
    if (i === 0) await model.check(store, durability);
    else assert.deepEqual(await store.verify(), { checked: model.blobs.length, damaged: [] });
    await store.close();
  }
}

/** Every way of going down at call number `crashAt`. */
async function crashOnce(
  path: string,
  crashAt: number,
  changes: readonly Change[],
  fsync: FsyncPolicy,
  random: Random,
): Promise<number> {
  const folder = join(path, "store");
  const lost = join(path, "lost");
  const model = new StoreModel(sizes);
  const files = new CrashingFiles(folder, crashAt);
  await runToCrash(files, folder, model, changes, fsync);
  files.losePower(lost, random);
  const { calls } = files;
  // A killed process loses nothing that it was told is there, whatever the policy.
  await checkAfterCrash(folder, model, "acknowledged");
  await checkAfterCrash(lost, model, fsync === "never" ? "nothing" : "acknowledged");
  rmSync(folder, { recursive: true });
  rmSync(lost, { recursive: true });
  return calls;
}

const longStory: Change[] = [
  ...putAll,
  { what: "pin", which: 1 },
  { what: "pin", which: 4 },
  { what: "delete", which: 3 },
  { what: "put", which: 3 },
  { what: "unpin", which: 4 },
  { what: "delete", which: 5 },
  { what: "gc", roots: [2, 3] },
  { what: "put", which: 5 },
  { what: "put", which: 4 },
  { what: "delete", which: 2 },
  { what: "gc", roots: [5] },
  { what: "unpin", which: 1 },
  { what: "gc", roots: [] },
];

for (const fsync of ["batch", "always", "never"] as const) {
  testInTempDir(
    `file store crash: at every file call of puts and collections, fsync ${fsync}`,
    async (path) => {
      const random = seeded(7);
      let calls = Infinity;
      for (let crashAt = 1; crashAt <= calls; crashAt++) {
        const made = await crashOnce(path, crashAt, longStory, fsync, random);
        if (made < crashAt) calls = made;
      }
      assert(calls > 60 && calls < Infinity, `${calls} calls`);
    },
  );
}

testInTempDir("file store crash: any changes, any moment", async (path) => {
  const which = fc.nat({ max: sizes.length - 1 });
  const change: fc.Arbitrary<Change> = fc.oneof(
    { weight: 6, arbitrary: fc.record({ what: fc.constant("put" as const), which }) },
    { weight: 3, arbitrary: fc.record({ what: fc.constantFrom("delete", "pin", "unpin"), which }) },
    { weight: 1, arbitrary: fc.record({ what: fc.constant("gc" as const), roots: fc.array(which) }) },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 4, max: 150 }),
      fc.constantFrom("batch", "always", "never"),
      fc.integer(),
      async (changes, crashAt, fsync, seed) => {
        rmSync(join(path, "store"), { recursive: true, force: true });
        rmSync(join(path, "lost"), { recursive: true, force: true });
        await crashOnce(path, crashAt, changes, fsync, seeded(seed));
      },
    ),
    { numRuns: 150 },
  );
});

testInTempDir("file store crash: again, while the store recovers", async (path) => {
  const random = seeded(11);
  for (let round = 0; round < 40; round++) {
    const model = new StoreModel(sizes);
    const folders = [0, 1, 2].map((i) => join(path, `${round}.${i}`));
    const files = new CrashingFiles(folders[0], 20 + round);
    await runToCrash(files, folders[0], model, longStory, "batch");
    files.losePower(folders[1], random);
    const recovering = new CrashingFiles(folders[1], 1 + (round % 8));
    await runToCrash(recovering, folders[1], model, [], "batch");
    recovering.losePower(folders[2], random);
    await checkAfterCrash(folders[2], model, "acknowledged");
  }
});

testInTempDir(
  "file store crash: what a successor acknowledges is durable, whoever wrote it",
  async (path) => {
    const random = seeded(13);
    for (let round = 0; round < 10; round++) {
      const folder = join(path, `${round}`);
      const model = new StoreModel(sizes);
      const first = new CrashingFiles(folder);
      const killed = await openWithFiles(folder, { fsync: "never", packBytes }, first);
      // Over several packs, none of them synced yet.
      await Promise.all(model.blobs.map((blob) => killed.put(blob)));
      first.kill();
      await killed.close().catch(() => {});
      const second = new CrashingFiles(folder, Infinity, first);
      const store = await openWithFiles(folder, { fsync: "batch", packBytes }, second);
      // They are there already; the promise is given anew.
      for (const change of putAll) await model.apply(store, change);
      second.losePower(`${folder}.lost`, random);
      await store.close();
      await checkAfterCrash(`${folder}.lost`, model, "acknowledged");
    }
  },
);

testInTempDir("file store crash: a pack file that was created and never written", async (path) => {
  for (const content of [new Uint8Array(0), new Uint8Array(20), new Uint8Array(5000)]) {
    const folder = join(path, `store${content.length}`);
    mkdirSync(folder);
    writeFileSync(join(folder, "00000007.pack"), content);
    const store = await openQuickly(folder);
    await store.put(new Uint8Array(5));
    await store.close();
    assert.deepEqual(packsOf(folder).map((file) => basename(file)), ["00000008.pack"]);
  }
});

testInTempDir("file store crash: recovery says what it found", async (path) => {
  const model = new StoreModel(sizes);
  const killed = await killedStore(path, model, putAll);
  const [pack] = packsOf(killed);
  flipBit(pack, findBlob(killed, model.hashes[3]).offset + 50);
  truncateSync(pack, statSync(pack).size - 10);
  await using store = await openQuickly(killed);
  assert.deepEqual(store.recovery, {
    truncatedBytes: 48 + sizes[5] - 10,
    skippedBytes: 0,
    damaged: [model.hashes[3]],
    unreadablePacks: [],
  });
});
