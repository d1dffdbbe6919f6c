import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { permissions as permitted } from "#permissions";
import type { ChunkSource } from "../../src/blob/source.ts";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import type { CallBatch } from "../../src/directory/call_batch.ts";
import { fetchDir } from "../../src/directory/fetch_dir.ts";
import { borrow, type BorrowedThread, FileThread } from "../../src/directory/file_thread.ts";
import type { HandThread } from "../../src/directory/hand_thread.ts";
import { storeDir } from "../../src/directory/store_dir.ts";
import { TreeHand } from "../../src/directory/tree_hand.ts";
import type { BlobRef } from "../../src/wire/blob_ref.ts";
import { tempPermissions, withTempDir } from "../support/temp.ts";
import { compareTrees, makeTree, namesIn, pattern } from "../support/tree.ts";

const permissions = { ...tempPermissions, read: true as const };
const NOTHING: CallBatch = { call: "makeDirectory", paths: [] };

function testThread(name: string, work: (fileThread: FileThread, temp: string) => Promise<void>): void {
  Deno.test(`file thread: ${name}`, { permissions }, () =>
    withTempDir(async (temp) => {
      using fileThread = new FileThread();
      await work(fileThread, temp);
    }));
}

function borrowed(from: FileThread): BorrowedThread {
  const thread = borrow(from);
  assert(thread !== undefined);
  return thread;
}

/** The thread that it would lend now. */
function lendable(fileThread: FileThread): HandThread | undefined {
  const lent = borrow(fileThread);
  lent?.giveBack();
  return lent?.thread;
}

/** Whether somebody has it. */
const isLent = (fileThread: FileThread): boolean => lendable(fileThread) === undefined;

/** A tree of more files than the thread is made use of for, and where it comes from. */
async function served(
  temp: string,
  count = 900,
): Promise<{ from: string; source: ChunkSource; ref: BlobRef }> {
  const from = join(temp, "from");
  const files = Array.from({ length: count }, (_, i) => [`d${i % 7}/f${i}`, pattern(3000 + i, i % 500)]);
  makeTree(from, { files: Object.fromEntries(files) });
  const store = new MemoryBlobStore();
  const { ref } = await storeDir(store, from);
  return { from, source: new StoreChunkSource(store), ref };
}

testThread("is lent to one at a time, and is the same for the next", async (fileThread, temp) => {
  const { thread, giveBack } = borrowed(fileThread);
  assert.equal(borrow(fileThread), undefined);
  assert.equal(TreeHand.borrow(fileThread), undefined);
  giveBack();
  for (let round = 0; round < 3; round++) {
    const hand = TreeHand.borrow(fileThread)!;
    const made = join(temp, `d${round}`);
    await new Promise<void>((resolve) => {
      hand.do({ call: "makeDirectory", paths: [made] }, ({ done, failed }) => {
        assert.deepEqual([done, failed], [1, []]);
        resolve();
      });
    });
    assert(isLent(fileThread));
    await hand.close();
    await hand.close();
  }
  assert.deepEqual(namesIn(temp), ["d0", "d1", "d2"]);
  assert.equal(lendable(fileThread), thread);
});

testThread("a hand that was stopped leaves nothing to the next", async (fileThread, temp) => {
  for (let round = 0; round < 3; round++) {
    const stopped = TreeHand.borrow(fileThread)!;
    for (let i = 0; i < 50; i++) {
      const paths = Array.from({ length: 100 }, (_, k) => join(temp, `stopped${round}-${i}-${k}`));
      stopped.do({ call: "makeDirectory", paths }, () => {});
    }
    await stopped.close();
    const before = namesIn(temp);
    const hand = TreeHand.borrow(fileThread)!;
    await new Promise<void>((resolve) => hand.do(NOTHING, () => resolve()));
    await hand.close();
    assert.deepEqual(namesIn(temp), before);
  }
});

testThread("closed while somebody has it, it ends when it is given back", async (fileThread) => {
  const { thread, giveBack } = borrowed(fileThread);
  fileThread.close();
  const isUp = new Promise<void>((resolve) => {
    const user = { onUp: resolve, onResult: () => resolve(), onFailed: () => assert.fail("it is whole") };
    thread.serve(user, new Int32Array(new SharedArrayBuffer(4)));
    thread.do(NOTHING);
  });
  await isUp;
  giveBack();
  assert.equal(borrow(fileThread), undefined);
  fileThread.close();
});

testThread("one that broke is replaced", async (fileThread) => {
  const { thread, giveBack } = borrowed(fileThread);
  await new Promise<void>((resolve) => {
    const user = { onUp: () => {}, onResult: () => assert.fail("it breaks"), onFailed: resolve };
    thread.serve(user, new Int32Array(new SharedArrayBuffer(4)));
    thread.do({ call: "makeDirectory" } as CallBatch);
  });
  giveBack();
  const hand = TreeHand.borrow(fileThread)!;
  await new Promise<void>((resolve) => hand.do(NOTHING, () => resolve()));
  assert(hand.isUp);
  await hand.close();
  assert.notEqual(lendable(fileThread), thread);
});

testThread("makes the trees of one fetch after another, in the same memory", async (fileThread, temp) => {
  const { from, source, ref } = await served(temp);
  const memory = new Set<Uint8Array>();
  for (let round = 0; round < 4; round++) {
    let lent = 0;
    const to = join(temp, `to${round}`);
    const onProgress = () => void (lent += Number(isLent(fileThread)));
    await fetchDir(source, ref, to, { fileThread, onProgress });
    compareTrees(to, from);
    // Where files are quickly made it is left alone.
    assert.equal(lent > 0, permitted.resolvesPaths());
    assert(!isLent(fileThread));
    for (const bytes of lendable(fileThread)!.memory) memory.add(bytes);
  }
  // As much as waits at the same time, not as much as all fetches bring.
  assert(memory.size <= 32, `${memory.size} pieces of memory`);
  assert.deepEqual(namesIn(temp), ["from", "to0", "to1", "to2", "to3"]);
});

testThread("helps with a large tree that changed, too", async (fileThread, temp) => {
  const [to, cache] = [join(temp, "to"), join(temp, "cache")];
  const first = await served(temp, 2300);
  await fetchDir(first.source, first.ref, to, { fileThread, cache });
  assert(!isLent(fileThread));
  writeFileSync(join(first.from, "d3/f3"), "other");
  const store = new MemoryBlobStore();
  const { ref } = await storeDir(store, first.from);
  let lent = 0;
  const onProgress = () => void (lent += Number(isLent(fileThread)));
  await fetchDir(new StoreChunkSource(store), ref, to, { fileThread, cache, onProgress });
  compareTrees(to, first.from);
  assert(lent > 0);
  assert(!isLent(fileThread));
});

testThread("fetches at the same time are all right, with it and without", async (fileThread, temp) => {
  const { from, source, ref } = await served(temp);
  const dests = Array.from({ length: 4 }, (_, i) => join(temp, `to${i}`));
  await Promise.all(dests.map((to) => fetchDir(source, ref, to, { fileThread })));
  for (const to of dests) compareTrees(to, from);
  assert(!isLent(fileThread));
});

testThread("is given back by fetches that end early", async (fileThread, temp) => {
  const { from, source, ref } = await served(temp);
  const to = join(temp, "to");
  for (const files of [1, 400, 899, 900]) {
    const stop = new AbortController();
    const reason = new Error(`aborted after ${files}`);
    const onProgress = (progress: { files: number }) => void (progress.files >= files && stop.abort(reason));
    const fetch = fetchDir(source, ref, to, { fileThread, signal: stop.signal, onProgress });
    await assert.rejects(fetch, (error) => error === reason);
    assert.deepEqual(namesIn(temp), ["from"]);
    assert(!isLent(fileThread));
  }
  await fetchDir(source, ref, to, { fileThread });
  compareTrees(to, from);
});

Deno.test(
  "file thread: without permission to read its module fetches do without",
  { permissions: tempPermissions },
  () =>
    withTempDir(async (temp) => {
      using fileThread = new FileThread();
      assert.equal(borrow(fileThread), undefined);
      const { from, source, ref } = await served(temp);
      await fetchDir(source, ref, join(temp, "to"), { fileThread });
      compareTrees(join(temp, "to"), from);
    }),
);
