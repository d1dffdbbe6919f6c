/**
 * The holder's side of manifests that are asked for as a difference (`content.md` 2): bounded work and memory, whoever
 * asks whatever; what was made is kept for the next one who has the same old tree.
 *
 * @module
 */

import { loadBlake3 } from "../crypto/blake3.ts";
import { DecodeError } from "../errors.ts";
import { concatBytes } from "../wire/bytes.ts";
import { DIR_MANIFEST_VERSION } from "../wire/dir_manifest.ts";
import { MAX_DELTA_CHUNKS } from "../wire/manifest_delta.ts";
import { CHUNK_SIZE } from "../wire/blob_ref.ts";
import { encodeTransferControl, type RequestDeltaMessage } from "../wire/transfer_message.ts";
import { blobKey } from "./blob_key.ts";
import { deltaTo, groupManifest, type ManifestGroups } from "./manifest_groups.ts";
import { RecentValues } from "./recent_values.ts";

/** Greatest size of a manifest, bytes: it is put together for a moment. */
const MAX_MANIFEST = MAX_DELTA_CHUNKS * CHUNK_SIZE;
/** Greatest number of bytes that come along, before they are packed: packing blocks the event loop. */
const MAX_LITERAL = 16 * 1024 * 1024;
/** Differences that are kept, bytes, and number of them, those included that are of no use. */
const MAX_KEPT_BYTES = 4 * 1024 * 1024;
const MAX_KEPT = 64;
/** Groups that are kept, of all manifests together: 16 bytes each. */
const MAX_KEPT_GROUPS = 512 * 1024;

/** Where a holder's blobs come from. */
export interface BlobReader {
  /** Size of a blob, bytes; `undefined` when it is not there. */
  size(hash: Uint8Array): number | undefined | Promise<number | undefined>;
  /** All of a blob, which has `size` bytes; `undefined` when it is gone. */
  read(hash: Uint8Array, size: number): Uint8Array | undefined | Promise<Uint8Array | undefined>;
}

/**
 * What becomes of a request: a difference from a manifest of `total` bytes, a chunk that is not there, or that there
 * is no difference worth sending.
 */
export type DeltaAnswer =
  | { readonly kind: "delta"; readonly total: number; readonly delta: Uint8Array }
  | { readonly kind: "not-found" }
  | { readonly kind: "useless" };

/** Makes differences, one at a time. */
export class ManifestDeltas {
  readonly #groups = new RecentValues<ManifestGroups | undefined>(
    MAX_KEPT_GROUPS,
    MAX_KEPT,
    (groups) => groups?.prints.length ?? 0,
  );
  readonly #deltas = new RecentValues<Uint8Array | undefined>(
    MAX_KEPT_BYTES,
    MAX_KEPT,
    (delta) => delta?.length ?? 0,
  );
  /** The work before. */
  #turn: Promise<unknown> = Promise.resolve();

  /** Answers a request. Rejects with what the reader throws. */
  answer(request: RequestDeltaMessage, reader: BlobReader): Promise<DeltaAnswer> {
    // One after the other: many requests at once must not each hold a manifest in memory.
    const turn = this.#turn.then(() => this.#answer(request, reader));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #answer(request: RequestDeltaMessage, reader: BlobReader): Promise<DeltaAnswer> {
    const sizes: number[] = [];
    for (const hash of request.hashes) {
      const size = await reader.size(hash);
      if (size === undefined) return { kind: "not-found" };
      sizes.push(size);
    }
    const total = sizes.reduce((sum, size) => sum + size, 0);
    if (total > MAX_MANIFEST) return { kind: "useless" };
    const blake3 = await loadBlake3();
    const key = blobKey(blake3.hash(encodeTransferControl(request)));
    let delta = this.#deltas.get(key);
    if (!this.#deltas.has(key)) {
      const manifest = await this.#read(request, sizes, reader);
      if (manifest === undefined) return { kind: "not-found" };
      const groups = this.#groupsOf(request, manifest);
      const maximum = Math.min(total / 2, MAX_LITERAL);
      delta = groups && deltaTo(manifest, groups, request.fingerprints, maximum);
      this.#deltas.set(key, delta);
    }
    return delta === undefined ? { kind: "useless" } : { kind: "delta", total, delta };
  }

  /** The manifest; no more of it than its first chunk when that shows that it is none. */
  async #read(
    { hashes }: RequestDeltaMessage,
    sizes: readonly number[],
    reader: BlobReader,
  ): Promise<Uint8Array | undefined> {
    const chunks: Uint8Array[] = [];
    for (const [i, hash] of hashes.entries()) {
      const chunk = await reader.read(hash, sizes[i]);
      if (chunk === undefined) return undefined;
      chunks.push(chunk);
      if (chunks[0][0] !== DIR_MANIFEST_VERSION) break;
    }
    return chunks.length === 1 ? chunks[0] : concatBytes(chunks);
  }

  /** The groups of a manifest; `undefined` when it is none. */
  #groupsOf(
    { hashes, shift }: RequestDeltaMessage,
    manifest: Uint8Array,
  ): ManifestGroups | undefined {
    const key = hashes.map((hash) => blobKey(hash)).join("") + shift;
    if (this.#groups.has(key)) return this.#groups.get(key);
    let groups: ManifestGroups | undefined;
    try {
      groups = groupManifest(manifest, shift);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
    }
    this.#groups.set(key, groups);
    return groups;
  }
}
