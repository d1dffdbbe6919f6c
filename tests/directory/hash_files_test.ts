import assert from "node:assert/strict";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { loadBlake3 } from "../../src/crypto/blake3.ts";
import { hashFiles, partsOf } from "../../src/directory/hash_files.ts";
import { scanDir, shareFolder, storeDir } from "../../src/directory/mod.ts";
import { WorkPacer } from "../../src/directory/pacer.ts";
import { hashOfPiece } from "../../src/directory/piece_batch.ts";
import { walkTree } from "../../src/directory/walk.ts";
import { SourceChangedError } from "../../src/errors.ts";
import { encodeBlobRef } from "../../src/wire/blob_ref.ts";
import { tempPermissions, withTempDir } from "../support/temp.ts";

/** Small files, large ones around the ends of chunks, and one so large that a helping thread is started. */
function makeManyFiles(root: string): void {
  for (let i = 0; i < 600; i++) {
    const folder = join(root, String(i % 30));
    if (i < 30) mkdirSync(folder);
    writeFileSync(join(folder, `f${i}`), new Uint8Array(i % 40).fill(i));
  }
  for (const size of [4_194_304, 4_194_305, 8_388_608]) {
    const bytes = Uint8Array.from({ length: 1021 }, (_, i) => i * size);
    const content = new Uint8Array(size);
    for (let at = 0; at < size; at += bytes.length) content.set(bytes.subarray(0, size - at), at);
    writeFileSync(join(root, `large${size}`), content);
  }
  writeFileSync(join(root, "zeros"), "");
  truncateSync(join(root, "zeros"), 48 * 2 ** 20 + 1);
}

/** With the helper, and without: its module may not be read. */
for (
  const [name, permissions] of [["two threads", { ...tempPermissions, read: true }], ["one", tempPermissions]]
) {
  Deno.test(
    `scanDir: ${name} find what a store is given`,
    { permissions } as Deno.TestDefinition,
    () =>
      withTempDir(async (temp) => {
        makeManyFiles(temp);
        const store = new MemoryBlobStore();
        const stored = await storeDir(store, temp);
        let last = { files: 0, bytes: 0, totalFiles: -1, totalBytes: -1 };
        const scanned = await scanDir(temp, { onProgress: (progress) => last = { ...progress } });
        assert.deepEqual(encodeBlobRef(scanned.ref), encodeBlobRef(stored.ref));
        assert.deepEqual(scanned.stats, stored.stats);
        assert.deepEqual([last.files, last.bytes], [last.totalFiles, last.totalBytes]);
        const shared = await shareFolder(temp);
        for await (const { hash, size } of store.list()) {
          assert.equal(shared.store.sizeSync(hash), size);
          assert.deepEqual(await shared.store.get(hash), await store.get(hash));
        }
        await shared.store.close();
        await store.close();
      }),
  );
}

Deno.test("hash files: one that is not what was listed is noticed on either thread", {
  permissions: { ...tempPermissions, read: true },
}, () =>
  withTempDir(async (temp) => {
    makeManyFiles(temp);
    const pacer = new WorkPacer(undefined);
    const { records } = (await walkTree(temp, { action: "Test", pacer })).table;
    const files = records.filter(({ kind }) => kind === "file");
    const blake3 = await loadBlake3();
    for (const index of [0, 300, files.length - 1]) {
      for (const lie of [{ mtimeMs: 1 }, { ino: 1 }, { size: files[index].size + 1 }]) {
        const lying = files.with(index, { ...files[index], ...lie });
        const work = hashFiles(partsOf(lying), {
          action: "Test",
          root: temp,
          blake3,
          pacer,
          bytes: 1e9,
          onPiece: () => {},
        });
        await assert.rejects(work, SourceChangedError);
      }
    }
  }));

for (const bytes of [1e6, 1e9]) {
  Deno.test(`hash files: bytes that are given with a piece are the piece's, ${bytes} announced`, {
    permissions: { ...tempPermissions, read: true },
  }, () =>
    withTempDir(async (temp) => {
      makeManyFiles(temp);
      const pacer = new WorkPacer(undefined);
      const { records } = (await walkTree(temp, { action: "Test", pacer })).table;
      const parts = [...partsOf(records.filter(({ kind, size }) => kind === "file" && size < 1e7))];
      const blake3 = await loadBlake3();
      let pieces = 0;
      let given = 0;
      const options = { action: "Test", root: temp, blake3, pacer, bytes };
      await hashFiles(parts, {
        ...options,
        onPiece: (part, result, index, content) => {
          assert.equal(part, parts[pieces++]);
          if (content === undefined) return;
          given++;
          assert.deepEqual(blake3.hash(content), hashOfPiece(result, index));
        },
      });
      assert.equal(pieces, parts.length);
      // One thread has them all at hand.
      if (bytes < 1e9) assert.equal(given, pieces);
    }));
}

Deno.test("scanDir: what ends the work ends the helper", {
  permissions: { ...tempPermissions, read: true },
}, () =>
  withTempDir(async (temp) => {
    makeManyFiles(temp);
    const stop = new AbortController();
    const reason = new Error("enough");
    let calls = 0;
    const onProgress = () => void (++calls === 400 && stop.abort(reason));
    await assert.rejects(scanDir(temp, { signal: stop.signal, onProgress }), reason);
    const thrown = new Error("thrown");
    calls = 0;
    const throwing = () => {
      if (++calls === 500) throw thrown;
    };
    await assert.rejects(scanDir(temp, { onProgress: throwing }), thrown);
  }));
