/**
 * What a session tells its owner.
 *
 * @module
 */

import type { SessionEnd } from "./session_end.ts";
import type { Stream } from "./stream.ts";

/** Told by a session. */
export interface SessionEvents {
  /** The peer opened a stream. */
  onStream(stream: Stream): void;
  /** The peer sent an unreliable datagram; the bytes are the owner's. */
  onDatagram(bytes: Uint8Array): void;
  /** PATH_CHALLENGE came; the bytes are a view. */
  onPathChallenge(data: Uint8Array): void;
  /** PATH_RESPONSE came; the bytes are a view. */
  onPathResponse(data: Uint8Array): void;
  /** The session ended; streams have been told. */
  onEnd(end: SessionEnd): void;
  /** Something is to be sent: poll soon. */
  onWake(): void;
}
