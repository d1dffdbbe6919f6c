import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FileBlobStore } from "../../src/blob/file_store.ts";
import {
  FileSystemError,
  InvalidArgumentError,
  LockedError,
  PermissionDeniedError,
} from "../../src/errors.ts";
import { testBlobStore } from "../compliance/blob_store.ts";
import { patterned } from "../support/patterned.ts";
import { tempDir, tempPermissions as permissions, tempRoot, testInTempDir } from "../support/temp.ts";
import { damageBlob, packsOf } from "./file_store_support.ts";

for (const fsync of ["batch", "always", "never"] as const) {
  testBlobStore(`file store, fsync ${fsync}`, async () => {
    const folder = tempDir();
    const path = join(folder.path, "store");
    // Small packs: the suite crosses their borders all the time. A new one costs two syncs.
    const options = { fsync, packBytes: fsync === "never" ? 16 * 1024 : 128 * 1024 };
    return {
      store: await FileBlobStore.open(path, options),
      damage: (hash) => damageBlob(path, hash),
      reopen: () => FileBlobStore.open(path, options),
      dispose: () => folder[Symbol.dispose](),
    };
  }, { permissions });
}

testInTempDir("file store: many small blobs are one file", async (path) => {
  await using store = await FileBlobStore.open(path);
  await Promise.all(Array.from({ length: 1000 }, (_, i) => store.put(patterned(i))));
  assert.deepEqual(readdirSync(path).sort(), ["00000001.pack", "lock", "reserve"]);
  const { blobs, packs, deadBytes } = store.usage();
  assert.deepEqual({ blobs, packs, deadBytes }, { blobs: 1000, packs: 1, deadBytes: 48 });
});

testInTempDir("file store: opening and closing without a change writes nothing", async (path) => {
  const first = await FileBlobStore.open(path);
  await first.put(patterned(100));
  await first.close();
  const size = statSync(join(path, "00000001.pack")).size;
  for (let i = 0; i < 3; i++) {
    await using store = await FileBlobStore.open(path);
    assert.deepEqual(store.recovery, {
      truncatedBytes: 0,
      skippedBytes: 0,
      damaged: [],
      unreadablePacks: [],
    });
  }
  assert.equal(statSync(join(path, "00000001.pack")).size, size);
});

testInTempDir("file store: gc gives space back and keeps what counts", async (path) => {
  const store = await FileBlobStore.open(path, { packBytes: 20_000 });
  const hashes = await Promise.all(Array.from({ length: 100 }, (_, i) => store.put(patterned(1000 + i))));
  const roots = hashes.filter((_, i) => i % 10 === 0);
  await store.pin(hashes[55]);
  const before = store.usage();
  const reading = store.gc({ roots });
  // Reads go on while packs go away.
  for (const hash of roots) assert((await store.get(hash)) !== undefined);
  await reading;
  const after = store.usage();
  assert(after.packBytes < before.packBytes / 4, `${before.packBytes} to ${after.packBytes} bytes`);
  assert.equal(packsOf(path).length, after.packs);
  await store.close();
  await using again = await FileBlobStore.open(path);
  assert.deepEqual(again.usage().blobs, 11);
  assert.deepEqual(await again.verify(), { checked: 11, damaged: [] });
  await again.unpin(hashes[55]);
  await again.gc();
  assert.deepEqual(packsOf(path), []);
});

testInTempDir("file store: what was deleted stays away through any number of collections", async (path) => {
  const options = { packBytes: 5000, fsync: "never" } as const;
  let store = await FileBlobStore.open(path, options);
  const keep: Uint8Array[] = [];
  const drop: Uint8Array[] = [];
  // Packs that stay as they are, each with a blob that goes: only the deletes, elsewhere, keep it away.
  for (let i = 0; i < 40; i++) {
    keep.push(await store.put(patterned(900 + i)));
    if (i % 4 === 0) drop.push(await store.put(patterned(100 + i)));
  }
  for (let round = 0; round < 8; round++) {
    for (const hash of drop) await store.delete(hash);
    for (let i = 0; i < 10; i++) await store.put(patterned(2000 + i));
    await store.gc({ roots: keep });
    await store.close();
    store = await FileBlobStore.open(path, options);
    assert.equal(store.usage().blobs, 40);
    if (round % 3 === 1) await Promise.all(drop.map((_, i) => store.put(patterned(100 + 4 * i))));
  }
  // The deletes themselves do not pile up.
  assert(store.usage().deadBytes < 8000, `${store.usage().deadBytes} dead bytes`);
  await store.gc();
  // Deletes of what was stored again later wait for one more round.
  await store.gc();
  assert.deepEqual(packsOf(path), []);
  await store.close();
});

testInTempDir("file store: a second opening gets LockedError", async (path) => {
  const store = await FileBlobStore.open(path);
  await assert.rejects(FileBlobStore.open(path), (error) => {
    assert(error instanceof LockedError);
    assert.equal(error.path, join(path, "lock"));
    return true;
  });
  await store.close();
  await (await FileBlobStore.open(path)).close();
});

testInTempDir("file store: options and paths that do not work", async (path) => {
  await assert.rejects(FileBlobStore.open(path, { packBytes: 10 }), InvalidArgumentError);
  await assert.rejects(FileBlobStore.open(path, { fsync: "sometimes" as "never" }), InvalidArgumentError);
  await assert.rejects(FileBlobStore.open(""), InvalidArgumentError);
  await assert.rejects(FileBlobStore.open(join(path, "missing", "store")), { code: "ENOENT" });
  writeFileSync(join(path, "file"), "");
  await assert.rejects(FileBlobStore.open(join(path, "file")), FileSystemError);
  const reason = new Error("enough");
  await assert.rejects(
    FileBlobStore.open(path, { signal: AbortSignal.abort(reason) }),
    (error) => error === reason,
  );
});

testInTempDir("file store: a pack of a later release is not touched", async (path) => {
  const store = await FileBlobStore.open(path);
  await store.put(patterned(10));
  await store.close();
  const pack = join(path, "00000001.pack");
  const bytes = readFileSync(pack);
  // Version 2 with its checksum, in both copies of the header.
  const { encodePackHeader } = await import("../../src/blob/file_store_record.ts");
  const header = encodePackHeader({ id: 1, marker: bytes.subarray(8, 16) }, 2);
  bytes.set(header);
  writeFileSync(pack, bytes);
  await assert.rejects(FileBlobStore.open(path), { name: "UnsupportedVersionError" });
  assert.deepEqual(readFileSync(pack), bytes);
  // The failed opening let the lock go.
  await assert.rejects(FileBlobStore.open(path), { name: "UnsupportedVersionError" });
});

Deno.test("file store: without permission the error names the flag", { permissions: "none" }, async () => {
  const path = join(tempRoot, "hawser-no-permission");
  await assert.rejects(FileBlobStore.open(path), (error) => {
    assert(error instanceof PermissionDeniedError);
    assert.deepEqual(error.flags, [`--allow-write=${path}`]);
    return true;
  });
});

const readOnly: Deno.PermissionOptions = { read: [tempRoot], write: false };
Deno.test(
  "file store: with permission to read only the error names the flag",
  { permissions: readOnly },
  async () => {
    await assert.rejects(FileBlobStore.open(tempRoot), { flags: [`--allow-write=${tempRoot}`] });
  },
);
