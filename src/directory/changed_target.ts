/**
 * A directory to fetch of which its holder told what has changed since the one at the destination (`content.md` 5).
 *
 * @module
 */

import { type Blake3, loadBlake3 } from "../crypto/blake3.ts";
import { HashMismatchError, HawserError, ManifestError } from "../errors.ts";
import { log } from "../runtime/logging.ts";
import type { BlobRef } from "../wire/blob_ref.ts";
import { equalBytes, toHex } from "../wire/bytes.ts";
import { decodeDirManifest, type DirEntry } from "../wire/dir_manifest.ts";
import { ChangedTree } from "./changed_tree.ts";
import type { ReadManifestOptions } from "./fetch_options.ts";
import type { FetchTarget } from "./fetch_target.ts";
import type { FollowedOffer } from "./offer_follower.ts";
import { WorkPacer } from "./pacer.ts";
import { type PackedChanges, unpackChanges } from "./packed_changes.ts";
import { checkManifestPaced, type CheckOptions, type ManifestPlan } from "./plan.ts";
import { planChanges } from "./plan_changes.ts";
import { manifestChunks } from "./read_manifest.ts";
import { runStepsPaced } from "./steps.ts";
import type { TreeMemory } from "./tree_cache_format.ts";

/** The manifest that comes of what is remembered of a directory and what its holder says has changed. */
export class ChangedManifest {
  private constructor(
    /** The directory. */
    readonly tree: ChangedTree,
    /** Its manifest. */
    readonly bytes: Uint8Array,
    readonly blake3: Blake3,
  ) {}

  /**
   * Puts it together. `undefined` when that does not work out, for whatever reason: then it can still be fetched. Rejects
   * with the signal's reason only.
   */
  static async make(
    base: TreeMemory,
    changes: PackedChanges,
    { signal }: ReadManifestOptions,
  ): Promise<ChangedManifest | undefined> {
    try {
      const pacer = new WorkPacer(signal);
      const tree = ChangedTree.apply(base, unpackChanges(changes));
      return new ChangedManifest(tree, await runStepsPaced(tree.manifest(), pacer), await loadBlake3());
    } catch (error) {
      signal?.throwIfAborted();
      giveUp(error);
    }
  }

  /** The directory to fetch, if the manifest is the one behind `ref`. */
  prove(
    ref: BlobRef,
    options: ReadManifestOptions & { readonly optionsText?: string },
  ): ChangedTarget | undefined {
    try {
      const chunks = manifestChunks(ref, options);
      if (this.bytes.length !== ref.size) {
        throw new ManifestError(`Apply changes: they make ${this.bytes.length} bytes, wanted ${ref.size}`);
      }
      let at = 0;
      for (const { hash, size } of chunks) {
        const actual = this.blake3.hash(this.bytes.subarray(at, at += size));
        if (!equalBytes(actual, hash)) throw new HashMismatchError(toHex(hash), toHex(actual));
      }
      return new ChangedTarget(this, ref, options.optionsText);
    } catch (error) {
      giveUp(error);
    }
  }
}

/** Says why there is no manifest by its changes. Throws what is no error of the library's. */
function giveUp(error: unknown): void {
  if (!(error instanceof HawserError)) throw error;
  log("directory", "debug", "No manifest by its changes: {error}", { error });
}

/** A directory whose manifest was made of changes, and is the right one. */
class ChangedTarget implements FetchTarget {
  #entries: readonly DirEntry[] | undefined;

  constructor(
    readonly manifest: ChangedManifest,
    readonly ref: BlobRef,
    /** The options of the fetch, as text. */
    readonly optionsText: string | undefined,
  ) {}

  get entries(): { readonly length: number } {
    return this.manifest.tree;
  }

  async check(options: CheckOptions, pacer: WorkPacer): Promise<ManifestPlan> {
    const { tree } = this.manifest;
    const plan = this.optionsText !== undefined && tree.base.fetched?.options === this.optionsText
      ? await runStepsPaced(planChanges(tree, options), pacer)
      : undefined;
    return plan ?? await checkManifestPaced(this.#read(options), options, pacer);
  }

  key({ files }: ManifestPlan): Promise<string> {
    const { tree, blake3 } = this.manifest;
    return Promise.resolve(tree.key(blake3, files));
  }

  follow(): undefined {
    return undefined;
  }

  settled(): Promise<FollowedOffer> {
    return Promise.resolve({ ref: this.ref, manifestBytes: this.manifest.bytes.length });
  }

  close(): void {}

  #read({ maxEntries }: CheckOptions): readonly DirEntry[] {
    return this.#entries ??= decodeDirManifest(this.manifest.bytes, { maxEntries }).entries;
  }
}
