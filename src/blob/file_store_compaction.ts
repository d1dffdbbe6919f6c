/**
 * Giving space back: packs that are mostly records that no longer count are emptied into the newest pack and
 * removed, one at a time. First the copies become durable, then the old pack goes, so that at any moment every blob
 * is in a pack that is there after a crash.
 *
 * @module
 */

import { keyHash } from "./blob_key.ts";
import type { BlobPlace, FileIndex } from "./file_store_index.ts";
import type { PackLog } from "./file_store_log.ts";
import type { Pack } from "./file_store_pack.ts";
import { PACK_HEADER_LENGTH, RecordKind } from "./file_store_record.ts";
import { yieldToOthers } from "./sync_store.ts";

/** A pack is emptied when this share of it no longer counts: at 1/4, up to 3 bytes are copied to free one. */
const MIN_DEAD_SHARE = 1 / 4;
/** Bytes copied before others get to run. */
const YIELD_BYTES = 8 * 1024 * 1024;

/** Empties and removes packs. `check` is called now and then, and throws to end the work; nothing is lost then. */
export async function compact(log: PackLog, index: FileIndex, check: () => void): Promise<void> {
  if (log.active !== undefined && isWorthwhile(log.active)) log.seal();
  const packs = log.packs().filter((pack) => pack !== log.active && isWorthwhile(pack));
  if (packs.length === 0) return;
  const contents = contentsOf(packs, index);
  // Empty ones first: they give back space that copying the others may need.
  packs.sort((a, b) => Number(a.live > 0) - Number(b.live > 0) || a.id - b.id);
  for (const pack of packs) {
    await movePack(log, index, pack, contents.get(pack)!, check);
    check();
  }
}

/** What of a pack counted when the work began. */
interface PackContents {
  readonly blobs: [key: string, place: BlobPlace][];
  readonly pins: string[];
}

function isWorthwhile(pack: Pack): boolean {
  const size = pack.end - PACK_HEADER_LENGTH;
  return size - pack.live >= size * MIN_DEAD_SHARE;
}

function contentsOf(packs: readonly Pack[], index: FileIndex): Map<Pack, PackContents> {
  const contents = new Map<Pack, PackContents>();
  for (const pack of packs) contents.set(pack, { blobs: [], pins: [] });
  for (const entry of index.blobs()) contents.get(entry[1].pack)?.blobs.push(entry);
  for (const [key, pack] of index.pins()) contents.get(pack)?.pins.push(key);
  return contents;
}

async function movePack(
  log: PackLog,
  index: FileIndex,
  pack: Pack,
  contents: PackContents,
  check: () => void,
): Promise<void> {
  let copied = 0;
  for (const [key, place] of contents.blobs) {
    // Deleted, or stored anew, while others ran.
    if (index.get(key) !== place) continue;
    const blob = log.read(pack, place.offset, 0, place.length);
    index.put(key, { ...log.append(RecordKind.put, keyHash(key), blob), length: place.length });
    copied += blob.length;
    if (copied < YIELD_BYTES) continue;
    copied = 0;
    await yieldToOthers();
    check();
  }
  for (const key of contents.pins) {
    if (index.pinPlace(key) === pack) index.pin(key, log.append(RecordKind.pin, keyHash(key)).pack);
  }
  const { records } = log.scan(pack);
  for (const { kind, key } of index.neededWithout(records)) log.append(kind, keyHash(key));
  await log.durable();
  // Whatever others did meanwhile went to the newest pack; this one was sealed.
  log.remove(pack);
  index.forget(records);
}
