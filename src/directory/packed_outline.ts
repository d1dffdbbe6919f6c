/**
 * Outlines in the form in which they are sent (`content.md` 5): deflated.
 *
 * @module
 */

import { DecodeError, LimitExceededError } from "../errors.ts";
import { deflate, inflate } from "../runtime/deflate.ts";
import { decodeDirOutline, encodeDirOutline, type OutlineEntry } from "../wire/dir_outline.ts";
import { DEFAULT_MAX_ENTRIES, DEFAULT_MAX_MANIFEST_BYTES, type ManifestLimits } from "./limits.ts";

/** The limits of manifests that hold for outlines. */
export type OutlineLimits = Pick<ManifestLimits, "maxEntries" | "maxManifestBytes">;

/** An outline on its way. */
export interface PackedOutline {
  /** Size of the outline, bytes. */
  readonly length: number;
  /** Its packed form. */
  readonly packed: Uint8Array;
}

/** Packs the outline of `entries`. */
export function packOutline(entries: readonly OutlineEntry[]): PackedOutline {
  const outline = encodeDirOutline(entries);
  return { length: outline.length, packed: deflate(outline) };
}

/**
 * Checks what a holder says of its outline before the packed form is received. Throws `LimitExceededError` when either
 * form is larger than the limit of a manifest: with hashes it would be, too.
 */
export function checkOutlineSize(length: number, packedLength: number, limits: OutlineLimits): void {
  const { maxManifestBytes: limit = DEFAULT_MAX_MANIFEST_BYTES } = limits;
  const larger = Math.max(length, packedLength);
  if (larger <= limit) return;
  const message = `Fetch outline: it has ${larger} bytes, wanted at most ${limit}`;
  throw new LimitExceededError(message, "maxManifestBytes", larger, limit);
}

/**
 * The entries behind a packed outline. Takes no more memory than some times `length`, whatever `packed` holds. Throws
 * `DecodeError` when it is malformed or of another length, `UnsupportedVersionError`, `LimitExceededError` above a
 * limit.
 */
export function unpackOutline({ length, packed }: PackedOutline, limits: OutlineLimits): OutlineEntry[] {
  checkOutlineSize(length, packed.length, limits);
  let outline: Uint8Array | undefined;
  let cause: unknown;
  try {
    outline = inflate(packed, length);
  } catch (error) {
    cause = error;
  }
  if (outline?.length !== length) {
    throw new DecodeError("Unpack outline: no deflated bytes of the announced length", { cause });
  }
  return decodeDirOutline(outline, { maxEntries: limits.maxEntries ?? DEFAULT_MAX_ENTRIES });
}
