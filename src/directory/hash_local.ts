/**
 * Hashing the own tree while a holder still reads the one that is to take its place: time that would pass in waiting.
 *
 * @module
 */

import { loadBlake3 } from "../crypto/blake3.ts";
import { HawserError } from "../errors.ts";
import { hashTree } from "./hash_tree.ts";
import type { WorkPacer } from "./pacer.ts";
import type { RecordTable } from "./record_table.ts";
import type { TreeMemory } from "./tree_cache_format.ts";

/**
 * What the files of the tree at `root` hold, as if it were remembered. `undefined` when one cannot be read or changes
 * meanwhile: then each is looked at when it is needed.
 *
 * @param table its entries, sorted by the UTF-8 bytes of their paths.
 * @param since a moment before they were listed, milliseconds since 1970.
 */
export async function hashLocalTree(
  action: string,
  root: string,
  table: RecordTable,
  since: number,
  pacer: WorkPacer,
): Promise<TreeMemory | undefined> {
  const blake3 = await loadBlake3();
  if (blake3.pieces === undefined) return undefined;
  const nobody = () => {};
  try {
    const { hashes, trust } = await hashTree(table, {
      action,
      root,
      blake3,
      pacer,
      since,
      verify: true,
      onKnown: nobody,
      onPiece: nobody,
      onFile: nobody,
      onHashes: nobody,
    });
    return { table, hashes, trust };
  } catch (error) {
    if (error instanceof HawserError) return undefined;
    throw error;
  }
}
