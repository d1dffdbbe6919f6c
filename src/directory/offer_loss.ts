/**
 * Which errors of an offer say that the holder may be asked again.
 *
 * @module
 */

import {
  HandshakeTimeoutError,
  PeerSilentError,
  SessionClosedError,
  SessionReplacedError,
  StreamResetError,
} from "../errors.ts";

/** Whether an answer ended because the way to the holder broke, not because of what the holder or this side wants. */
export function isOfferLost(error: unknown): boolean {
  // A session that was closed on this side was closed on purpose; a replaced one has a successor.
  if (error instanceof SessionClosedError) return error.remote || error instanceof SessionReplacedError;
  if (error instanceof StreamResetError) return error.remote;
  return error instanceof PeerSilentError || error instanceof HandshakeTimeoutError;
}
