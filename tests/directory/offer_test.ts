/** A directory is offered while it is read: what requesters are told, in which order, and when. */

import assert from "node:assert/strict";
import { mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import type { BlobStore } from "../../src/blob/store.ts";
import {
  OfferFailedError,
  StreamResetError,
  TransferRefusedError,
  UnsupportedError,
} from "../../src/errors.ts";
import { offerFolder } from "../../src/directory/offer_folder.ts";
import { requestOffer } from "../../src/directory/offer_request.ts";
import { type PackedChanges, unpackChanges } from "../../src/directory/packed_changes.ts";
import { scanDir } from "../../src/directory/scan.ts";
import { shareFolder } from "../../src/directory/share.ts";
import { yieldToEventLoop } from "../../src/runtime/host.ts";
import { CHUNK_SIZE, chunksOf, encodeBlobRef } from "../../src/wire/blob_ref.ts";
import { concatBytes, toHex } from "../../src/wire/bytes.ts";
import { MAX_OFFER_HASHES } from "../../src/wire/offer_message.ts";
import { encodeTreeChanges, type TreeChanges } from "../../src/wire/tree_changes.ts";
import { connectedPair, loopback, startNode, targetOf, until } from "../mesh/nodes.ts";
import { tempPermissions, withTempDir } from "../support/temp.ts";
import { makeTree, pattern } from "../support/tree.ts";
import { allHashes, awaitedOffer, hashOf, ManualOffer, refOf, someRef, withOffer } from "./offer_support.ts";

const permissions = { ...tempPermissions, ...loopback };

/** Registers a test with a fresh directory and sessions on loopback. */
function test(title: string, work: (path: string) => Promise<void>, more = {}): void {
  Deno.test(`offer: ${title}`, { permissions: { ...permissions, ...more } }, () => withTempDir(work));
}

/** What making links takes. */
const links = { read: true, write: true };

const TREE = {
  files: {
    "a/large": pattern(2 * CHUNK_SIZE + 5, 1),
    "a/exact": pattern(CHUNK_SIZE, 2),
    "b/empty": "",
    "b/small": ["hello", 0o755] as const,
    "b/twin": "hello",
  },
  dirs: { c: 0o755 },
  links: { "d/link": "../b/small" },
};

test("outline and hashes make the manifest that the reference names", async (path) => {
  makeTree(path, TREE);
  const offer = awaitedOffer(path);
  await withOffer(offer, async (session) => {
    const asked = await requestOffer(session);
    const hashes = await allHashes(asked);
    const ref = encodeBlobRef(await asked.ref);
    assert.deepEqual(refOf(asked.outline!, hashes), ref);
    assert.deepEqual(ref, encodeBlobRef((await scanDir(path)).ref));
    const { ref: own, stats } = await offer.done;
    assert.deepEqual(encodeBlobRef(own), ref);
    assert.deepEqual(stats, (await scanDir(path)).stats);
  });
}, links);

test("the store has what was told, manifest included", async (path) => {
  makeTree(path, TREE);
  const offer = awaitedOffer(path);
  await withOffer(offer, async (session) => {
    const asked = await requestOffer(session);
    let at = 0;
    for (let more = await asked.nextHashes(); more !== undefined; more = await asked.nextHashes()) {
      for (let i = 0; i < more.length; i += 32, at++) {
        const hash = more.slice(i, i + 32);
        // The last of the large file is that of the whole, which nobody asks for.
        assert.equal(await offer.store.has(hash), at !== 4, `hash ${at}`);
      }
    }
    assert.equal(at, 7);
    for (const { hash } of chunksOf(await asked.ref)) assert.ok(await offer.store.has(hash));
    await using shared = (await shareFolder(path)).store;
    assert.deepEqual(await blobsOf(offer.store), await blobsOf(shared));
  });
}, links);

async function blobsOf(store: BlobStore): Promise<string[]> {
  const list: string[] = [];
  for await (const { hash, size } of store.list()) list.push(`${toHex(hash)} ${size}`);
  return list.sort();
}

test("a file is offered as a directory that holds it", async (path) => {
  writeFileSync(join(path, "one"), "content");
  await withOffer(awaitedOffer(join(path, "one")), async (session) => {
    const asked = await requestOffer(session);
    const { ref } = await shareFolder(join(path, "one"));
    await allHashes(asked);
    assert.deepEqual(asked.outline?.map((entry) => entry.path), ["one"]);
    assert.deepEqual(encodeBlobRef(await asked.ref), encodeBlobRef(ref));
  });
});

test("who asks when everything was read is told the reference and nothing else", async (path) => {
  makeTree(path, TREE);
  const offer = offerFolder(path);
  const { ref } = await offer.done;
  await withOffer(offer, async (session) => {
    for (const live of [true, false]) {
      const asked = await requestOffer(session, { live });
      assert.equal(asked.outline, undefined);
      assert.deepEqual(encodeBlobRef(await asked.ref), encodeBlobRef(ref));
      assert.equal(await asked.nextHashes(), undefined);
    }
  });
}, links);

Deno.test("offer: told as it becomes known, to each at its own place", { permissions }, async () => {
  const manual = new ManualOffer();
  const { feed } = manual;
  await withOffer(manual.offer, async (session) => {
    const first = requestOffer(session);
    await until(() => feed.isFollowed);
    const outline = manual.list(3 * MAX_OFFER_HASHES);
    const early = await first;
    assert.deepEqual(early.outline, outline);
    manual.know(1);
    assert.deepEqual(await early.nextHashes(), hashOf(0));
    manual.know(3 * MAX_OFFER_HASHES - 1);
    // One that comes later is told everything from the beginning.
    const late = await requestOffer(session);
    const lateHashes = allHashes(late);
    manual.know(3 * MAX_OFFER_HASHES);
    await manual.finish();
    const expected = concatBytes(Array.from({ length: 3 * MAX_OFFER_HASHES }, (_, i) => hashOf(i)));
    assert.deepEqual(concatBytes([hashOf(0), await allHashes(early)]), expected);
    assert.deepEqual(await lateHashes, expected);
    assert.deepEqual(await Promise.all([early.ref, late.ref]), [someRef, someRef]);
    await until(() => feed.count === 0);
  });
});

Deno.test(
  "offer: who does not want it live is told the reference once it is known",
  { permissions },
  async () => {
    const manual = new ManualOffer();
    await withOffer(manual.offer, async (session) => {
      const asked = requestOffer(session, { live: false });
      manual.list(1);
      manual.know(1);
      await manual.finish();
      const { outline, ref } = await asked;
      assert.equal(outline, undefined);
      assert.deepEqual(await ref, someRef);
    });
  },
);

Deno.test(
  "offer: peers that take nothing hold nobody up, and what they keep goes when they go",
  { permissions },
  async () => {
    const manual = new ManualOffer();
    const { feed } = manual;
    const count = 40 * MAX_OFFER_HASHES;
    await using other = await startNode();
    await withOffer(manual.offer, async (session, accepted) => {
      manual.list(count);
      const lazySession = await other.connect(targetOf(accepted.node));
      const lazy = await Promise.all([1, 2, 3].map(() => requestOffer(lazySession)));
      const eager = await requestOffer(session);
      const hashes = allHashes(eager);
      manual.know(count);
      await manual.finish();
      assert.equal((await hashes).length, 32 * count);
      assert.deepEqual(await lazy[0].nextHashes(), feed.hashesFrom(0));
      for (const offer of lazy) offer.close();
      await until(() => feed.count === 0);
    });
  },
);

Deno.test("offer: a reading that fails is told to everybody, and what it says of this machine is left out", {
  permissions,
}, async () => {
  const manual = new ManualOffer("/home/somebody/dir");
  await withOffer(manual.offer, async (session) => {
    manual.list(2);
    const live = await requestOffer(session);
    const waiting = live.nextHashes();
    const other = requestOffer(session, { live: false });
    await until(() => session.metrics().streams === 2);
    await manual.fail(new Error('Read "/home/somebody/dir/sub/file": it became shorter'));
    for (const rejected of [waiting, other, live.ref, requestOffer(session)]) {
      await assert.rejects(rejected, (error) => {
        assert.ok(error instanceof OfferFailedError);
        assert.match(error.message, /could not read it: "Read \\"sub\/file\\": it became shorter"/);
        return true;
      });
    }
    await assert.rejects(live.nextHashes(), OfferFailedError);
    await assert.rejects(manual.offer.done, /became shorter/);
  });
});

test("a file that changes while the directory is read fails the offer", async (path) => {
  makeTree(path, { files: { a: "first", z: "last" } });
  const offer = awaitedOffer(path, {
    onProgress: ({ files }) => {
      if (files !== 1) return;
      writeFileSync(join(path, "z"), "other");
      utimesSync(join(path, "z"), 1, 1);
    },
  });
  await withOffer(offer, async (session) => {
    const asked = await requestOffer(session);
    await assert.rejects(allHashes(asked), /could not read it: "Read \\"z\\": file changed/);
    await assert.rejects(offer.done, /file changed/);
  });
});

test("what cannot be read fails the offer", async (path) => {
  makeTree(path, { files: { a: "first", z: "last" } });
  const offer = awaitedOffer(path, {
    onProgress: ({ files }) => {
      if (files !== 1) return;
      rmSync(join(path, "z"));
      mkdirSync(join(path, "z"));
    },
  });
  await withOffer(offer, async (session) => {
    const asked = await requestOffer(session);
    await assert.rejects(allHashes(asked), OfferFailedError);
    await assert.rejects(offer.done, { name: "FileSystemError", path: join(path, "z") });
  });
});

test("closing ends the reading", async (path) => {
  mkdirSync(join(path, "dir"));
  const offer = offerFolder(path, { onProgress: () => {} });
  await offer.close();
  await assert.rejects(offer.done, { name: "AbortError" });
  await assert.rejects(offer.store.has(hashOf(1)), /closed/);
});

test("the signal ends the reading, with its reason", async (path) => {
  makeTree(path, { files: { a: "1", b: "2" } });
  const stop = new AbortController();
  const offer = offerFolder(path, {
    signal: stop.signal,
    onProgress: () => stop.abort(new RangeError("no")),
  });
  await assert.rejects(offer.done, RangeError);
  await offer.close();
});

test("there is nothing to offer", (path) => {
  assert.throws(() => offerFolder(join(path, "none")), { code: "ENOENT" });
  return Promise.resolve();
});

Deno.test("offer: who is not allowed, and who asks too often, is refused", { permissions }, async () => {
  const manual = new ManualOffer();
  const forbidden = { code: "FORBIDDEN" };
  await withOffer(manual.offer, (session) => assert.rejects(requestOffer(session), forbidden), {
    allow: () => false,
  });
  const other = new ManualOffer();
  await withOffer(other.offer, async (session) => {
    const first = requestOffer(session);
    await until(() => other.feed.isFollowed);
    await assert.rejects(requestOffer(session), (error) => {
      assert.ok(error instanceof TransferRefusedError);
      assert.equal(error.code, "BUSY");
      return true;
    });
    await other.finish();
    assert.deepEqual(await (await first).ref, someRef);
    await requestOffer(session);
  }, { maxStreamsPerPeer: 1 });
});

Deno.test("offer: a node that offers none says so", { permissions }, async () => {
  await using pair = await connectedPair();
  await assert.rejects(requestOffer(pair.session), UnsupportedError);
});

Deno.test("offer: a requester gives it up", { permissions }, async () => {
  const manual = new ManualOffer();
  await withOffer(manual.offer, async (session) => {
    manual.list(1);
    const asked = await requestOffer(session);
    const waiting = asked.nextHashes();
    asked.close();
    await assert.rejects(waiting, StreamResetError);
    const stop = new AbortController();
    const aborted = await requestOffer(session, { signal: stop.signal });
    stop.abort(new RangeError("enough"));
    await assert.rejects(aborted.ref, RangeError);
    await assert.rejects(requestOffer(session, { signal: stop.signal }), RangeError);
    await until(() => !manual.feed.isFollowed);
  });
});

Deno.test("offer: the end of the session ends it", { permissions }, async () => {
  const manual = new ManualOffer();
  await withOffer(manual.offer, async (session, accepted) => {
    manual.list(1);
    const asked = await requestOffer(session);
    await accepted.close(7, "gone");
    await assert.rejects(asked.ref, { name: "SessionClosedError" });
    await until(() => !manual.feed.isFollowed);
  });
});

test("whatever the tree, and whenever they ask, all are told of the same directory", async (path) => {
  const size = fc.constantFrom(0, 1, 300, CHUNK_SIZE, CHUNK_SIZE + 1);
  const name = fc.constantFrom("a", "b", "c", "d/a", "d/e/f", "é", "z");
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(name, size),
      fc.array(fc.nat(20), { maxLength: 3 }),
      async (sizes, turns) => {
        const root = join(path, String(run++));
        makeTree(root, {
          files: Object.fromEntries(Object.entries(sizes).map(([name, size], i) => [name, pattern(size, i)])),
        });
        const offer = awaitedOffer(root);
        await withOffer(offer, async (session) => {
          const told = await Promise.all([0, ...turns].map(async (count) => {
            for (; count > 0; count--) await yieldToEventLoop();
            const asked = await requestOffer(session);
            const hashes = await allHashes(asked);
            const ref = encodeBlobRef(await asked.ref);
            if (asked.outline !== undefined) assert.deepEqual(refOf(asked.outline, hashes), ref);
            return ref;
          }));
          const expected = encodeBlobRef((await scanDir(root)).ref);
          for (const ref of told) assert.deepEqual(ref, expected);
        });
      },
    ),
    { numRuns: 25 },
  );
});

Deno.test(
  "offer: changes are told before the reference, to who has what they are from",
  { permissions },
  async () => {
    const manual = new ManualOffer();
    const changes = encodeTreeChanges({ removed: ["gone"], entries: [] });
    await withOffer(manual.offer, async (session) => {
      const told: TreeChanges[] = [];
      const onChanges = (packed: PackedChanges) => told.push(unpackChanges(packed));
      const asked = [hashOf(1), hashOf(2)].map((base) =>
        requestOffer(session, { live: false, base, onChanges })
      );
      const others = [
        requestOffer(session, { live: false, onChanges }),
        requestOffer(session, { onChanges }),
      ];
      manual.list(1);
      manual.feed.change(hashOf(1), changes);
      await until(() => told.length > 0);
      await others[1];
      manual.know(1);
      await manual.finish();
      const refs = await Promise.all([...asked, others[0]].map(async (offer) => (await offer).ref));
      assert.deepEqual(refs.map(encodeBlobRef), Array(3).fill(encodeBlobRef(someRef)));
      // Who comes later is told, too.
      await requestOffer(session, { live: false, base: hashOf(1), onChanges });
      assert.deepEqual(told, Array(2).fill({ removed: ["gone"], entries: [] }));
    });
  },
);
