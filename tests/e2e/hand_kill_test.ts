/** SIGKILL of a process whose files a second thread makes: nothing is there, and the next fetch goes on from it. */
import assert from "node:assert/strict";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { fetchDir, storeDir } from "../../src/directory/mod.ts";
import { withTempDir } from "../support/temp.ts";
import { compareTrees, makeSeedTree, namesIn } from "../support/tree.ts";
import { permissions, RunningProcess } from "./command.ts";

Deno.test(
  "e2e: killed while a second thread makes files",
  { permissions },
  () =>
    withTempDir(async (temp) => {
      const [root, parent] = ["root", "parent"].map((name) => join(temp, name));
      const { files } = makeSeedTree(root, 60, { links: false });
      mkdirSync(parent);
      const dest = join(parent, "dest");
      const store = new MemoryBlobStore();
      const { ref } = await storeDir(store, root);
      const script = new URL("kill_in_hand_script.ts", import.meta.url).pathname;
      // The thread's module has to be read.
      const flags = ["--allow-read", `--allow-write=${temp}`, "--allow-run"];
      for (const count of [1, files >> 1, files]) {
        await using process = new RunningProcess([...flags, script, root, dest, String(count)]);
        const ended = await process.ended;
        assert.equal(ended.signal, "SIGKILL", JSON.stringify(ended));
        assert.equal(namesIn(parent).length, 1);
        assert.match(namesIn(parent)[0], /^\.dest\.fetch_/);
        const stats = await fetchDir(new StoreChunkSource(store), ref, dest);
        assert.equal(stats.resumed, true);
        compareTrees(dest, root);
        assert.deepEqual(namesIn(parent), ["dest"]);
        rmSync(dest, { recursive: true });
      }
      await store.close();
    }),
);
