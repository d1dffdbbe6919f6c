/**
 * Compiled code that is kept for the next start, where Node can do that (from version 22.8 on).
 *
 * @module
 */

import process from "node:process";
import { cacheFolder } from "./cache_folder.ts";

/** What newer versions have of `node:module`. */
interface CodeKeeper {
  enableCompileCache?(folder: string): unknown;
}

/** Not that of the trees: Node has its own way of keeping order there. */
const FOLDER = "hawser-code";

/**
 * From now on keeps the code of what is loaded, and takes what was kept. In a folder of this user's: from the one for all
 * users that Node has by default, others could give us code. Without a folder, nothing is kept.
 *
 * @param folder where. @param keeper what does it.
 */
export function keepCompiledCode(
  folder: string | undefined = cacheFolder(FOLDER),
  keeper: CodeKeeper = process.getBuiltinModule("node:module") as CodeKeeper,
): void {
  if (folder !== undefined) keeper.enableCompileCache?.(folder);
}
