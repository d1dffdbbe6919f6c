/**
 * SIGKILL of the fetching process at seeded random moments: the destination is the old tree or the new one, never
 * anything between, and the next fetch succeeds and cleans up.
 *
 * Where the process may use the foreign function interface (`--allow-ffi`), the trees change places in one step and that
 * is strictly true. Without it there are two renames, and a process killed between them leaves no destination but
 * `.dest.replaced_<id>` beside it, which is the old tree, whole; the next fetch puts it back first.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { serveBlobs } from "../../src/blob/transfer_server.ts";
import { toChunkSource } from "../../src/blob/transfer_client.ts";
import { fetchDir, storeDir } from "../../src/directory/mod.ts";
import type { MeshNode } from "../../src/mesh/mod.ts";
import { type BlobRef, encodeBlobRef } from "../../src/wire/blob_ref.ts";
import { encodeTicket } from "../../src/wire/ticket.ts";
import { closeAll, psk, startNode, targetOf } from "../mesh/nodes.ts";
import { seeded } from "../support/seeded.ts";
import { withTempDir } from "../support/temp.ts";
import { describeTree, makeSeedTree, namesIn, pattern } from "../support/tree.ts";
import { hawser, NET, permissions, readWrite, RunningProcess } from "./command.ts";

const KILLS = 50;
const KILLS_FFI = 30;
const MiB = 1024 * 1024;

/** One of the two trees that take turns at the destination. */
interface Tree {
  readonly ref: BlobRef;
  readonly ticket: string;
  readonly description: string;
}

async function makeTrees(dir: string, holder: MeshNode, store: MemoryBlobStore): Promise<Tree[]> {
  const trees: Tree[] = [];
  for (const [i, packages] of [20, 28].entries()) {
    const root = join(dir, `tree${i}`);
    makeSeedTree(root, packages, { links: false });
    writeFileSync(join(root, "big.bin"), pattern(5 * MiB, i));
    const { ref } = await storeDir(store, root);
    const ticket = { nodeId: holder.id, addresses: holder.addresses, psk, ref: encodeBlobRef(ref) };
    trees.push({ ref, ticket: encodeTicket(ticket), description: describeTree(root).join("\n") });
  }
  return trees;
}

/** How a killed fetch left the destination. */
type Outcome = "old" | "new" | "aside";

/** Fails unless the destination is one of the trees, or the old one waits beside it where that may happen. */
function outcomeOf(parent: string, old: Tree, next: Tree, mayBeAside: boolean): Outcome {
  const dest = join(parent, "dest");
  if (!existsSync(dest)) {
    assert(mayBeAside, `no destination, but ${namesIn(parent).join(", ")}`);
    const aside = namesIn(parent).filter((name) => name.startsWith(".dest.replaced_"));
    assert.equal(aside.length, 1, `no destination, but ${namesIn(parent).join(", ")}`);
    assert.equal(describeTree(join(parent, aside[0])).join("\n"), old.description);
    return "aside";
  }
  const description = describeTree(dest).join("\n");
  assert(description === old.description || description === next.description, "the destination is a mixture");
  return description === old.description ? "old" : "new";
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Resolves when a name that begins so is in `parent`, or the process has ended. */
async function untilName(parent: string, prefix: string, process: RunningProcess): Promise<void> {
  let over = false;
  process.ended.finally(() => over = true);
  while (!over && !readdirSync(parent).some((name) => name.startsWith(prefix))) await pause(0);
}

async function killLoop(
  parent: string,
  kills: number,
  trees: Tree[],
  holder: MeshNode,
  ffi: boolean,
): Promise<void> {
  mkdirSync(parent);
  const random = seeded(kills);
  const dest = join(parent, "dest");
  const flags = [NET, ...readWrite(parent), ...ffi ? ["--allow-ffi"] : []];
  const start = (tree: Tree) => hawser(flags, "fetch", tree.ticket, dest);
  const requester = await startNode();
  const source = toChunkSource(await requester.connect(targetOf(holder)));
  try {
    let [old, next] = trees;
    await fetchDir(source, old.ref, dest);
    // How long the work beside the destination takes when nobody kills it, start and end of the process left out.
    const durations: number[] = [];
    for (let i = 0; i < 3; i++) {
      await using whole = start(next);
      await untilName(parent, ".dest.", whole);
      const begin = performance.now();
      while (namesIn(parent).length > 1) await pause(1);
      durations.push(performance.now() - begin);
      assert.equal((await whole.ended).code, 0);
      [old, next] = [next, old];
    }
    const duration = durations.sort((a, b) => a - b)[1];

    const outcomes: Record<Outcome, number> = { old: 0, new: 0, aside: 0 };
    let killed = 0;
    let resumed = 0;
    for (let i = 0; i < kills; i++) {
      await using process = start(next);
      // Without the exchange, one in five as soon as the old tree was moved aside.
      const atInstall = !ffi && i % 5 === 4;
      await untilName(parent, atInstall ? ".dest.replaced_" : ".dest.", process);
      if (!atInstall) await pause(random() * 1.1 * duration);
      process.kill("SIGKILL");
      if ((await process.ended).signal === "SIGKILL") killed++;
      const outcome = outcomeOf(parent, old, next, !ffi);
      outcomes[outcome]++;
      const stats = await fetchDir(source, next.ref, dest);
      if (stats.resumed) resumed++;
      assert.equal(describeTree(dest).join("\n"), next.description);
      assert.deepEqual(namesIn(parent), ["dest"], `after kill ${i}, which left the ${outcome} tree`);
      [old, next] = [next, old];
    }
    // They were killed at work, not after it.
    assert(killed > 0 && resumed > 0 && outcomes.old > 0, JSON.stringify({ killed, resumed, outcomes }));
  } finally {
    await closeAll(requester);
    rmSync(parent, { recursive: true, force: true });
  }
}

/** Calls `work` with a holder of two trees and an empty folder. */
function withTrees(work: (dir: string, trees: Tree[], holder: MeshNode) => Promise<void>): Promise<void> {
  return withTempDir(async (dir) => {
    const holder = await startNode();
    const store = new MemoryBlobStore();
    serveBlobs(holder, store);
    try {
      await work(dir, await makeTrees(dir, holder, store), holder);
    } finally {
      await closeAll(holder);
      await store.close();
    }
  });
}

Deno.test(
  `e2e: ${KILLS} kills of a fetch without --allow-ffi, ${KILLS_FFI} with it`,
  { permissions },
  () =>
    withTrees(async (dir, trees, holder) => {
      await Promise.all([
        killLoop(join(dir, "without"), KILLS, trees, holder, false),
        killLoop(join(dir, "with"), KILLS_FFI, trees, holder, true),
      ]);
    }),
);

Deno.test(
  "e2e: killed at each step of the install with two renames",
  { permissions },
  () =>
    withTrees(async (dir, [old, next], holder) => {
      const requester = await startNode();
      const source = toChunkSource(await requester.connect(targetOf(holder)));
      const script = new URL("kill_in_install_script.ts", import.meta.url).pathname;
      for (const [step, outcome] of [["before-aside", "old"], ["between", "aside"], ["after", "new"]]) {
        const parent = join(dir, step);
        const dest = join(parent, "dest");
        mkdirSync(parent);
        await fetchDir(source, old.ref, dest);
        await using process = new RunningProcess(
          [NET, ...readWrite(parent), "--allow-run", "--unstable-net", script, next.ticket, dest, step],
        );
        const ended = await process.ended;
        assert.equal(ended.signal, "SIGKILL", JSON.stringify(ended));
        assert.equal(outcomeOf(parent, old, next, true), outcome);
        // Even a fetch that fails puts the old tree back.
        const nobody = { fetchChunks: () => Promise.reject(new Error("nobody there")) };
        await assert.rejects(fetchDir(nobody, next.ref, dest), /nobody there/);
        assert.equal(outcomeOf(parent, old, next, false), outcome === "aside" ? "old" : outcome);
        await fetchDir(source, next.ref, dest);
        assert.equal(outcomeOf(parent, old, next, false), "new");
        assert.deepEqual(namesIn(parent), ["dest"]);
      }
      await closeAll(requester);
    }),
);
