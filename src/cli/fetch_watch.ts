/**
 * Tells which peers have fetched a share completely: those that were given the manifest and then closed their session
 * in order. A peer that only lists, fails or vanishes closes with another code, or not at all.
 *
 * @module
 */

import { toHex } from "../wire/bytes.ts";

/** Code with which `hawser fetch` closes its session once everything is in place. */
export const CLOSE_FETCHED = 0;
/** Code with which a command closes its session when it did not fetch, or not to the end. */
export const CLOSE_NOT_FETCHED = 1;

/** Watches the peers of one share. */
export class FetchWatch {
  #wanted: ReadonlySet<string>;
  #served = new Map<string, { bytes: number; hasManifest: boolean }>();

  /** @param manifest addresses of the chunks of the manifest. */
  constructor(manifest: Iterable<Uint8Array>) {
    this.#wanted = new Set(Array.from(manifest, toHex));
  }

  /** Notes that `bytes` of the blob `hash` went to `peer`. */
  served(peer: string, hash: Uint8Array, bytes: number): void {
    let record = this.#served.get(peer);
    if (record === undefined) this.#served.set(peer, record = { bytes: 0, hasManifest: false });
    record.bytes += bytes;
    // The hash in hex of every small file would cost more than serving it: only until the manifest was seen.
    record.hasManifest ||= this.#wanted.has(toHex(hash));
  }

  /** Notes that the session of `peer` ended. Returns the bytes sent when it had fetched completely. */
  closed(peer: string, code: number): number | undefined {
    const record = this.#served.get(peer);
    this.#served.delete(peer);
    return record?.hasManifest && code === CLOSE_FETCHED ? record.bytes : undefined;
  }
}
