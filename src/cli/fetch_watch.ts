/**
 * Tells which peers have fetched a share completely: those that were given the manifest, or were told its reference
 * and what makes it, and then closed their session in order. A peer that only lists, or fails, closes with another code; one whose session drops may come back with a
 * new one and go on.
 *
 * @module
 */

import { toHex } from "../wire/bytes.ts";

/** Code with which `hawser fetch` closes its session once everything is in place. */
export const CLOSE_FETCHED = 0;
/** Code with which a command closes its session when it did not fetch, or not to the end. */
export const CLOSE_NOT_FETCHED = 1;

/** Peers remembered after their session dropped: whoever vanishes for good must not cost memory for good. */
const MAX_PEERS = 1024;

/** What is known of a session: who is at its other end. */
export interface WatchedSession {
  /** The peer's id as text. */
  readonly peerName: string;
}

interface PeerRecord {
  bytes: number;
  /** Whether it knows all there is. */
  knowsAll: boolean;
}

/** Watches the peers of one share. */
export class FetchWatch {
  readonly #manifest = new Set<string>();
  readonly #peers = new Map<string, PeerRecord>();
  /** The same by session: making a peer's name for every small file would cost more than serving it. */
  readonly #sessions = new WeakMap<WatchedSession, PeerRecord>();

  /** Notes that these blobs are the manifest. */
  expect(manifest: Iterable<Uint8Array>): void {
    for (const hash of manifest) this.#manifest.add(toHex(hash));
  }

  /** Notes that the peer of `session` was told what there is. */
  told(session: WatchedSession): void {
    this.#recordOf(session).knowsAll = true;
  }

  /** Notes that `bytes` of the blob `hash` went out on `session`. */
  served(session: WatchedSession, hash: Uint8Array, bytes: number): void {
    const record = this.#recordOf(session);
    record.bytes += bytes;
    // The manifest, or what stands for it, comes first: hex is made for few blobs only.
    record.knowsAll ||= this.#manifest.size > 0 && this.#manifest.has(toHex(hash));
  }

  /** Notes that a session ended with `code`. Returns the bytes sent to the peer when it has fetched completely. */
  closed(session: WatchedSession, code: number): number | undefined {
    const record = this.#sessions.get(session);
    if (code === CLOSE_FETCHED || code === CLOSE_NOT_FETCHED) this.#peers.delete(session.peerName);
    return record?.knowsAll && code === CLOSE_FETCHED ? record.bytes : undefined;
  }

  #recordOf(session: WatchedSession): PeerRecord {
    return this.#sessions.get(session) ?? this.#begin(session);
  }

  #begin(session: WatchedSession): PeerRecord {
    const { peerName } = session;
    let record = this.#peers.get(peerName);
    if (record === undefined) {
      record = { bytes: 0, knowsAll: false };
      this.#peers.set(peerName, record);
      if (this.#peers.size > MAX_PEERS) this.#peers.delete(this.#peers.keys().next().value!);
    }
    this.#sessions.set(session, record);
    return record;
  }
}
