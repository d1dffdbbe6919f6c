/** SIGKILL of a process that mirrors the old tree: the destination is as it was, and the next fetch cleans up. */
import assert from "node:assert/strict";
import { lstatSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { fetchDir, storeDir } from "../../src/directory/mod.ts";
import { isNode } from "../support/runtime.ts";
import { withTempDir } from "../support/temp.ts";
import { compareTrees, makeSeedTree, namesIn } from "../support/tree.ts";
import { permissions, RunningProcess } from "./command.ts";

for (const who of ["here", "hand"]) {
  Deno.test(
    `e2e: killed while the old tree is mirrored, ${who === "hand" ? "by the helping thread" : "by this one"}`,
    { permissions },
    () =>
      withTempDir(async (temp) => {
        const [old, next, parent, cache] = ["old", "next", "parent", "cache"].map((name) => join(temp, name));
        for (const root of [old, next]) makeSeedTree(root, 30, { links: false });
        writeFileSync(join(next, "node_modules/pkg0003/README.md"), "changed");
        const store = new MemoryBlobStore();
        const fetch = async (root: string) => {
          const { ref } = await storeDir(store, root);
          return await fetchDir(new StoreChunkSource(store), ref, dest, { cache });
        };
        mkdirSync(parent);
        const dest = join(parent, "dest");
        await fetch(old);
        const script = new URL("kill_in_mirror_script.ts", import.meta.url).pathname;
        // The helping thread's module has to be read; Node's permission model has no thread unless asked to.
        const flags = isNode ? ["--allow-all"] : ["--allow-read", `--allow-write=${temp}`, "--allow-run"];
        await using process = new RunningProcess([...flags, script, next, dest, cache, who]);
        const ended = await process.ended;
        assert.equal(ended.signal, "SIGKILL", JSON.stringify(ended));
        compareTrees(dest, old);
        const kept = join(dest, "node_modules/pkg0000/index.js");
        const { ino, nlink } = lstatSync(kept);
        assert.deepEqual([nlink, namesIn(parent).length], [2, 2]);
        const { fetchedBytes, resumed } = await fetch(next);
        // By the helping thread it is done before it is known what is fetched.
        const isKnown = who === "here";
        assert.deepEqual({ fetchedBytes, resumed }, { fetchedBytes: "changed".length, resumed: isKnown });
        compareTrees(dest, next);
        assert.deepEqual(namesIn(parent), ["dest"]);
        assert.equal(lstatSync(kept).nlink, 1);
        // What the killed process left and nobody can continue was gone before anything was linked.
        if (!isKnown) assert.equal(lstatSync(kept).ino, ino);
      }),
  );
}
