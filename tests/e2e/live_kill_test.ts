/** Fetches of offers that are killed while the holder still reads, and those that go on with what they left. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { toChunkSource } from "../../src/blob/transfer_client.ts";
import { serveBlobs } from "../../src/blob/transfer_server.ts";
import { fetchDir } from "../../src/directory/fetch_dir.ts";
import type { FolderOffer } from "../../src/directory/offer_folder.ts";
import { serveOffer } from "../../src/directory/offer_server.ts";
import { toOfferSource } from "../../src/directory/offer_source.ts";
import { storeDir } from "../../src/directory/store_dir.ts";
import { encodeBlobRef } from "../../src/wire/blob_ref.ts";
import { encodeTicket } from "../../src/wire/ticket.ts";
import { offeredTree } from "../directory/scripted_offer.ts";
import { toldOffer } from "../directory/told_offer.ts";
import { closeAll, psk, startNode, targetOf } from "../mesh/nodes.ts";
import { seeded } from "../support/seeded.ts";
import { withTempDir } from "../support/temp.ts";
import { compareTrees, makeSeedTree, namesIn, pattern } from "../support/tree.ts";
import { hawser, NET, permissions, readWrite } from "./command.ts";

const KILLS = 24;
const MiB = 1024 * 1024;
/** Longest time from the first sign of a fetch to its end by force, milliseconds: reading takes about as long. */
const WORK_MS = 150;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

Deno.test(
  `e2e: ${KILLS} kills of fetches while the holder reads`,
  { permissions },
  () =>
    withTempDir(async (dir) => {
      const [root, parent] = [join(dir, "root"), join(dir, "parent")];
      mkdirSync(parent);
      makeSeedTree(root, 20, { links: false });
      writeFileSync(join(root, "big.bin"), pattern(9 * MiB, 1));
      const store = new MemoryBlobStore();
      await storeDir(store, root);
      const tree = await offeredTree(root);
      const [holder, requester] = [await startNode(), await startNode()];
      serveBlobs(holder, store);
      const ticket = encodeTicket({ nodeId: holder.id, addresses: holder.addresses, psk });
      const session = await requester.connect(targetOf(holder));
      const chunks = toChunkSource(session);
      const dest = join(parent, "dest");
      const random = seeded(7);
      const offers: FolderOffer[] = [];
      const counts = { killed: 0, resumed: 0, absent: 0, complete: 0 };
      try {
        for (let i = 0; i < KILLS; i++) {
          const offer = toldOffer(root, tree, (told) => told % 4 === 0 ? pause(1) : undefined);
          offers.push(offer);
          const serving = serveOffer(holder, offer);
          await using process = hawser([NET, ...readWrite(parent)], "fetch", ticket, dest);
          let over = false;
          process.ended.finally(() => over = true);
          while (!over && !readdirSync(parent).some((name) => name.startsWith(".dest."))) await pause(0);
          await pause(random() * WORK_MS);
          process.kill("SIGKILL");
          if ((await process.ended).signal === "SIGKILL") counts.killed++;
          // Never a part of it.
          if (existsSync(dest)) {
            counts.complete++;
            compareTrees(dest, root);
          } else counts.absent++;
          const from = i % 2 === 0 ? toOfferSource(session) : tree.ref;
          const stats = await fetchDir(chunks, from, dest);
          if (stats.resumed) counts.resumed++;
          compareTrees(dest, root);
          assert.deepEqual(encodeBlobRef(stats.ref), encodeBlobRef(tree.ref));
          assert.deepEqual(namesIn(parent), ["dest"], `after kill ${i}`);
          serving.close();
          rmSync(dest, { recursive: true });
        }
        // They were killed at work, not after it.
        assert(counts.killed > 0 && counts.resumed > 0 && counts.absent > 0, JSON.stringify(counts));
      } finally {
        await closeAll(requester, holder);
        for (const offer of offers) await offer.close();
        await store.close();
      }
    }),
);
