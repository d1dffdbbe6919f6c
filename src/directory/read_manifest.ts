/**
 * Getting a directory manifest from a source.
 *
 * @module
 */

import type { ChunkSource } from "../blob/source.ts";
import { LimitExceededError, UnsupportedError } from "../errors.ts";
import { type BlobRef, type ChunkRef, chunksOf } from "../wire/blob_ref.ts";
import { decodeDirManifest, type DirEntry } from "../wire/dir_manifest.ts";
import { fetchBytes } from "./fetch_bytes.ts";
import type { ReadManifestOptions } from "./fetch_options.ts";
import { DEFAULT_MAX_ENTRIES, DEFAULT_MAX_MANIFEST_BYTES } from "./limits.ts";

/**
 * Fetches and decodes the manifest behind `ref`. Its entries are as found: only its form was checked.
 *
 * @param base a manifest that is likely to share entries with it: then it may come as the difference from that.
 *
 * Throws `LimitExceededError` above a limit, `DecodeError` or `UnsupportedVersionError` when the content is no
 * manifest that this release reads, `UnsupportedError` when `ref` is a tree, and what the source throws.
 */
export async function readManifest(
  source: ChunkSource,
  ref: BlobRef,
  options: ReadManifestOptions,
  base?: Uint8Array,
): Promise<{ entries: readonly DirEntry[]; manifestBytes: number }> {
  const { signal, maxInFlightBytes, maxEntries = DEFAULT_MAX_ENTRIES } = options;
  signal?.throwIfAborted();
  const chunks = manifestChunks(ref, options);
  const difference = base && await source.fetchDelta?.({ chunks, base }, { signal });
  const bytes = difference ?? await fetchBytes(source, chunks, { signal, maxInFlightBytes });
  const { entries } = decodeDirManifest(bytes, { maxEntries });
  return { entries, manifestBytes: bytes.length };
}

/**
 * The chunks of a manifest that may be fetched. Throws `LimitExceededError` when it is too large, `UnsupportedError` when
 * it is kept in a way that this release cannot fetch.
 */
export function manifestChunks(
  ref: BlobRef,
  { maxManifestBytes: limit = DEFAULT_MAX_MANIFEST_BYTES }: ReadManifestOptions,
): readonly ChunkRef[] {
  // Before anything is asked for or reserved: the size is whatever the reference's maker wrote.
  if (ref.size > limit) {
    const message = `Fetch manifest: it has ${ref.size} bytes, wanted at most ${limit}`;
    throw new LimitExceededError(message, "maxManifestBytes", ref.size, limit);
  }
  if (ref.kind === "manifest" && ref.encoding.kind !== "replicated") {
    throw new UnsupportedError("Fetch manifest: it uses erasure coding, which this release cannot fetch");
  }
  return chunksOf(ref);
}
