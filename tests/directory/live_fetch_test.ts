/** Fetches of offers between two nodes, while the holder still reads. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { FolderBlobStore } from "../../src/blob/folder_store.ts";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { serveBlobs } from "../../src/blob/transfer_server.ts";
import { toChunkSource } from "../../src/blob/transfer_client.ts";
import { fetchDir } from "../../src/directory/fetch_dir.ts";
import { listDir, verifyDir } from "../../src/directory/inspect.ts";
import { FolderOffer } from "../../src/directory/offer_folder.ts";
import { serveOffer } from "../../src/directory/offer_server.ts";
import { isOfferLost } from "../../src/directory/offer_loss.ts";
import { toOfferSource } from "../../src/directory/offer_source.ts";
import { storeDir } from "../../src/directory/store_dir.ts";
import { OfferFailedError, PeerSilentError, SourceChangedError, UnsupportedError } from "../../src/errors.ts";
import type { MeshNode, Session } from "../../src/mesh/mod.ts";
import { encodeBlobRef } from "../../src/wire/blob_ref.ts";
import { closeAll, loopback, startNode, until } from "../mesh/nodes.ts";
import { Later } from "../support/jobs.ts";
import { UdpRelay } from "../support/relay.ts";
import { tempPermissions, withTempDir } from "../support/temp.ts";
import { compareTrees, makeTree, namesIn, pattern } from "../support/tree.ts";
import { awaitedOffer } from "./offer_support.ts";
import { type OfferedTree, offeredTree } from "./scripted_offer.ts";
import { toldOffer } from "./told_offer.ts";

const LARGE = 20_000_000;
const TREE = {
  files: {
    "a": "first",
    "b/large": pattern(LARGE, 5),
    "b/same": "first",
    "c": pattern(300_000, 1),
    "d": "last",
  },
  dirs: { "e": 0o700 },
};

interface Setting {
  readonly from: string;
  readonly to: string;
  readonly tree: OfferedTree;
  readonly holder: MeshNode;
  readonly requester: MeshNode;
  /** The requester's session with the holder. */
  readonly session: Session;
  /** Offers `tree`: tells of its hashes one by one, each once `wait` has resolved. Serves the content. */
  readonly offer: (wait: (told: number) => Promise<void> | void, options?: OfferOptions) => Disposable;
}

interface OfferOptions {
  readonly onTransfer?: (bytes: number) => void;
  readonly onEnd?: () => void;
}

function liveTest(name: string, body: (setting: Setting) => Promise<void>): void {
  Deno.test(
    `live fetch: ${name}`,
    { permissions: { ...loopback, ...tempPermissions } },
    () =>
      withTempDir(async (temp) => {
        const [holder, requester] = [await startNode(), await startNode()];
        const [from, to] = [join(temp, "from"), join(temp, "to")];
        makeTree(from, TREE);
        const store = new MemoryBlobStore();
        await storeDir(store, from);
        const tree = await offeredTree(from);
        const offers: FolderOffer[] = [];
        let onTransfer: OfferOptions["onTransfer"];
        serveBlobs(holder, store, { onTransfer: ({ bytes }) => onTransfer?.(bytes) });
        const offer = (
          wait: (told: number) => Promise<void> | void,
          options: OfferOptions = {},
        ): Disposable => {
          onTransfer = options.onTransfer;
          const offer = toldOffer(from, tree, wait, options.onEnd);
          offers.push(offer);
          return serveOffer(holder, offer);
        };
        try {
          const session = await requester.connect({ id: holder.id, addresses: holder.addresses });
          await body({ from, to, tree, holder, requester, session, offer });
          assert.deepEqual(namesIn(temp).filter((name) => name.startsWith(".")), []);
        } finally {
          await closeAll(requester, holder);
          for (const offer of offers) await offer.close();
        }
      }),
  );
}

liveTest("content arrives before the holder has read everything", async (setting) => {
  const { from, to, tree, session, offer } = setting;
  let [transferred, isRead] = [0, false];
  let before = 0;
  // Each hash is told only when all content told of before has been sent.
  const sizes = [5, 4_194_304, 4_194_304, 4_194_304, 4_194_304, 3_222_784, 0, 0, 300_000, 4];
  const due = (told: number) => sizes.slice(0, told).reduce((sum, size) => sum + size, 0);
  offer((told) => until(() => transferred >= due(told)), {
    onTransfer(bytes) {
      transferred += bytes;
      if (!isRead) before += bytes;
    },
    onEnd: () => isRead = true,
  });
  const stats = await fetchDir(toChunkSource(session), toOfferSource(session), to);
  compareTrees(to, from);
  assert.equal(before, due(9));
  assert.deepEqual(encodeBlobRef(stats.ref), encodeBlobRef(tree.ref));
  assert.equal(stats.fetchedBytes, due(10));
});

liveTest("a session that is lost again and again is replaced, and the fetch goes on", async (setting) => {
  const { from, to, holder, session, offer } = setting;
  let transferred = 0;
  let lost = 0;
  offer(async (told) => {
    if (told > 1) await until(() => transferred > 0);
    if (![0, 2, 4, 6].includes(told)) return;
    await until(() => holder.sessions.length > 0);
    for (const session of holder.sessions) await session.close();
    lost++;
    await until(() => holder.sessions.length > 0);
  }, { onTransfer: (bytes) => transferred += bytes });
  const stats = await fetchDir(toChunkSource(session), toOfferSource(session), to);
  compareTrees(to, from);
  assert.equal(lost, 4);
  assert.equal(stats.installed, true);
});

liveTest("everything was read while the session was lost", async (setting) => {
  const { from, to, tree, holder, session, offer } = setting;
  const wait = new Later();
  const serving = offer((told) => told < 3 ? undefined : wait.promise);
  const chunks = toChunkSource(session);
  let dropped = false;
  const stats = await fetchDir(chunks, toOfferSource(session), to, {
    onProgress() {
      if (dropped) return;
      dropped = true;
      // By the time it is asked again another offer of the same directory is there, and read.
      serving[Symbol.dispose]();
      offer(() => {});
      for (const session of holder.sessions) session.close();
    },
  });
  wait.resolve();
  compareTrees(to, from);
  assert.deepEqual(encodeBlobRef(stats.ref), encodeBlobRef(tree.ref));
});

liveTest("a reading that fails fails the fetch", async ({ to, session, offer }) => {
  offer((told) => {
    if (told === 3) throw new SourceChangedError("/x/y", "size");
  });
  const fetching = fetchDir(toChunkSource(session), toOfferSource(session), to);
  await assert.rejects(fetching, (error) => {
    assert(error instanceof OfferFailedError, `${error}`);
    return true;
  });
  assert.equal(existsSync(to), false);
});

liveTest("an abort ends it, whatever is waited for", async ({ to, session, offer, holder }) => {
  const never = new Promise<void>(() => {});
  offer((told) => told < 2 ? undefined : Promise.race([never, holder.closed]));
  for (const exists of [false, true]) {
    if (exists) makeTree(to, { files: { old: "old" } });
    const controller = new AbortController();
    const fetching = fetchDir(toChunkSource(session), toOfferSource(session), to, {
      signal: controller.signal,
    });
    setTimeout(() => controller.abort(new Error("enough")), 50);
    await assert.rejects(fetching, /enough/);
    assert.equal(existsSync(to), exists);
    await until(() => session.metrics().streams === 0);
  }
});

liveTest("is listed while it is read, and verified once it was", async ({ from, to, session, offer }) => {
  const wait = new Later();
  offer((told) => told < 1 ? undefined : wait.promise);
  const [chunks, offers] = [toChunkSource(session), toOfferSource(session)];
  const early = await listDir(chunks, offers);
  assert.deepEqual(early.entries.map(({ path }) => path), ["a", "b", "b/large", "b/same", "c", "d", "e"]);
  assert.equal(early.bytes, LARGE + 300_000 + 2 * 5 + 4);
  assert.equal(early.entries[0].ref, undefined);
  const fetching = fetchDir(chunks, offers, to);
  const verifying = verifyDir(chunks, offers, from);
  wait.resolve();
  assert.equal((await verifying).ok, true);
  await fetching;
  const late = await listDir(chunks, offers);
  assert.equal(late.entries[0].ref?.size, 5);
  assert(late.manifestBytes! > 0);
});

liveTest("a node that offers nothing", async ({ to, session }) => {
  const fetching = fetchDir(toChunkSource(session), toOfferSource(session), to);
  await assert.rejects(fetching, UnsupportedError);
});

Deno.test("live fetch: a directory that is being read, over two nodes", {
  permissions: { ...loopback, ...tempPermissions },
}, () =>
  withTempDir(async (temp) => {
    const [from, to] = [join(temp, "from"), join(temp, "to")];
    makeTree(from, TREE);
    const [holder, requester] = [await startNode(), await startNode()];
    const offer = awaitedOffer(from);
    serveOffer(holder, offer);
    serveBlobs(holder, offer.store);
    try {
      const session = await requester.connect({ id: holder.id, addresses: holder.addresses });
      const stats = await fetchDir(toChunkSource(session), toOfferSource(session), to);
      compareTrees(to, from);
      assert.deepEqual(encodeBlobRef(stats.ref), encodeBlobRef((await offer.done).ref));
    } finally {
      await closeAll(requester, holder);
      await offer.close();
    }
  }));

Deno.test("live fetch: a holder that falls silent is noticed, and given up in the end", {
  permissions: { ...loopback, ...tempPermissions },
}, () =>
  withTempDir(async (temp) => {
    const [holder, requester] = [await startNode(), await startNode()];
    const relay = await UdpRelay.start(Number(holder.addresses[0].split(":")[1]), {});
    const offer = new FolderOffer(new FolderBlobStore(temp), temp, () => holder.closed as Promise<never>);
    serveOffer(holder, offer);
    try {
      const session = await requester.connect({ id: holder.id, addresses: [relay.address] });
      const asking = toOfferSource(session, { retryTimeout: 100 }).ask({ live: false });
      const settled = asking.then((offer) => offer.ref);
      await until(() => holder.sessions.some((session) => session.metrics().streams > 0));
      relay.isDead = true;
      await assert.rejects(settled, (error) => error instanceof PeerSilentError || isOfferLost(error));
    } finally {
      await closeAll(requester, holder);
      await relay.close();
      await offer.close();
    }
  }));
