/**
 * Two things to do with a lock, by the first argument. `store`: opens a `FileBlobStore` whenever a line comes in and
 * closes it at the next, saying whether that worked. `fight`: takes the lock in a folder so many times, against others, and
 * fails when somebody else has it meanwhile.
 *
 * @module
 */

import { unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { tryLockFile } from "#lock";
import { FileBlobStore } from "../../src/blob/file_store.ts";

const [task, folder, count] = process.argv.slice(2);
const say = (line: object) => console.log(JSON.stringify(line));
const nextTurn = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

async function openOnDemand(): Promise<void> {
  let store: FileBlobStore | undefined;
  for await (const _line of createInterface(process.stdin)) {
    if (store !== undefined) {
      await store.close();
      store = undefined;
      say({ closed: true });
      continue;
    }
    try {
      store = await FileBlobStore.open(folder);
      say({ opened: true });
    } catch (error) {
      say({ opened: false, error: (error as Error).name });
    }
  }
}

async function fight(): Promise<void> {
  const busy = join(folder, "busy");
  for (let taken = 0; taken < Number(count);) {
    const lock = tryLockFile(join(folder, "lock"));
    if (lock !== undefined) {
      // Fails when it is there.
      writeFileSync(busy, "", { flag: "wx" });
      if (taken % 3 === 0) await nextTurn();
      unlinkSync(busy);
      lock.release();
      taken++;
    }
    await nextTurn();
  }
  say({ taken: Number(count) });
}

await (task === "store" ? openOnDemand() : fight());
