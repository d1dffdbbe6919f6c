/**
 * What every blob store must do. A store's test file calls {@linkcode testBlobStore} with a way to make one.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { nobleBlake3 } from "../../src/crypto/blake3.ts";
import {
  HashMismatchError,
  InvalidArgumentError,
  LimitExceededError,
  SourceChangedError,
  StoreError,
  UnsupportedError,
} from "../../src/errors.ts";
import {
  type BlobStat,
  type BlobStore,
  MAX_STORED_BLOB,
  type SyncReadableStore,
} from "../../src/blob/store.ts";
import { fromHex, toHex } from "../../src/wire/bytes.ts";
import { patterned } from "../support/patterned.ts";
import { collect, streamOf } from "../support/streams.ts";

/** A store to test. */
export interface BlobStoreFixture {
  /** The store, empty. The suite closes it. */
  readonly store: BlobStore;
  /** Has the store keep `bytes`, in the way of a read-only store. @default the store's `put` */
  add?(bytes: Uint8Array): Promise<Uint8Array>;
  /** Damages the stored bytes of a blob behind the store's back; missing where that cannot be done. */
  damage?(hash: Uint8Array): void | Promise<void>;
  /** Opens the same place again after the store was closed; missing where nothing lasts. */
  reopen?(): Promise<BlobStore>;
  /** Cleans up after the store was closed. */
  dispose?(): void | Promise<void>;
}

/** What sort of store it is. */
export interface BlobStoreTraits {
  /** It takes no blobs by `put`. @default false */
  readonly isReadOnly?: boolean;
  /** What the tests may do. @default none */
  readonly permissions?: Deno.PermissionOptions;
}

const blake3 = nobleBlake3();
const hello = new TextEncoder().encode("hello world");
const helloHash = "d74981efa70a0c880b8d8c1985d075dbcbf679b99a5f9914e5aaf96b831a9e24";
const absent = new Uint8Array(32).fill(0xab);

/** Registers the tests of a store. */
export function testBlobStore(
  name: string,
  make: () => Promise<BlobStoreFixture>,
  traits: BlobStoreTraits = {},
): void {
  const { isReadOnly = false, permissions = "none" } = traits;

  type Context = Required<Pick<BlobStoreFixture, "store" | "add">> & Omit<BlobStoreFixture, "add">;
  function test(title: string, work: (context: Context) => Promise<void>): void {
    Deno.test(`${name}: ${title}`, { permissions }, async () => {
      const fixture = await make();
      const { store } = fixture;
      try {
        await work({
          store,
          add: fixture.add?.bind(fixture) ?? ((bytes) => store.put(bytes)),
          damage: fixture.damage?.bind(fixture),
          reopen: fixture.reopen?.bind(fixture),
        });
      } finally {
        await store.close();
        await fixture.dispose?.();
      }
    });
  }
  const testWritable = (...[title, work]: Parameters<typeof test>) => {
    if (!isReadOnly) test(title, work);
  };
  const testReadOnly = (...[title, work]: Parameters<typeof test>) => {
    if (isReadOnly) test(title, work);
  };

  test("a blob is not there before and there after it was stored", async ({ store, add }) => {
    const address = blake3.hash(hello);
    assert.equal(await store.has(address), false);
    assert.equal(await store.get(address), undefined);
    assert.equal(await store.stat(address), undefined);
    assert.equal(toHex(await add(hello)), helloHash);
    assert.equal(await store.has(address), true);
    assert.deepEqual(await store.get(address), hello);
    assert.deepEqual(await store.stat(address), { hash: address, size: hello.length, pinned: false });
  });

  test("what is absent is undefined, and looking for it leaves nothing", async ({ store }) => {
    assert.equal(await store.get(absent), undefined);
    assert.equal(await store.get(absent, { offset: 5, length: 5 }), undefined);
    assert.equal(await store.getStream(absent), undefined);
    assert.equal(await store.stat(absent), undefined);
    assert.equal(await store.has(absent), false);
    assert.deepEqual(await stats(store), []);
  });

  test("ranges", async ({ store, add }) => {
    const hash = await add(hello);
    const get = (offset: number, length: number) => store.get(hash, { offset, length });
    assert.deepEqual(await get(5, 5), hello.slice(5, 10));
    assert.deepEqual(await get(3, 0), new Uint8Array(0));
    assert.deepEqual(await get(0, hello.length), hello);
    assert.deepEqual(await get(hello.length, 0), new Uint8Array(0));
    await assert.rejects(get(5, hello.length), InvalidArgumentError);
    await assert.rejects(get(hello.length + 1, 0), InvalidArgumentError);
    await assert.rejects(get(-1, 2), InvalidArgumentError);
    await assert.rejects(get(2, -1), InvalidArgumentError);
    await assert.rejects(get(0.5, 1), InvalidArgumentError);
  });

  test("the empty blob", async ({ store, add }) => {
    const hash = await add(new Uint8Array(0));
    assert.equal(toHex(hash), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
    assert.deepEqual(await store.get(hash), new Uint8Array(0));
    assert.equal((await store.stat(hash))?.size, 0);
    assert.deepEqual(await collect(await store.getStream(hash)), new Uint8Array(0));
  });

  test("blobs do not disturb each other", async ({ store, add }) => {
    const blobs = [
      hello,
      new Uint8Array(100_000).fill(1),
      new Uint8Array(0),
      new Uint8Array(1),
      patterned(70_001),
    ];
    const hashes: Uint8Array[] = [];
    for (const blob of blobs) hashes.push(await add(blob));
    for (const [i, hash] of hashes.entries()) assert.deepEqual(await store.get(hash), blobs[i]);
    await add(blobs[1]);
    for (const [i, hash] of hashes.entries()) assert.deepEqual(await store.get(hash), blobs[i]);
    assert.equal((await stats(store)).length, blobs.length);
  });

  test("what was got is the caller's to change", async ({ store, add }) => {
    const bytes = hello.slice();
    const hash = await add(bytes);
    bytes.fill(0);
    (await store.get(hash))!.fill(0);
    (await store.get(hash, { offset: 1, length: 4 }))!.fill(0);
    assert.deepEqual(await store.get(hash), hello);
    (await store.stat(hash))!.hash.fill(0);
    hash.fill(0);
    assert.equal(await store.has(blake3.hash(hello)), true);
  });

  test("a stream equals get, also of a large blob", async ({ store, add }) => {
    for (const size of [1, 65_536, 300_000, 4 * 1024 * 1024]) {
      const bytes = patterned(size);
      const hash = await add(bytes);
      assert.deepEqual(await collect(await store.getStream(hash)), await store.get(hash));
    }
    await (await store.getStream(await add(patterned(300_000))))!.cancel();
  });

  test("synchronous reads give the same bytes", async ({ store, add }) => {
    if (!isSyncReadable(store)) return;
    const bytes = patterned(300_000);
    const hash = await add(bytes);
    assert.equal(store.sizeSync(hash), bytes.length);
    assert.deepEqual(store.readSync(hash, 0, bytes.length), bytes);
    assert.deepEqual(store.readSync(hash, 65_535, 65_537), bytes.slice(65_535, 131_072));
    const into = new Uint8Array(70_000).fill(7);
    assert.equal(store.readSync(hash, 65_535, 65_537, into).buffer, into.buffer);
    assert.deepEqual(into.slice(0, 65_537), bytes.slice(65_535, 131_072));
    assert.ok(into.subarray(65_537).every((byte) => byte === 7));
    assert.deepEqual(store.readSync(hash, 0, 70_001, into), bytes.slice(0, 70_001));
    assert.throws(() => store.readSync(hash, 1, bytes.length), InvalidArgumentError);
    assert.equal(store.sizeSync(absent), undefined);
    assert.throws(() => store.readSync(absent, 0, 0), { name: "BlobNotFoundError" });
  });

  test("list by prefix", async ({ store, add }) => {
    const hashes: string[] = [];
    for (let i = 0; i < 40; i++) hashes.push(toHex(await add(patterned(i + 1))));
    const listed = async (prefix?: string) =>
      (await stats(store, prefix)).map((stat) => toHex(stat.hash)).sort();
    assert.deepEqual(await listed(), hashes.sort());
    assert.deepEqual(await listed(""), hashes);
    for (const length of [1, 2, 3, 7, 64]) {
      const prefix = hashes[17].slice(0, length);
      assert.deepEqual(await listed(prefix), hashes.filter((hash) => hash.startsWith(prefix)));
    }
    assert.deepEqual(await listed(hashes[3].slice(0, 6).toUpperCase()), [hashes[3]]);
    for (const prefix of ["xyz", "0g", "-", "é", `${hashes[0]}0`, "mesh://"]) {
      assert.deepEqual(await listed(prefix), []);
    }
    const [{ size, pinned }] = await stats(store, hashes[5]);
    assert.deepEqual({ size, pinned }, {
      size: (await store.get(fromHex(hashes[5])!))!.length,
      pinned: false,
    });
  });

  test("addresses that are none are refused", async ({ store }) => {
    for (const hash of [0, 31, 33].map((length) => new Uint8Array(length))) {
      await assert.rejects(store.has(hash), InvalidArgumentError);
      await assert.rejects(store.get(hash), InvalidArgumentError);
      await assert.rejects(store.stat(hash), InvalidArgumentError);
    }
  });

  test("an aborted signal ends calls with its reason", async ({ store, add }) => {
    const hash = await add(hello);
    const reason = new Error("enough");
    const options = { signal: AbortSignal.abort(reason) };
    const isReason = (error: unknown) => error === reason;
    await assert.rejects(store.has(hash, options), isReason);
    await assert.rejects(store.get(hash, undefined, options), isReason);
    await assert.rejects(store.getStream(hash, options), isReason);
    await assert.rejects(store.stat(hash, options), isReason);
    await assert.rejects(stats(store, "", options), isReason);
    await assert.rejects(store.verify(options), isReason);
    if (isReadOnly) return;
    await assert.rejects(store.put(patterned(5), undefined, options), isReason);
    await assert.rejects(store.putStream(streamOf(patterned(5)), undefined, options), isReason);
    await assert.rejects(store.delete(hash, options), isReason);
    await assert.rejects(store.pin(hash, options), isReason);
    await assert.rejects(store.unpin(hash, options), isReason);
    await assert.rejects(store.gc(options), isReason);
    assert.deepEqual(await store.get(hash), hello);
    assert.equal((await stats(store)).length, 1);
  });

  test("verify finds nothing wrong in a sound store", async ({ store, add }) => {
    assert.deepEqual(await store.verify(), { checked: 0, damaged: [] });
    for (let i = 0; i < 20; i++) await add(patterned(i * 100));
    assert.deepEqual(await store.verify(), { checked: 20, damaged: [] });
  });

  test("damaged bytes are never handed out as whole, and verify finds them", async (context) => {
    const { store, add, damage } = context;
    if (damage === undefined) return;
    const sound = await add(patterned(5000));
    const hash = await add(hello);
    await damage(hash);
    const isDamage = (error: unknown) =>
      error instanceof HashMismatchError || error instanceof SourceChangedError;
    await assert.rejects(store.get(hash), isDamage);
    await assert.rejects(store.get(hash), isDamage, "also the second time");
    await assert.rejects(store.getStream(hash).then(collect), isDamage);
    assert.deepEqual(await store.verify(), { checked: 2, damaged: [hash] });
    assert.deepEqual(await store.get(sound), patterned(5000));
    if (isReadOnly) return;
    assert.equal(await store.has(hash), false, "known to be damaged: to be fetched again");
    await store.put(hello);
    assert.equal(await store.has(hash), true);
    assert.deepEqual(await store.get(hash), hello);
  });

  test("after close every call throws StoreError", async ({ store, add }) => {
    const hash = await add(hello);
    await store.close();
    await store.close();
    await assert.rejects(store.has(hash), StoreError);
    await assert.rejects(store.get(hash), StoreError);
    await assert.rejects(store.getStream(hash), StoreError);
    await assert.rejects(store.put(hello), StoreError);
    await assert.rejects(store.putStream(streamOf(hello)), StoreError);
    await assert.rejects(store.delete(hash), StoreError);
    await assert.rejects(stats(store), StoreError);
    await assert.rejects(store.stat(hash), StoreError);
    await assert.rejects(store.pin(hash), StoreError);
    await assert.rejects(store.unpin(hash), StoreError);
    await assert.rejects(store.gc(), StoreError);
    await assert.rejects(store.verify(), StoreError);
    if (!isSyncReadable(store)) return;
    assert.throws(() => store.sizeSync(hash), StoreError);
    assert.throws(() => store.readSync(hash, 0, 0), StoreError);
  });

  testReadOnly("a read-only store refuses changes", async ({ store, add }) => {
    const hash = await add(hello);
    await assert.rejects(store.put(hello), UnsupportedError);
    await assert.rejects(store.putStream(streamOf(hello)), UnsupportedError);
    await assert.rejects(store.delete(hash), UnsupportedError);
    await assert.rejects(store.pin(hash), UnsupportedError);
    await assert.rejects(store.unpin(hash), UnsupportedError);
    await assert.rejects(store.gc(), UnsupportedError);
    assert.deepEqual(await store.get(hash), hello);
  });

  testWritable("bytes that are not what is expected are refused and not stored", async ({ store }) => {
    const address = blake3.hash(hello);
    const tampered = hello.with(3, 0);
    await assert.rejects(store.put(tampered, address), (error) => {
      assert(error instanceof HashMismatchError);
      assert.equal(error.expected, helloHash);
      assert.equal(error.actual, toHex(blake3.hash(tampered)));
      return true;
    });
    await assert.rejects(store.putStream(streamOf(tampered), address), HashMismatchError);
    await assert.rejects(store.put(tampered, new Uint8Array(3)), HashMismatchError);
    assert.deepEqual(await stats(store), []);
    assert.deepEqual(await store.put(hello, address), address);
    assert.deepEqual(await store.putStream(streamOf(hello), address), address);
    await assert.rejects(
      store.put(tampered, address),
      HashMismatchError,
      "also when the right bytes are there",
    );
  });

  testWritable("storing twice, also at the same time, stores once", async ({ store }) => {
    const bytes = patterned(10_000);
    const hashes = await Promise.all(Array.from({ length: 8 }, () => store.put(bytes)));
    for (const hash of hashes) assert.deepEqual(hash, hashes[0]);
    await store.put(bytes);
    assert.equal((await stats(store)).length, 1);
    assert.deepEqual(await store.get(hashes[0]), bytes);
  });

  testWritable("many puts at the same time", async ({ store }) => {
    const blobs = Array.from({ length: 200 }, (_, i) => patterned(i * 37 + 1));
    const hashes = await Promise.all(blobs.map((blob) => store.put(blob)));
    const read = await Promise.all(hashes.map((hash) => store.get(hash)));
    assert.deepEqual(read, blobs);
  });

  testWritable("a stream is stored as its bytes, however it is cut", async ({ store }) => {
    const bytes = patterned(5000);
    const hash = await store.putStream(streamOf(bytes, [1, 0, 999, 4000]));
    assert.deepEqual(hash, blake3.hash(bytes));
    assert.deepEqual(await store.get(hash), bytes);
    assert.deepEqual(await store.putStream(streamOf(new Uint8Array(0))), blake3.hash(new Uint8Array(0)));
    const broken = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.error(new Error("source broke")),
    });
    await assert.rejects(store.putStream(broken), /source broke/);
    assert.equal((await stats(store)).length, 2);
  });

  testWritable("a stream that is too long is refused and cancelled", async ({ store }) => {
    let isCancelled = false;
    const piece = new Uint8Array(1024 * 1024);
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(piece),
      cancel: () => void (isCancelled = true),
    });
    await assert.rejects(store.putStream(endless), LimitExceededError);
    assert.equal(isCancelled, true);
  });

  testWritable("the greatest blob is stored, a greater one refused", async ({ store }) => {
    const bytes = new Uint8Array(MAX_STORED_BLOB + 1);
    await assert.rejects(store.put(bytes), (error) => {
      assert(error instanceof LimitExceededError);
      assert.equal(error.actual, MAX_STORED_BLOB + 1);
      return true;
    });
    const greatest = bytes.subarray(1);
    const hash = await store.put(greatest);
    assert.equal((await store.stat(hash))?.size, MAX_STORED_BLOB);
    assert.deepEqual(await store.get(hash, { offset: MAX_STORED_BLOB - 2, length: 2 }), new Uint8Array(2));
  });

  testWritable("delete, also of a pinned blob, and again", async ({ store }) => {
    const hash = await store.put(hello);
    const other = await store.put(patterned(9));
    assert.equal(await store.delete(hash), true);
    assert.equal(await store.delete(hash), false);
    assert.equal(await store.delete(absent), false);
    assert.equal(await store.has(hash), false);
    assert.equal(await store.get(hash), undefined);
    assert.deepEqual((await stats(store)).map((stat) => stat.hash), [other]);
    await store.put(hello);
    assert.deepEqual(await store.get(hash), hello);
    await store.pin(hash);
    assert.equal(await store.delete(hash), true);
    assert.equal(await store.has(hash), false);
  });

  testWritable("gc keeps pins and roots only", async ({ store }) => {
    const [pinned, rooted, loose, unpinned] = await Promise.all(
      [10, 20, 30, 40].map((size) => store.put(patterned(size))),
    );
    await store.pin(pinned);
    await store.pin(pinned);
    await store.pin(unpinned);
    await store.unpin(unpinned);
    await store.unpin(absent);
    assert.equal((await store.stat(pinned))?.pinned, true);
    assert.equal((await store.stat(unpinned))?.pinned, false);
    const options = { roots: [rooted, absent] };
    assert.deepEqual(await store.gc({ ...options, dryRun: true }), { blobs: 2, bytes: 70 });
    assert.equal((await stats(store)).length, 4);
    assert.deepEqual(await store.gc(options), { blobs: 2, bytes: 70 });
    assert.equal(await store.has(loose), false);
    assert.equal(await store.has(unpinned), false);
    assert.deepEqual(await store.get(pinned), patterned(10));
    assert.deepEqual(await store.get(rooted), patterned(20));
    assert.deepEqual(await store.gc(options), { blobs: 0, bytes: 0 });
    assert.deepEqual(await store.gc(), { blobs: 1, bytes: 20 });
    await store.unpin(pinned);
    assert.deepEqual(await store.gc(), { blobs: 1, bytes: 10 });
    assert.deepEqual(await stats(store), []);
    await assert.rejects(store.gc({ roots: [new Uint8Array(5)] }), InvalidArgumentError);
  });

  testWritable("a pin may come before its blob", async ({ store }) => {
    const address = blake3.hash(hello);
    await store.pin(address);
    assert.equal(await store.has(address), false);
    await store.put(hello);
    assert.equal((await store.stat(address))?.pinned, true);
    assert.deepEqual(await store.gc(), { blobs: 0, bytes: 0 });
    assert.deepEqual(await store.get(address), hello);
  });

  testWritable("gc among puts loses none that came after it began", async ({ store }) => {
    const blobs = Array.from({ length: 30 }, (_, i) => patterned(i * 50 + 3));
    await Promise.all(blobs.map((blob) => store.put(blob)));
    const collecting = store.gc();
    const hashes = await Promise.all(blobs.map((blob) => store.put(blob)));
    await collecting;
    for (const [i, hash] of hashes.entries()) assert.deepEqual(await store.get(hash), blobs[i]);
  });

  testWritable("everything lasts", async ({ store, reopen }) => {
    if (reopen === undefined) return;
    const kept = await store.put(hello);
    const pinned = await store.put(patterned(100_000));
    const gone = await store.put(patterned(7));
    await store.pin(pinned);
    await store.pin(kept);
    await store.unpin(kept);
    await store.delete(gone);
    await store.close();
    const again = await reopen();
    try {
      assert.deepEqual(await again.get(kept), hello);
      assert.deepEqual(await again.get(pinned), patterned(100_000));
      assert.equal(await again.has(gone), false);
      assert.equal((await again.stat(pinned))?.pinned, true);
      assert.equal((await again.stat(kept))?.pinned, false);
      assert.deepEqual(await again.verify(), { checked: 2, damaged: [] });
    } finally {
      await again.close();
    }
  });

  testWritable("any sequence of calls gives what a Map gives", async ({ store }) => {
    const blobs = Array.from({ length: 6 }, (_, i) => patterned(i * 11));
    const hashes = blobs.map((blob) => blake3.hash(blob));
    const call = fc.record({
      what: fc.constantFrom("put", "delete", "pin", "unpin", "gc"),
      which: fc.nat({ max: blobs.length - 1 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(call, { maxLength: 40 }), async (calls) => {
        const present = new Set<number>();
        const pins = new Set<number>();
        for (const i of hashes.keys()) await store.unpin(hashes[i]);
        await store.gc();
        for (const { what, which } of calls) {
          if (what === "put") {
            present.add(which);
            await store.put(blobs[which]);
          } else if (what === "delete") {
            assert.equal(await store.delete(hashes[which]), present.delete(which));
          } else if (what === "pin") {
            pins.add(which);
            await store.pin(hashes[which]);
          } else if (what === "unpin") {
            pins.delete(which);
            await store.unpin(hashes[which]);
          } else {
            const victims = [...present].filter((i) => !pins.has(i) && i !== which);
            const { blobs: count } = await store.gc({ roots: [hashes[which]] });
            assert.equal(count, victims.length);
            for (const i of victims) present.delete(i);
          }
        }
        for (const i of hashes.keys()) {
          const stat = await store.stat(hashes[i]);
          assert.equal(stat !== undefined, present.has(i));
          if (stat === undefined) continue;
          assert.equal(stat.pinned, pins.has(i));
          assert.deepEqual(await store.get(hashes[i]), blobs[i]);
        }
      }),
      { numRuns: 30 },
    );
  });
}

async function stats(
  store: BlobStore,
  prefix?: string,
  options?: { signal: AbortSignal },
): Promise<BlobStat[]> {
  const found: BlobStat[] = [];
  for await (const stat of store.list(prefix, options)) found.push(stat);
  return found;
}

function isSyncReadable(store: BlobStore | SyncReadableStore): store is SyncReadableStore & BlobStore {
  return "readSync" in store;
}
