/**
 * A directory that its holder may still be reading, as the requester sees it (`content.md` 5).
 *
 * @module
 */

import type { BlobRef } from "../wire/blob_ref.ts";
import type { OutlineEntry } from "../wire/dir_outline.ts";
import type { ManifestLimits } from "./limits.ts";
import type { PackedChanges } from "./packed_changes.ts";

/** Options of asking a holder what directory it offers. */
export interface RequestOfferOptions extends Pick<ManifestLimits, "maxEntries" | "maxManifestBytes"> {
  /**
   * Whether outline and hashes are wanted while the holder still reads, for a fetch that begins before it is done;
   * otherwise only the reference at the end.
   * @default true
   */
  readonly live?: boolean;
  /**
   * What the directory is known by that the requester has (BLAKE3, 32 bytes, of its encoded reference): a holder that
   * remembers that one tells what has changed since, if it is asked for no more than the reference besides.
   * @default none
   */
  readonly base?: Uint8Array;
  /**
   * Called with what has changed since that one, packed, as the holder claims: before the reference is known, and again
   * when the holder was asked again. Must be quick.
   */
  readonly onChanges?: (changes: PackedChanges) => void;
  /** Ends the work with the signal's reason, also when it is aborted after the offer was given. */
  readonly signal?: AbortSignal;
}

/** What a holder answers. Whoever got it closes it. */
export interface DirectoryOffer {
  /** The holder's node id, or what else it is called, for messages. */
  readonly holder: string;
  /**
   * Everything in the directory but the hashes, as found: it may be hostile. `undefined` when the holder gives the
   * reference alone, because it has read the directory already, or because it was asked for no more.
   */
  readonly outline: readonly OutlineEntry[] | undefined;
  /**
   * The hashes that came, 32 bytes each, in the order of the outline (per file that is not empty that of each chunk and,
   * when there are several, that of the whole file), at least one; valid until the next call. Waits when there is none;
   * `undefined` once the reference has come. One call at a time. Rejects as {@linkcode DirectoryOffer.ref} does.
   */
  nextHashes(): Promise<Uint8Array | undefined>;
  /**
   * The reference of the directory, once the holder has read it all. Rejects when the holder fails (`OfferFailedError`)
   * or refuses (`TransferRefusedError`), offers no directory (`UnsupportedError`), breaks the protocol (`TransferProtocolError`), says nothing for too long
   * (`PeerSilentError`), with the session's error, or the signal's reason. Nobody has to wait for it.
   */
  readonly ref: Promise<BlobRef>;
  /** Tells the holder that no more is wanted; what is waited for rejects. */
  close(): void;
}

/** Something that can be asked for a directory, again when an answer broke off. */
export interface OfferSource {
  /** Asks. Resolves with the outline, or with the reference; rejects as {@linkcode DirectoryOffer.ref} does. */
  ask(options?: RequestOfferOptions): Promise<DirectoryOffer>;
}
