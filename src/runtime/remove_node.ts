/**
 * Removing a directory, Node driver: with synchronous calls, some milliseconds at a time, in half the time of the call
 * that Node has for it.
 *
 * @module
 */

import { lstatSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { rm } from "node:fs/promises";
import { yieldToEventLoop } from "./host.ts";
import type { RemoveAll } from "./remove.ts";

/** Work between two turns of the event loop, milliseconds. */
const SLICE_MS = 8;

/** As {@linkcode RemoveAll}. */
export const removeAll: RemoveAll = async (path) => {
  try {
    // Listing would follow a link.
    if (lstatSync(path).isDirectory()) return await removeTree(path);
  } catch {
    // Absent, a name that is no UTF-8, permissions: Node knows what to do, or how to say that it cannot.
  }
  await rm(path, { recursive: true, force: true });
};

/** As {@linkcode RemoveAll}, of one part of a tree of which another thread removes others. */
export const removePart: RemoveAll = removeAll;

async function removeTree(path: string): Promise<void> {
  let since = performance.now();
  const pause = async () => {
    if (performance.now() - since < SLICE_MS) return;
    await yieldToEventLoop();
    since = performance.now();
  };
  /** Those that are empty but for directories, parents first. */
  const dirs = [path];
  for (const dir of dirs) {
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      const child = `${dir}/${entry.name}`;
      if (entry.isDirectory()) dirs.push(child);
      else unlinkSync(child);
    }
    await pause();
  }
  for (const dir of dirs.reverse()) {
    rmdirSync(dir);
    await pause();
  }
}
