/**
 * A directory to fetch of which its holder told what has changed since the one at the destination (`content.md` 5).
 *
 * @module
 */

import { loadBlake3 } from "../crypto/blake3.ts";
import { HashMismatchError, HawserError, ManifestError } from "../errors.ts";
import { log } from "../runtime/logging.ts";
import type { BlobRef } from "../wire/blob_ref.ts";
import { equalBytes, toHex } from "../wire/bytes.ts";
import { decodeDirManifest, type DirEntry } from "../wire/dir_manifest.ts";
import { ChangedTree } from "./changed_tree.ts";
import type { ReadManifestOptions } from "./fetch_options.ts";
import type { FetchTarget } from "./fetch_target.ts";
import type { FollowedOffer } from "./offer_follower.ts";
import { keyOfOutline } from "./outline_key.ts";
import { WorkPacer } from "./pacer.ts";
import { type PackedChanges, unpackChanges } from "./packed_changes.ts";
import { checkManifestPaced, type CheckOptions, type ManifestPlan } from "./plan.ts";
import { planChanges } from "./plan_changes.ts";
import { manifestChunks } from "./read_manifest.ts";
import { runStepsPaced } from "./steps.ts";
import type { TreeMemory } from "./tree_cache_format.ts";

/** What a {@linkcode ChangedTarget} is made of. */
export interface ChangedParts extends FollowedOffer {
  /** The directory. */
  readonly tree: ChangedTree;
  /** Its manifest. */
  readonly manifest: Uint8Array;
}

/**
 * A directory whose manifest is known by what is remembered of an earlier one and what has changed since.
 */
export class ChangedTarget implements FetchTarget {
  #entries: readonly DirEntry[] | undefined;

  private constructor(
    readonly parts: ChangedParts,
    /** Options, as text, by which it was planned what was there before. */
    readonly plannedBy: string | undefined,
    readonly optionsText: string | undefined,
  ) {}

  /**
   * Puts the manifest behind `ref` together. `undefined` when that does not work out, for whatever reason: then it can
   * still be fetched. Rejects with the signal's reason only.
   */
  static async make(
    ref: BlobRef,
    changes: PackedChanges,
    base: TreeMemory,
    options: ReadManifestOptions & { readonly optionsText?: string },
  ): Promise<ChangedTarget | undefined> {
    const pacer = new WorkPacer(options.signal);
    try {
      const chunks = manifestChunks(ref, options);
      const tree = ChangedTree.apply(base, unpackChanges(changes));
      const manifest = await runStepsPaced(tree.manifest(), pacer);
      if (manifest.length !== ref.size) {
        throw new ManifestError(`Apply changes: they make ${manifest.length} bytes, wanted ${ref.size}`);
      }
      const blake3 = await loadBlake3();
      let at = 0;
      for (const { hash, size } of chunks) {
        const actual = blake3.hash(manifest.subarray(at, at += size));
        if (!equalBytes(actual, hash)) throw new HashMismatchError(toHex(hash), toHex(actual));
      }
      const parts = { ref, manifestBytes: manifest.length, tree, manifest };
      return new ChangedTarget(parts, base.fetched?.options, options.optionsText);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(error instanceof HawserError)) throw error;
      log("directory", "debug", "No manifest by its changes: {error}", { error });
      return undefined;
    }
  }

  get entries(): { readonly length: number } {
    return this.parts.tree;
  }

  async check(options: CheckOptions, pacer: WorkPacer): Promise<ManifestPlan> {
    const { tree } = this.parts;
    const plan = this.plannedBy !== undefined && this.plannedBy === this.optionsText
      ? await runStepsPaced(planChanges(tree, options), pacer)
      : undefined;
    return plan ?? await checkManifestPaced(this.#read(options), options, pacer);
  }

  async key({ files }: ManifestPlan): Promise<string> {
    return keyOfOutline(await loadBlake3(), this.parts.tree.outline(files));
  }

  follow(): undefined {
    return undefined;
  }

  settled(): Promise<FollowedOffer> {
    const { ref, manifestBytes } = this.parts;
    return Promise.resolve({ ref, manifestBytes });
  }

  close(): void {}

  #read({ maxEntries }: CheckOptions): readonly DirEntry[] {
    return this.#entries ??= decodeDirManifest(this.parts.manifest, { maxEntries }).entries;
  }
}
