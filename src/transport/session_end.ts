/**
 * How sessions end, and the errors that work on them throws afterwards.
 *
 * @module
 */

import {
  DecodeError,
  type HawserError,
  NotAuthorizedError,
  PeerSilentError,
  ProtocolError,
  SessionClosedError,
  SessionReplacedError,
} from "../errors.ts";
import { ErrorCode } from "./config.ts";

/** How a session ended. */
export interface SessionEnd {
  /** Code of CONNECTION_CLOSE, or the reason's local code. */
  readonly code: number;
  /** Text for people. */
  readonly reason: string;
  /** Whether the peer closed it. */
  readonly remote: boolean;
  /** What work on the session throws from now on. */
  readonly error: HawserError;
}

/** This side closed the session, because of `error` if there is one. */
export function endByUs(code: number, reason: string, error?: HawserError): SessionEnd {
  error ??= new SessionClosedError(`Use session: closed here${because(code, reason)}`, code, false, reason);
  return { code, reason, remote: false, error };
}

/** The peer sent CONNECTION_CLOSE. */
export function endByPeer(code: number, reason: string): SessionEnd {
  return { code, reason, remote: true, error: errorOfPeer(code, reason) };
}

/** A newer session with the same peer took this one's place. */
export function endByReplacement(): SessionEnd {
  const code = ErrorCode.SESSION_REPLACED;
  const error = new SessionReplacedError(
    "Use session: a newer one with the same peer replaced it",
    code,
    false,
    "replaced",
  );
  return { code, reason: "replaced", remote: false, error };
}

/** Nothing was heard for longer than the idle time-out. Times in milliseconds. */
export function endBySilence(silent: number, idleTimeout: number): SessionEnd {
  const error = new PeerSilentError(
    `Use session: peer silent for ${Math.round(silent / 1000)} s, idle time-out is ${idleTimeout / 1000} s`,
    silent,
  );
  return { code: ErrorCode.IDLE_TIMEOUT, reason: "idle time-out", remote: false, error };
}

/** The breach of the protocol that an error met in a packet is. Throws the error if it is none. */
export function violationOf(error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error;
  if (!(error instanceof DecodeError)) throw error;
  return new ProtocolError(error.message, ErrorCode.FRAME_ENCODING_ERROR, { cause: error });
}

function errorOfPeer(code: number, reason: string): HawserError {
  if (code === ErrorCode.NOT_AUTHORIZED) {
    const words = reason === "" ? "" : `, it says "${reason}"`;
    return new NotAuthorizedError(`Connect: peer does not accept this node${words}`);
  }
  const message = `Use session: peer closed it${because(code, reason)}`;
  if (code === ErrorCode.SESSION_REPLACED) return new SessionReplacedError(message, code, true, reason);
  return new SessionClosedError(message, code, true, reason);
}

function because(code: number, reason: string): string {
  if (code === ErrorCode.NO_ERROR) return reason === "" ? "" : ` ("${reason}")`;
  return ` with code 0x${code.toString(16)}${reason === "" ? "" : ` ("${reason}")`}`;
}
