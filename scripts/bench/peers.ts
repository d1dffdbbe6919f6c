/**
 * Other programs to compare with, as far as this machine has them.
 *
 * @module
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Contender } from "./contender.ts";
import { rsyncPeers } from "./peer_rsync.ts";
import { wormholePeer } from "./peer_wormhole.ts";

/** What was found. */
export interface Peers {
  /** Ready to be measured. */
  readonly found: readonly Contender[];
  /** What is not here, with what to install. */
  readonly missing: readonly string[];
  /** Ends what runs for them. */
  close(): void;
}

/** Looks for all of them. `folder` takes what they need. */
export async function findPeers(folder: string): Promise<Peers> {
  mkdirSync(folder, { recursive: true });
  const all = [rsyncPeers(folder), await wormholePeer(join(folder, "wormhole"))];
  return {
    found: all.flatMap(({ found }) => found),
    missing: all.flatMap(({ missing }) => missing),
    close: () => all.forEach((peers) => peers.close()),
  };
}
