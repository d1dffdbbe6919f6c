/** Deno's lock against files that Node's processes left or hold. */
import assert from "node:assert/strict";
import { readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { tryLockFile } from "../../src/runtime/lock_deno.ts";
import { BEAT_TIMEOUT } from "../../src/runtime/lock_holder.ts";
import { tempPermissions, withTempDir } from "../support/temp.ts";

/** No process has this id: Linux ends before. */
const NOBODY = 99999999;

/** Whether the lock is refused where the file says `text` and was touched `age` ms ago. */
function isRefused(file: string, text: string, age: number): boolean {
  writeFileSync(file, text);
  const touched = new Date(Date.now() - age);
  utimesSync(file, touched, touched);
  const lock = tryLockFile(file);
  assert.equal(readFileSync(file, "utf8"), lock === undefined ? text : `${process.pid}\n`);
  lock?.release();
  return lock === undefined;
}

Deno.test("lock of Deno: without --allow-run a Node process holds it while the file is fresh", {
  permissions: tempPermissions,
}, () =>
  withTempDir((path) => {
    const file = join(path, "lock");
    for (const text of [`${process.ppid} 1\n`, `${NOBODY} \n`]) {
      assert.equal(isRefused(file, text, 0), true);
      assert.equal(isRefused(file, text, BEAT_TIMEOUT / 2), true);
      assert.equal(isRefused(file, text, BEAT_TIMEOUT + 1000), false);
      assert.equal(isRefused(file, text, -BEAT_TIMEOUT - 1000), false, "a clock that was set back");
    }
    assert.equal(isRefused(file, `${process.ppid}\n`, 0), false, "what a killed Deno left");
  }));

Deno.test("lock of Deno: with --allow-run a Node process holds it while it lives", {
  permissions: { ...tempPermissions, run: true },
}, () =>
  withTempDir((path) => {
    const file = join(path, "lock");
    assert.equal(isRefused(file, `${process.ppid} \n`, 2 * BEAT_TIMEOUT), true);
    assert.equal(isRefused(file, `${NOBODY} \n`, 0), false);
    assert.equal(isRefused(file, `${process.pid} \n`, 0), false, "our own number, of a process before us");
  }));
