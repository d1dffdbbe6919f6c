/**
 * Everything that is fuzzed.
 *
 * @module
 */

import { HANDSHAKE } from "./handshake.ts";
import { NODE } from "./node.ts";
import { PARSERS } from "./parsers.ts";
import { PEER } from "./peer.ts";
import { POSTCARD } from "./postcard.ts";
import { SESSION } from "./session.ts";
import type { FuzzTarget } from "./target.ts";

/** All targets. */
export const TARGETS: readonly FuzzTarget[] = [...PARSERS, POSTCARD, SESSION, PEER, HANDSHAKE, NODE];

const SHARES = TARGETS.reduce((sum, { share }) => sum + share, 0);

/** How many of so many inputs to all targets are one's. */
export function inputsOf(target: FuzzTarget, inputs: number): number {
  return Math.ceil(inputs * target.share / SHARES);
}
