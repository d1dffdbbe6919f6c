/**
 * Handshakes that this node answered and whose initiator has yet to show that it has the keys (`protocol.md` 8).
 *
 * @module
 */

import { equalBytes } from "../wire/bytes.ts";
import { MAX_HALF_OPEN } from "./config.ts";
import type { Connection } from "./connection.ts";

/** Half-open connections by the mac1 of their initiation, hex; the oldest goes when there are too many. */
export class HalfOpenTable {
  readonly #connections = new Map<string, Connection>();

  /** The answer to an initiation that came before. */
  get(key: string): Connection | undefined {
    return this.#connections.get(key);
  }

  /** Adds a connection; the one that had to go for it. */
  add(connection: Connection): Connection | undefined {
    this.#connections.set(connection.initiationKey, connection);
    if (this.#connections.size <= MAX_HALF_OPEN) return undefined;
    const [oldest] = this.#connections.values();
    this.delete(oldest);
    return oldest;
  }

  /** It is over, or no longer half-open. */
  delete(connection: Connection): void {
    this.#connections.delete(connection.initiationKey);
  }

  /** Takes out those of the same peer that are older than `connection`, and itself; gives the others. */
  takeUpTo(connection: Connection): Connection[] {
    const older: Connection[] = [];
    for (const other of this.#connections.values()) {
      if (other === connection) break;
      if (equalBytes(other.peerKey, connection.peerKey)) older.push(other);
    }
    for (const other of [...older, connection]) this.delete(other);
    return older;
  }
}
