/**
 * What a fetch is of: a directory whose manifest is known, or one whose outline is and whose hashes come while it is
 * fetched.
 *
 * @module
 */

import type { ChunkSource } from "../blob/source.ts";
import { loadBlake3 } from "../crypto/blake3.ts";
import { LimitExceededError } from "../errors.ts";
import { withSignal } from "../mesh/abort.ts";
import { hostPlatform } from "../runtime/host.ts";
import type { BlobRef } from "../wire/blob_ref.ts";
import type { DirEntry } from "../wire/dir_manifest.ts";
import type { OutlineEntry } from "../wire/dir_outline.ts";
import type { DirectoryOffer, OfferSource } from "./directory_offer.ts";
import type { KnownChunks } from "./fetch_jobs.ts";
import type { FetchDirStats, ReadManifestOptions } from "./fetch_options.ts";
import { ChangedManifest } from "./changed_target.ts";
import type { KnownTree } from "./known_tree.ts";
import { DEFAULT_MAX_MANIFEST_BYTES } from "./limits.ts";
import { type FollowedOffer, OfferFollower } from "./offer_follower.ts";
import { manifestKey, outlineKey } from "./outline_key.ts";
import type { WorkPacer } from "./pacer.ts";
import { baseKey, type PackedChanges } from "./packed_changes.ts";
import { checkManifestPaced, type CheckOptions, checkOutlinePaced, type ManifestPlan } from "./plan.ts";
import { isPlannable } from "./plan_files.ts";
import { readManifest } from "./read_manifest.ts";
import type { TreeMemory } from "./tree_cache_format.ts";

const HASH_LENGTH = 32;

/** A directory to fetch. */
export interface FetchTarget {
  /** What is in it; not checked yet. */
  readonly entries: { readonly length: number };
  /** Checks everything that is known of it, and says what is to be made. */
  check(options: CheckOptions, pacer: WorkPacer): Promise<ManifestPlan>;
  /** What its staging folders are known by. @param plan as it was checked. */
  key(plan: ManifestPlan): Promise<string>;
  /** Begins to take the hashes that are not in the plan; `undefined` when all are. */
  follow(plan: ManifestPlan): KnownChunks | undefined;
  /** The reference and the manifest's size, which may be known only when all content is. */
  settled(): Promise<FollowedOffer>;
  /** Takes nothing more. */
  close(): void;
}

/** What {@linkcode openTarget} needs besides what is to be fetched. */
export interface OpenTargetOptions extends ReadManifestOptions {
  /** Whether it is fetched while its holder still reads it, where that is possible: not of trees of many terabytes. */
  readonly live: boolean;
  /** Is told when something has changed since the destination was fetched, which is remembered as this. */
  readonly onChanged?: (remembered: TreeMemory) => void;
  /** Resolves with what is known of the tree at the destination, once that was listed. */
  readonly here?: Promise<KnownTree | undefined>;
  /** What is remembered of that tree. */
  readonly remembered?: TreeMemory;
  /** The options of the fetch, as text. */
  readonly optionsText?: string;
}

/** What {@linkcode openUnlessHere} needs besides. */
export interface HereOptions {
  /** The options of the fetch, as text. */
  readonly optionsText: string;
  /** Is told of the tree at the destination when it is not what is to be fetched. */
  readonly onOther?: (tree: KnownTree) => void;
}

/** Finds out what is to be fetched. Offers are closed by whoever has the target, or here when there is none. */
export async function openTarget(
  source: ChunkSource,
  from: BlobRef | DirectoryOffer | OfferSource,
  options: OpenTargetOptions,
): Promise<FetchTarget> {
  return await openOrFind(source, from, options, () => undefined);
}

/**
 * As {@linkcode openTarget}, but ends where it is known that the tree at the destination is what is to be fetched: then
 * not even the manifest is.
 */
export async function openUnlessHere(
  source: ChunkSource,
  from: BlobRef | DirectoryOffer | OfferSource,
  options: OpenTargetOptions & HereOptions,
): Promise<FetchTarget | UnchangedTarget> {
  return await openOrFind(source, from, options, async (ref) => {
    const tree = await options.here;
    const address = tree?.madeFrom(ref, options.optionsText);
    if (address !== undefined) {
      return new UnchangedTarget({ ref, manifestBytes: address.manifestBytes }, tree!);
    }
    if (tree !== undefined) options.onOther?.(tree);
    return undefined;
  });
}

/** @param find looks for what the reference is of before its manifest is fetched. */
async function openOrFind<T>(
  source: ChunkSource,
  from: BlobRef | DirectoryOffer | OfferSource,
  options: OpenTargetOptions,
  find: (ref: BlobRef) => Promise<T | undefined> | undefined,
): Promise<FetchTarget | T> {
  if ("kind" in from) return await find(from) ?? await ManifestTarget.read(source, from, options);
  const offers = "ask" in from ? from : undefined;
  const base = options.live || hostPlatform() === "windows" ? undefined : options.remembered;
  const key = base?.fetched && baseKey(await loadBlake3(), base.fetched);
  /** Put together while the holder makes sure of the reference. */
  let making: Promise<ChangedManifest | undefined> | undefined;
  const onChanges = (changes: PackedChanges) => {
    options.onChanged?.(base!);
    making = ChangedManifest.make(base!, changes, options);
    making.catch(() => {});
  };
  const offer = "ask" in from ? await from.ask({ ...options, base: key, onChanges }) : from;
  if (options.live && offer.outline !== undefined && isPlannable(offer.outline)) {
    return new OutlineTarget(offer, offer.outline, { ...options, source, offers });
  }
  const ref = await referenceOf(offer, options);
  return await find(ref) ?? (await making)?.prove(ref, options) ??
    await ManifestTarget.read(source, ref, options);
}

/** A directory that is at the destination already, as is remembered: there is nothing to do. */
export class UnchangedTarget {
  /** @param found what it is. @param tree what is there. */
  constructor(readonly found: FollowedOffer, readonly tree: KnownTree) {}

  /** What the fetch did: nothing. */
  stats(): FetchDirStats {
    const stats = { files: 0, dirs: 0, symlinks: 0, bytes: 0 };
    const { table } = this.tree;
    for (let i = 0; i < table.length; i++) {
      if (table.isFile(i)) {
        stats.files++;
        stats.bytes += table.sizeOf(i);
      } else if (table.targets.has(i)) stats.symlinks++;
      else stats.dirs++;
    }
    const nothing = { fetchedBytes: 0, installed: false, resumed: false, skipped: [] };
    return { ...stats, ...nothing, reusedBytes: stats.bytes, ...this.found };
  }

  /** Does nothing. */
  close(): void {}
}

/** The reference that an offer ends with. */
export async function referenceOf(offer: DirectoryOffer, options: ReadManifestOptions): Promise<BlobRef> {
  const { signal, maxManifestBytes = DEFAULT_MAX_MANIFEST_BYTES } = options;
  try {
    // It ends only when its hashes are taken, of which there cannot be more than a manifest holds.
    for (let bytes = 0; offer.outline !== undefined;) {
      const hashes = await withSignal(offer.nextHashes(), signal);
      if (hashes === undefined) break;
      bytes += hashes.length;
      if (bytes <= maxManifestBytes) continue;
      const message = `Fetch directory: ${bytes / HASH_LENGTH} hashes are more than a manifest can hold`;
      throw new LimitExceededError(message, "maxManifestBytes", bytes, maxManifestBytes);
    }
    return await withSignal(offer.ref, signal);
  } finally {
    offer.close();
  }
}

class ManifestTarget implements FetchTarget {
  constructor(readonly entries: readonly DirEntry[], readonly found: FollowedOffer) {}

  static async read(
    source: ChunkSource,
    ref: BlobRef,
    options: OpenTargetOptions,
  ): Promise<ManifestTarget> {
    const here = await options.here;
    const { entries, manifestBytes } = await readManifest(source, ref, options, here?.manifest());
    return new ManifestTarget(entries, { ref, manifestBytes });
  }

  check(options: CheckOptions, pacer: WorkPacer): Promise<ManifestPlan> {
    return checkManifestPaced(this.entries, options, pacer);
  }

  async key({ files }: ManifestPlan): Promise<string> {
    return manifestKey(await loadBlake3(), this.entries, files);
  }

  follow(): undefined {
    return undefined;
  }

  settled(): Promise<FollowedOffer> {
    return Promise.resolve(this.found);
  }

  close(): void {}
}

class OutlineTarget implements FetchTarget {
  #follower: OfferFollower | undefined;

  constructor(
    readonly offer: DirectoryOffer,
    readonly entries: readonly OutlineEntry[],
    readonly options: ReadManifestOptions & { readonly source: ChunkSource; readonly offers?: OfferSource },
  ) {}

  check(options: CheckOptions, pacer: WorkPacer): Promise<ManifestPlan> {
    return checkOutlinePaced(this.entries, options, pacer);
  }

  async key(): Promise<string> {
    return outlineKey(await loadBlake3(), this.entries);
  }

  follow(plan: ManifestPlan): KnownChunks {
    return this.#follower = new OfferFollower(this.offer, plan, this.options);
  }

  async settled(): Promise<FollowedOffer> {
    return await this.#follower!.done;
  }

  close(): void {
    if (this.#follower === undefined) this.offer.close();
    else this.#follower.close();
  }
}
