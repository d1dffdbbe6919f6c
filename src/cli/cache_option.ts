/**
 * Where a command remembers directories.
 *
 * @module
 */

import { absolutePath } from "#process";
import type { CliIo } from "./io.ts";

/** Options of the commands that read directories. */
export interface CacheOptions {
  /** A folder in place of the usual one. */
  readonly cache: string | undefined;
  /** Whether there is to be none. */
  readonly noCache: boolean;
  /** Whether everything is read all the same. */
  readonly verify: boolean;
}

/**
 * What a command's options come to. The usual folder may turn out not to be permitted, which is no error; throws
 * `PermissionDeniedError` when one was asked for that is not.
 */
export async function cacheOf(
  { cache, noCache, verify }: CacheOptions,
  io: CliIo,
): Promise<{ readonly cache?: string; readonly verify: boolean }> {
  if (noCache) return { verify };
  if (cache !== undefined) {
    const { requireReadWrite } = await import("../directory/access.ts");
    requireReadWrite("Open cache", await absolutePath(cache));
  }
  return { cache: cache ?? await io.cacheFolder(), verify };
}
