/**
 * Removing a directory, Deno driver: its threads do it, two at once on different parts.
 *
 * @module
 */

import type { RemoveAll } from "./remove.ts";

/** More at once gain nothing: it is the file system's work, and two processors do most of it at the same time. */
const AT_ONCE = 2;

/** As {@linkcode RemoveAll}. */
export const removeAll: RemoveAll = async (path) => {
  const parts = partsOf(path);
  const work = async () => {
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) await remove(part);
  };
  const results = await Promise.allSettled(Array.from({ length: AT_ONCE }, work));
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  await remove(path);
};

/** What is in a directory, or in the only one that is in it. */
function partsOf(path: string): string[] {
  try {
    for (;;) {
      if (!Deno.lstatSync(path).isDirectory) return [];
      const entries = [...Deno.readDirSync(path)];
      if (entries.length !== 1 || !entries[0].isDirectory) {
        return entries.map(({ name }) => `${path}/${name}`);
      }
      path = `${path}/${entries[0].name}`;
    }
  } catch {
    // Absent, or not readable: then it is removed as a whole or not at all.
    return [];
  }
}

/** As {@linkcode RemoveAll}, of one part of a tree of which another thread removes others. */
export const removePart: RemoveAll = (path) => remove(path);

async function remove(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    // Also what has a name that is no UTF-8 and cannot be told by it: it goes with the directory around it.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
