/**
 * Which session of each peer stands: the one that new streams go to (`protocol.md` 2.1). A peer has one, but for the
 * time after both sides connected at once and both handshakes came through. Then the session of the smaller key
 * stands, and the other one fades: it goes on as long as it has streams, and ends without a word when it has none.
 * So neither side has to know what the other one knows.
 *
 * @module
 */

import { compareBytes, toHex } from "../wire/bytes.ts";
import { CROSSING_TIME } from "./config.ts";
import type { Connection } from "./connection.ts";

/** Sessions by peer key. */
export class PeerSessions {
  readonly #standing = new Map<string, Connection>();

  /** @param publicKey of this node. */
  constructor(readonly publicKey: Uint8Array) {}

  /** Peers with a session. */
  get size(): number {
    return this.#standing.size;
  }

  /** The sessions that stand. */
  get standing(): IterableIterator<Connection> {
    return this.#standing.values();
  }

  /** All of them, fading ones included. */
  *all(): IterableIterator<Connection> {
    for (const connection of this.#standing.values()) {
      yield connection;
      if (connection.rival !== undefined) yield connection.rival;
    }
  }

  /** The session with a peer that stands. */
  get(peerKey: Uint8Array): Connection | undefined {
    return this.#standing.get(toHex(peerKey));
  }

  /** Whether our key is the smaller one, so that our handshakes go first. */
  isSmallerThan(peerKey: Uint8Array): boolean {
    return compareBytes(this.publicKey, peerKey) < 0;
  }

  /** A session came to stand; gives those that it replaces. */
  add(connection: Connection): Connection[] {
    const old = this.get(connection.peerKey);
    if (old === undefined) {
      this.#stand(connection);
      return [];
    }
    const { rival } = old;
    if (!isCrossing(connection, old)) {
      this.#part(old);
      this.#stand(connection);
      return rival === undefined ? [old] : [old, rival];
    }
    // One more of the peer's: it has forgotten the one before.
    this.#part(old);
    old.rival = connection;
    connection.rival = old;
    // Ours stands if the peer knows of it, which it may not: it may have restarted. What it says on it will tell.
    const isKnown = old.hasReceived && old.session!.lastReceivedAt >= connection.startedAt;
    const stays = this.isSmallerThan(connection.peerKey);
    if (stays && isKnown) this.#stand(old);
    else this.#stand(connection);
    if (stays && !isKnown) {
      old.awaitsSign = true;
      old.session!.ping();
    }
    return rival === undefined ? [] : [rival];
  }

  /** The peer has shown that it knows the session that awaits its sign: that one stands from now on. */
  onSign(connection: Connection): void {
    connection.awaitsSign = false;
    if (connection.rival !== undefined) this.#stand(connection);
  }

  /** A session ended; whether it was one of these. What is left of a pair stands. */
  remove(connection: Connection): boolean {
    const standing = this.get(connection.peerKey);
    if (standing === undefined || (standing !== connection && standing.rival !== connection)) return false;
    const { rival } = connection;
    this.#part(connection);
    if (rival !== undefined) this.#stand(rival);
    else this.#standing.delete(toHex(connection.peerKey));
    return true;
  }

  /** New streams go to `connection`; its rival, if it has one, fades. */
  #stand(connection: Connection): void {
    this.#standing.set(toHex(connection.peerKey), connection);
    connection.session!.liveness.isFading = false;
    if (connection.rival !== undefined) connection.rival.session!.liveness.isFading = true;
  }

  #part(connection: Connection): void {
    if (connection.rival !== undefined) connection.rival.rival = undefined;
    connection.rival = undefined;
  }
}

/**
 * Whether the peer may have begun its handshake before it knew of ours, which stands. Later than that it has begun
 * anew: it restarted, or it gave ours up. In the other direction there is no doubt: when we begin a handshake we know
 * what stands.
 */
function isCrossing(connection: Connection, old: Connection): boolean {
  return !connection.isInitiator && old.isInitiator &&
    connection.startedAt <= old.establishedAt + CROSSING_TIME;
}
