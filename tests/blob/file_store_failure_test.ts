import assert from "node:assert/strict";
import { join } from "node:path";
import { openWithFiles } from "../../src/blob/file_store.ts";
import { DiskFullError, FileSystemError, PermissionDeniedError, StoreError } from "../../src/errors.ts";
import { fileError } from "../../src/runtime/file_errors.ts";
import { patterned } from "../support/patterned.ts";
import { testInTempDir } from "../support/temp.ts";
import { openQuickly, QuickFiles } from "./file_store_support.ts";

/** A disk with room for so many bytes more. */
class SmallDisk extends QuickFiles {
  room = Infinity;
  /** Whether cutting a file fails, too. */
  isStuck = false;
  readonly #reserved = 1000;

  override write(fd: number, name: string, bytes: Uint8Array, length: number, position: number): void {
    if (name === "reserve") {
      if (this.room < this.#reserved) throw this.#full(name);
      this.room -= this.#reserved;
      return;
    }
    const grown = Math.max(0, position + length - this.size(fd, name));
    // As a real disk: what fits is written.
    if (grown > this.room) {
      super.write(fd, name, bytes, Math.max(0, length - grown + this.room), position);
      this.room = 0;
      throw this.#full(name);
    }
    this.room -= grown;
    super.write(fd, name, bytes, length, position);
  }

  override truncate(fd: number, name: string, size: number): void {
    if (this.isStuck) throw new FileSystemError("Truncate: EIO", name, "EIO");
    this.room += this.size(fd, name) - size;
    super.truncate(fd, name, size);
  }

  override unlink(name: string): void {
    if (name === "reserve") this.room += this.#reserved;
    else {
      const fd = this.open(name, "read");
      this.room += this.size(fd, name);
      this.close(fd);
    }
    super.unlink(name);
  }

  #full(name: string): DiskFullError {
    return new DiskFullError("Write: ENOSPC", name, "ENOSPC");
  }
}

for (const isStuck of [false, true]) {
  const how = isStuck ? ", and the half-written record stays" : "";
  testInTempDir(`file store: a full disk refuses a put and harms nothing${how}`, async (path) => {
    const disk = new SmallDisk(path);
    const store = await openWithFiles(path, { packBytes: 4096 }, disk);
    const first = await store.put(patterned(1000));
    disk.room = 500;
    disk.isStuck = isStuck;
    await assert.rejects(store.put(patterned(1001)), DiskFullError);
    assert.deepEqual(await store.get(first), patterned(1000));
    assert.equal(store.usage().blobs, 1);
    disk.room = 5000;
    const second = await store.put(patterned(1002));
    await store.close();
    await using again = await openQuickly(path);
    assert.deepEqual(await again.get(first), patterned(1000));
    assert.deepEqual(await again.get(second), patterned(1002));
    assert.deepEqual(await again.verify(), { checked: 2, damaged: [] });
  });
}

testInTempDir("file store: on a full disk blobs can be deleted and collected", async (path) => {
  const disk = new SmallDisk(path);
  const store = await openWithFiles(path, { packBytes: 4096 }, disk);
  const hashes = [];
  for (let i = 0; i < 6; i++) hashes.push(await store.put(patterned(1000 + i)));
  disk.room = 0;
  await assert.rejects(store.put(patterned(1)), DiskFullError);
  assert.equal(await store.delete(hashes[0]), true);
  assert.equal(await store.has(hashes[0]), false);
  assert.deepEqual(await store.gc({ roots: [hashes[5]] }), { blobs: 4, bytes: 4010 });
  await store.put(patterned(1));
  await store.close();
  await using again = await openQuickly(path);
  assert.deepEqual(await again.verify(), { checked: 2, damaged: [] });
});

testInTempDir("file store: opens on a full disk", async (path) => {
  const store = await openQuickly(path);
  const hash = await store.put(patterned(100));
  await store.close();
  const disk = new SmallDisk(path);
  disk.room = 0;
  await using again = await openWithFiles(path, {}, disk);
  assert.deepEqual(await again.get(hash), patterned(100));
});

testInTempDir(
  "file store: after a failed sync it takes no more, for what is on disk is not known",
  async (path) => {
    class FailingSync extends QuickFiles {
      fails = false;
      override sync(fd: number, name: string): Promise<void> {
        if (this.fails) return Promise.reject(new FileSystemError("Sync: EIO", name, "EIO"));
        return super.sync(fd, name);
      }
    }
    const files = new FailingSync(path);
    const store = await openWithFiles(path, {}, files);
    const hash = await store.put(patterned(10));
    files.fails = true;
    const results = await Promise.allSettled([store.put(patterned(11)), store.put(patterned(12))]);
    assert.deepEqual(results.map((result) => result.status), ["rejected", "rejected"]);
    files.fails = false;
    await assert.rejects(store.put(patterned(13)), StoreError);
    assert.deepEqual(await store.get(hash), patterned(10));
    await assert.rejects(store.close(), StoreError);
    // The lock is free all the same.
    await using again = await openQuickly(path);
    assert.deepEqual(await again.get(hash), patterned(10));
  },
);

Deno.test("file errors: what the system says becomes the library's error", { permissions: "none" }, () => {
  const make = (fields: Record<string, string>) =>
    fileError(Object.assign(new Error("text"), fields), "Write", "/d/f", "/d");
  for (const code of ["ENOSPC", "EDQUOT"]) {
    const error = make({ code });
    assert(error instanceof DiskFullError);
    assert.equal(error.code, code);
    assert.equal(error.message, `Write "/d/f": ${code}`);
  }
  const other = make({ code: "EIO" });
  assert(other instanceof FileSystemError && !(other instanceof DiskFullError));
  assert.equal((other.cause as Error).message, "text");
  const deno = make({
    name: "NotCapable",
    message: "Requires write access, run with the --allow-write flag",
  });
  assert(deno instanceof PermissionDeniedError);
  assert.deepEqual(deno.flags, ["--allow-write=/d"]);
  const node = make({ code: "ERR_ACCESS_DENIED", permission: "FileSystemWrite" });
  assert(node instanceof PermissionDeniedError);
  assert.deepEqual(node.flags, ["--allow-fs-write=/d"]);
  const forbidden = make({ code: "ERR_ACCESS_DENIED", permission: "" });
  assert(forbidden instanceof FileSystemError && !(forbidden instanceof PermissionDeniedError));
  assert.equal(forbidden.message, 'Write "/d/f": text');
  assert.equal(fileError(other, "Read", "/x"), other, "an error of the library stays as it is");
  assert.equal(fileError("odd", "Read", join("/x")).message, 'Read "/x": odd');
});
