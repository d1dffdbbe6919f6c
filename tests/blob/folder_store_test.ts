import assert from "node:assert/strict";
import {
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { chunkBytes } from "../../src/blob/chunking.ts";
import { FolderBlobStore } from "../../src/blob/folder_store.ts";
import { nobleBlake3 } from "../../src/crypto/blake3.ts";
import {
  HashMismatchError,
  InvalidArgumentError,
  LimitExceededError,
  PermissionDeniedError,
  SourceChangedError,
} from "../../src/errors.ts";
import { CHUNK_SIZE } from "../../src/wire/blob_ref.ts";
import { equalBytes } from "../../src/wire/bytes.ts";
import { testBlobStore } from "../compliance/blob_store.ts";
import { patterned } from "../support/patterned.ts";
import { tempDir, tempPermissions as permissions, tempRoot, testInTempDir } from "../support/temp.ts";

const blake3 = nobleBlake3();

/** Writes a file and tells the store of it; the addresses of its chunks. */
function addFile(store: FolderBlobStore, root: string, name: string, bytes: Uint8Array): Uint8Array[] {
  const path = join(root, name);
  writeFileSync(path, bytes);
  // Long ago, so that a change is seen however coarse the clock.
  utimesSync(path, 1_000_000, 1_000_000);
  return tellOf(store, root, name, bytes);
}

function tellOf(store: FolderBlobStore, root: string, name: string, bytes: Uint8Array): Uint8Array[] {
  const fd = openSync(join(root, name), "r");
  const { chunks } = chunkBytes(bytes, blake3);
  store.addFile(name, fstatSync(fd), chunks);
  closeSync(fd);
  return chunks.map((chunk) => chunk.hash);
}

testBlobStore("folder store", () => {
  const folder = tempDir();
  const store = new FolderBlobStore(folder.path);
  let files = 0;
  return Promise.resolve({
    store,
    add(bytes) {
      const [hash] = addFile(store, folder.path, `file${files++}`, bytes);
      return Promise.resolve(hash);
    },
    async damage(hash) {
      for (let i = 0; i < files; i++) {
        const path = join(folder.path, `file${i}`);
        const bytes = new Uint8Array(readFileSync(path));
        if (!equalBytes(blake3.hash(bytes), hash)) continue;
        bytes[0] ^= 1;
        writeFileSync(path, bytes);
      }
      await Promise.resolve();
    },
    dispose: () => folder[Symbol.dispose](),
  });
}, { isReadOnly: true, permissions });

testInTempDir("folder store: chunks of a large file, in parts and in any order", async (path) => {
  await using store = new FolderBlobStore(path);
  const bytes = patterned(CHUNK_SIZE + 70_000);
  const [first, second] = addFile(store, path, "large", bytes);
  for (const offset of [1_000_000, 0, CHUNK_SIZE - 65_536, 3]) {
    assert.deepEqual(store.readSync(first, offset, 65_536), bytes.slice(offset, offset + 65_536));
  }
  assert.deepEqual(await store.get(second), bytes.slice(CHUNK_SIZE));
  assert.deepEqual(await store.get(first), bytes.slice(0, CHUNK_SIZE));
});

testInTempDir("folder store: many large files need few descriptors", async (path) => {
  await using store = new FolderBlobStore(path);
  const files = Array.from({ length: 40 }, (_, i) => patterned(1000 + i));
  const hashes = files.map((bytes, i) => addFile(store, path, `f${i}`, bytes)[0]);
  for (let round = 0; round < 3; round++) {
    for (const [i, hash] of hashes.entries()) {
      assert.deepEqual(store.readSync(hash, 10, 20), files[i].slice(10, 30));
    }
  }
});

const changes: Record<string, (path: string, file: string) => void> = {
  "another size": (_, file) => writeFileSync(file, patterned(999)),
  "other bytes of the same size": (_, file) => writeFileSync(file, patterned(1000).fill(1)),
  "another time": (_, file) => utimesSync(file, 2_000_000, 2_000_000),
  "cut": (_, file) => truncateSync(file, 10),
  "gone": (_, file) => rmSync(file),
  "replaced by the same bytes": (path, file) => {
    writeFileSync(join(path, "new"), patterned(1000));
    utimesSync(join(path, "new"), 1_000_000, 1_000_000);
    renameSync(join(path, "new"), file);
  },
  "a symbolic link to the same bytes": (path, file) => {
    // Not the file itself under another name: that would be what was hashed, and a runtime may follow the link.
    writeFileSync(join(path, "elsewhere"), patterned(1000));
    rmSync(file);
    symlinkSync("elsewhere", file);
  },
};

for (const [what, change] of Object.entries(changes)) {
  for (const isOpen of [false, true]) {
    // A kept descriptor still leads to a file that was renamed, and its bytes are the right ones.
    if (isOpen && (what.startsWith("a symbolic link") || what.startsWith("replaced") || what === "gone")) {
      continue;
    }
    const when = isOpen ? "while it is kept open" : "before it is opened";
    // Deno makes a symbolic link only with permission for everything.
    const rights = what.startsWith("a symbolic link") ? "inherit" : permissions;
    Deno.test(`folder store: a file changed ${when}: ${what}`, { permissions: rights }, async () => {
      using folder = tempDir();
      const { path } = folder;
      await using store = new FolderBlobStore(path);
      const [hash] = addFile(store, path, "file", patterned(1000));
      const [other] = addFile(store, path, "other", patterned(500));
      if (isOpen) store.readSync(hash, 0, 10);
      change(path, join(path, "file"));
      const isChanged = (error: unknown) => {
        assert(error instanceof SourceChangedError);
        assert.equal(error.path, join(path, "file"));
        return true;
      };
      assert.throws(() => store.readSync(hash, 0, 10), isChanged);
      assert.throws(() => store.readSync(hash, 0, 1000), isChanged);
      await assert.rejects(store.get(hash), isChanged);
      assert.equal(await store.has(hash), false);
      assert.deepEqual((await store.verify()).damaged, [hash]);
      assert.deepEqual(await store.get(other), patterned(500));
    });
  }
}

testInTempDir("folder store: a change that no time shows is found by the hash", async (path) => {
  await using store = new FolderBlobStore(path);
  const file = join(path, "file");
  writeFileSync(file, patterned(1000).fill(7));
  // As if the file had been written between hashing and fstat.
  const [hash] = tellOf(store, path, "file", patterned(1000));
  await assert.rejects(store.get(hash), HashMismatchError);
  await assert.rejects(store.getStream(hash).then((stream) => stream!.getReader().read()), HashMismatchError);
});

testInTempDir("folder store: the first of two files with the same bytes counts", async (path) => {
  await using store = new FolderBlobStore(path);
  const [hash] = addFile(store, path, "one", patterned(100));
  addFile(store, path, "two", patterned(100));
  rmSync(join(path, "two"));
  assert.deepEqual(await store.get(hash), patterned(100));
});

testInTempDir("folder store: bytes that are no file are kept in memory", async (path) => {
  await using store = new FolderBlobStore(path);
  const bytes = patterned(300);
  const hash = await store.addBytes(bytes);
  bytes.fill(0);
  assert.deepEqual(await store.get(hash), patterned(300));
  assert.equal(store.sizeSync(hash), 300);
  await assert.rejects(store.addBytes(new Uint8Array(17 * 1024 * 1024)), LimitExceededError);
});

testInTempDir("folder store: chunks that leave their file are refused", async (path) => {
  await using store = new FolderBlobStore(path);
  const identity = { size: 10, mtimeMs: 0, ctimeMs: 0, ino: 1, dev: 1 };
  const hash = new Uint8Array(32);
  assert.throws(() => store.addFile("f", identity, [{ hash, offset: 5, size: 6 }]), InvalidArgumentError);
  assert.equal(await store.has(hash), false);
});

testInTempDir("folder store: a hundred thousand files", async (path) => {
  await using store = new FolderBlobStore(path);
  const hash = new Uint8Array(32);
  const view = new DataView(hash.buffer);
  for (let i = 0; i < 100_000; i++) {
    view.setUint32(0, i);
    store.addFile(`d/${i}`, { size: i, mtimeMs: i, ctimeMs: i, ino: i, dev: 1 }, [{
      hash,
      offset: 0,
      size: i,
    }]);
  }
  for (const i of [0, 1, 63, 64, 65, 99_999]) {
    view.setUint32(0, i);
    assert.equal(store.sizeSync(hash), i);
  }
});

Deno.test("folder store: without permission the error names the flag", { permissions: "none" }, async () => {
  await using store = new FolderBlobStore(tempRoot);
  const hash = new Uint8Array(32);
  store.addFile("file", { size: 3, mtimeMs: 0, ctimeMs: 0, ino: 0, dev: 0 }, [{ hash, offset: 0, size: 3 }]);
  await assert.rejects(store.get(hash), (error) => {
    assert(error instanceof PermissionDeniedError);
    assert.deepEqual(error.flags, [`--allow-read=${tempRoot}`]);
    return true;
  });
});

testInTempDir(
  "folder store: bytes kept since the hashing are served until they are forgotten",
  async (path) => {
    await using store = new FolderBlobStore(path, { recentBytes: 256 * 1024 });
    const kept = patterned(5_000);
    const large = patterned(65_537);
    for (const [name, bytes] of [["kept", kept], ["large", large]] as const) {
      writeFileSync(join(path, name), bytes);
      const { chunks } = chunkBytes(bytes, blake3);
      const fd = openSync(join(path, name), "r");
      // A copy that is used for something else afterwards.
      const copy = bytes.slice();
      store.addFile(name, fstatSync(fd), chunks, copy);
      copy.fill(0);
      closeSync(fd);
      rmSync(join(path, name));
    }
    const hash = blake3.hash(kept);
    assert.deepEqual(store.readSync(hash, 0, 5_000), kept);
    assert.deepEqual(store.readSync(hash, 10, 20, new Uint8Array(20)), kept.slice(10, 30));
    assert.deepEqual(await store.get(hash), kept);
    // What is not worth keeping is looked for where it was.
    assert.throws(() => store.readSync(blake3.hash(large), 0, 65_537), SourceChangedError);
    store.forgetBytes();
    assert.throws(() => store.readSync(hash, 0, 5_000), SourceChangedError);
  },
);

testInTempDir(
  "folder store: there is room for the bytes of more files once those before were asked for",
  async (path) => {
    const size = 64 * 1024;
    await using store = new FolderBlobStore(path, { recentBytes: 16 * size });
    const hashes = Array.from({ length: 16 }, (_, i) => {
      const bytes = patterned(size - i);
      const { chunks } = chunkBytes(bytes, blake3);
      const identity = { size: bytes.length, mtimeMs: 0, ctimeMs: 0, ino: i, dev: 0 };
      store.addFile(`${i}`, identity, chunks, bytes);
      return blake3.hash(bytes);
    });
    const ask = (i: number) => store.readSync(hashes[i], 0, size - i);
    assert.equal(store.waitForRoom(60_000), undefined);
    ask(0);
    const wait = store.waitForRoom(60_000);
    assert.ok(wait instanceof Promise);
    for (let i = 1; i < 6; i++) ask(i);
    assert.equal(await wait, true);
    assert.equal(store.waitForRoom(60_000), undefined);
  },
);
