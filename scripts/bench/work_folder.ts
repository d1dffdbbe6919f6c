/**
 * Where inputs and copies lie: in memory, so that the network and the programs are measured and not the disk. Not below
 * `/dev/shm`, where Deno lets nobody write without every permission.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** A folder to work in. */
export interface WorkFolder {
  readonly folder: string;
  readonly inMemory: boolean;
  /** Removes it with all that is in it. */
  remove(): void;
}

/** A new folder below `parent`; without it, in memory of its own, or the user's, or on disk, whichever comes first. */
export function makeWorkFolder(parent?: string): WorkFolder {
  const user = Deno.env.get("XDG_RUNTIME_DIR");
  const mount = parent === undefined ? mountMemory() : undefined;
  if (mount !== undefined) return mount;
  const folder = mkdtempSync(join(resolve(parent ?? user ?? tmpdir()), "hawser-bench-"));
  return {
    folder,
    inMemory: parent !== undefined || user !== undefined,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** A file system in memory of its own; only root may mount one. */
function mountMemory(): WorkFolder | undefined {
  const folder = mkdtempSync(join(tmpdir(), "hawser-bench-"));
  if (spawnSync("mount", ["-t", "tmpfs", "-o", "mode=0700", "tmpfs", folder]).status !== 0) {
    rmdirSync(folder);
    return undefined;
  }
  let mounted = true;
  return {
    folder,
    inMemory: true,
    remove() {
      if (!mounted) return;
      mounted = false;
      for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true });
      // Lazily: what was just killed may hold it for a moment.
      spawnSync("umount", ["-l", folder]);
      rmdirSync(folder);
    },
  };
}
