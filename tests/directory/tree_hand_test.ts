import assert from "node:assert/strict";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BatchResult, type CallBatch, errorOf, lookOf } from "../../src/directory/call_batch.ts";
import { TreeHand } from "../../src/directory/tree_hand.ts";
import { tempPermissions, withTempDir } from "../support/temp.ts";

const permissions = { ...tempPermissions, read: true as const };
/** A module beside this one, whatever it was compiled to. */
const moduleUrl = (name: string) => import.meta.url.replace(/[^/]*\.([jt]s)$/, `${name}.$1`);

function startHand(module?: string): TreeHand {
  const hand = TreeHand.start(module);
  assert(hand !== undefined);
  return hand;
}

/** Files of the lengths given, each filled with its number. */
function makeFiles(root: string, lengths: readonly number[], options: Partial<CallBatch> = {}): CallBatch {
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const content = new Uint8Array(new SharedArrayBuffer(total));
  let end = 0;
  const ends = lengths.map((length, i) => {
    content.fill(i, end, end + length);
    return end += length;
  });
  const paths = lengths.map((_, i) => join(root, `f${i}`));
  return { call: "makeFile", paths, content, ends, look: true, ...options };
}

const makeDirectory = (...paths: string[]): CallBatch => ({ call: "makeDirectory", paths });

function checkFiles(root: string, lengths: readonly number[]): void {
  for (const [i, length] of lengths.entries()) {
    assert.deepEqual(new Uint8Array(readFileSync(join(root, `f${i}`))), new Uint8Array(length).fill(i));
  }
  assert.equal(readdirSync(root).length, lengths.length);
}

/** Gives all batches at once, and waits for their results. */
async function doAll(hand: TreeHand, ...batches: CallBatch[]): Promise<BatchResult[]> {
  const results: BatchResult[] = [];
  for (const batch of batches) hand.do(batch, (result) => results.push(result));
  await hand.idle();
  return results;
}

async function untilUp(hand: TreeHand): Promise<void> {
  while (!hand.isUp) await new Promise((resolve) => setTimeout(resolve, 1));
}

function testHand(name: string, work: (temp: string) => Promise<void>): void {
  Deno.test(`tree hand: ${name}`, { permissions }, () => withTempDir(work));
}

for (const isUp of [true, false]) {
  testHand(`does batches in order, given ${isUp ? "after" : "before"} it is up`, async (temp) => {
    const hand = startHand();
    try {
      if (isUp) await untilUp(hand);
      const lengths = [0, 1, 3000, 70_000, 0];
      const dir = join(temp, "a/b");
      const results = await doAll(
        hand,
        makeDirectory(join(temp, "a"), dir),
        makeFiles(dir, lengths),
        { call: "linkFile", paths: [join(temp, "link")], from: [join(dir, "f2")], look: true },
        { call: "removeTree", paths: [join(dir, "f2")] },
      );
      assert.deepEqual(results.map(({ done, failed }) => [done, failed]), [[2, []], [5, []], [1, []], [
        1,
        [],
      ]]);
      assert(!existsSync(join(dir, "f2")));
      assert.deepEqual([...readFileSync(join(temp, "link"))], Array(3000).fill(2));
      assert.equal(lookOf(results[2], 0)?.nlink, 2);
      for (const [i, length] of lengths.entries()) {
        const look = lookOf(results[1], i);
        assert(look !== undefined);
        assert.equal(look.size, length);
        if (i === 2) continue;
        const { ino, dev, mode, uid, mtimeMs } = lstatSync(join(dir, `f${i}`));
        const seen = { ...look, mtimeMs: Math.trunc(look.mtimeMs) };
        assert.deepEqual(
          { kind: "file", ino, dev, mode, uid, mtimeMs: Math.trunc(mtimeMs), size: length, nlink: 1 },
          (({ ctimeMs: _, ...rest }) => rest)(seen),
        );
      }
    } finally {
      await hand.close();
    }
  });
}

testHand("makes files with modes, and flushed ones", async (temp) => {
  const hand = startHand();
  try {
    await untilUp(hand);
    const lengths = [10, 20, 30];
    for (const durable of [false, true]) {
      const root = join(temp, String(durable));
      mkdirSync(root);
      const batch = makeFiles(root, lengths, { modes: [0o700, -1, 0o600], durable });
      const [{ failed }] = await doAll(hand, batch);
      assert.deepEqual(failed, []);
      checkFiles(root, lengths);
      writeFileSync(join(temp, "plain"), "");
      const modes = ["f0", "f1", "f2"].map((name) => lstatSync(join(root, name)).mode);
      const plain = lstatSync(join(temp, "plain")).mode;
      assert.deepEqual(modes, [(plain & ~0o777) | 0o700, plain, (plain & ~0o777) | 0o600]);
    }
  } finally {
    await hand.close();
  }
});

testHand("tells what failed, and goes on where it is told to", async (temp) => {
  const hand = startHand();
  try {
    await untilUp(hand);
    writeFileSync(join(temp, "f1"), "was here");
    const [stopped, missing, links] = await doAll(
      hand,
      makeFiles(temp, [4, 4, 4]),
      makeDirectory(join(temp, "no/where")),
      {
        call: "linkFile",
        from: [join(temp, "none"), join(temp, "f0"), join(temp, "f0")],
        paths: [join(temp, "l0"), join(temp, "f1"), join(temp, "l2")],
        goesOn: true,
        look: true,
      },
    );
    assert.equal(stopped.done, 2);
    assert.deepEqual(stopped.failed.map(({ index, code }) => [index, code]), [[1, "EEXIST"]]);
    const error = errorOf(stopped.failed[0]) as Error & { code: string };
    assert(error instanceof Error && error.code === "EEXIST" && error.message.length > 0);
    assert.equal(readFileSync(join(temp, "f1"), "utf8"), "was here");
    assert(!existsSync(join(temp, "f2")));
    assert.deepEqual(missing.failed.map(({ index, code }) => [index, code]), [[0, "ENOENT"]]);
    assert.equal(links.done, 3);
    assert.deepEqual(links.failed.map(({ index, code }) => [index, code]), [[0, "ENOENT"], [1, "EEXIST"]]);
    assert.deepEqual([0, 1, 2].map((i) => lookOf(links, i)?.nlink), [undefined, undefined, 2]);
  } finally {
    await hand.close();
  }
});

testHand("what a broken thread left is done here, and what is given later", async (temp) => {
  const hand = startHand(moduleUrl("broken_hand"));
  try {
    await untilUp(hand);
    const [a, b, c] = ["a", "b", "c"].map((name) => join(temp, name));
    const lengths = [5, 0, 7];
    const results = await doAll(
      hand,
      makeDirectory(a),
      makeDirectory(b, c),
      makeFiles(b, lengths),
      { call: "linkFile", from: [join(b, "f0")], paths: [join(c, "link")] },
    );
    assert.deepEqual(results.map(({ done, failed }) => [done, failed]), [[1, []], [2, []], [3, []], [1, []]]);
    assert(!hand.isUp);
    await doAll(hand, makeFiles(c, lengths));
    checkFiles(b, lengths);
    rmSync(join(c, "link"));
    checkFiles(c, lengths);
  } finally {
    await hand.close();
  }
});

testHand("files that a broken thread had begun are made anew", async (temp) => {
  const hand = startHand(moduleUrl("broken_hand"));
  try {
    await untilUp(hand);
    const lengths = [5, 6, 7];
    const dir = join(temp, "d");
    const results = await doAll(hand, makeDirectory(dir), makeFiles(dir, lengths));
    assert.deepEqual(results[1].failed, []);
    checkFiles(dir, lengths);
    assert.deepEqual([0, 1, 2].map((i) => lookOf(results[1], i)?.size), lengths);
  } finally {
    await hand.close();
  }
});

testHand("without a thread that comes up all is done here", async (temp) => {
  const hand = startHand(moduleUrl("unstartable_hand"));
  try {
    const dir = join(temp, "d");
    const results = await doAll(hand, makeDirectory(dir), makeFiles(dir, [1, 2]));
    assert.deepEqual(results.map(({ done }) => done), [1, 2]);
    checkFiles(dir, [1, 2]);
  } finally {
    await hand.close();
  }
});

testHand("when it is closed, nothing is made any more", async (temp) => {
  for (const isUp of [true, false]) {
    const root = join(temp, String(isUp));
    mkdirSync(root);
    const hand = startHand();
    if (isUp) await untilUp(hand);
    for (let i = 0; i < 50; i++) {
      const dir = join(root, String(i));
      hand.do(makeDirectory(dir), () => assert(!isUp || existsSync(dir)));
      hand.do(makeFiles(dir, Array(100).fill(1)), () => {});
    }
    const idle = hand.idle();
    await hand.close();
    await idle;
    rmSync(root, { recursive: true });
    hand.do(makeDirectory(root), () => assert.fail("nothing is done any more"));
    await hand.idle();
    assert(!existsSync(root));
    await hand.close();
  }
});

testHand("what a listener throws ends the wait", async (temp) => {
  const hand = startHand();
  try {
    const thrown = new Error("thrown");
    hand.do(makeDirectory(join(temp, "d")), () => {
      throw thrown;
    });
    await assert.rejects(hand.idle(), thrown);
  } finally {
    await hand.close();
  }
});

Deno.test("tree hand: without permission to read its module there is none", {
  permissions: tempPermissions,
}, () => assert.equal(TreeHand.start(), undefined));
