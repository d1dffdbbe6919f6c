import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { tryLockFile } from "#lock";
import { tryLockFile as tryLockFileByName } from "../../src/runtime/lock_node.ts";
import { testInTempDir, withTempDir } from "../support/temp.ts";

testInTempDir("lock: one holder at a time", (path) => {
  const file = join(path, "lock");
  const first = tryLockFile(file);
  assert(first !== undefined);
  assert.equal(tryLockFile(file), undefined);
  const other = tryLockFile(join(path, "other"));
  assert(other !== undefined);
  other.release();
  first.release();
  first.release();
  const second = tryLockFile(file);
  assert(second !== undefined);
  second.release();
});

testInTempDir("lock: what is not a lock file does not hold", (path) => {
  const file = join(path, "lock");
  for (const content of ["", "someone\n", "-1 5\n", "\0\0\0"]) {
    writeFileSync(file, content);
    const lock = tryLockFile(file);
    assert(lock !== undefined);
    lock.release();
  }
  assert.throws(() => tryLockFile(join(path, "missing", "lock")));
});

/** Linux tells when a process started, and Deno passes it on only with every permission. */
function tellsStartTimes(): boolean {
  try {
    return readFileSync("/proc/self/stat").length > 0;
  } catch {
    return false;
  }
}

Deno.test("lock by name: held by the living only", () =>
  withTempDir((path) => {
    const file = join(path, "lock");
    const first = tryLockFileByName(file);
    assert(first !== undefined);
    assert.match(readFileSync(file, "utf8"), new RegExp(`^${process.pid} \\d*\n$`));
    assert.equal(tryLockFileByName(file), undefined);
    first.release();
    assert.equal(existsSync(file), false);

    const isTaken = (holder: string) => {
      writeFileSync(file, holder);
      const lock = tryLockFileByName(file);
      lock?.release();
      return lock === undefined;
    };
    assert.equal(isTaken(`${process.ppid} \n`), true, "as the Deno driver writes it");
    assert.equal(isTaken("99999999 1\n"), false);
    assert.equal(isTaken("nonsense"), false);
    assert.equal(isTaken(`${process.pid} 1\n`), false, "our own number, of a process before us");
    if (tellsStartTimes()) {
      assert.equal(isTaken(`${process.ppid} 1\n`), false, "another process with that number now");
    }
    assert.throws(() => tryLockFileByName(join(path, "missing", "lock")), { code: "ENOENT" });
  }));
