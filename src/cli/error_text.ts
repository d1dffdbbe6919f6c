/**
 * What an error says to a person: one line, and where it helps what to do next.
 *
 * @module
 */

import {
  BlobNotFoundError,
  DiskFullError,
  FileSystemError,
  HandshakeTimeoutError,
  HashMismatchError,
  HawserError,
  NotAuthorizedError,
  PeerSilentError,
  SessionClosedError,
  SourceChangedError,
} from "../errors.ts";
import { safeText } from "./safe_text.ts";
import { DeadlineError, UsageError } from "./usage_error.ts";

/** What to do next, by class; the first that fits counts. */
const ADVICE: readonly [new (...args: never[]) => Error, string][] = [
  [
    HandshakeTimeoutError,
    "is the share still running, and does a firewall let its UDP port through?",
  ],
  [
    PeerSilentError,
    "its network or its process is gone: fetch again",
  ],
  [NotAuthorizedError, "ask for a new ticket"],
  [HashMismatchError, "the other side sent wrong bytes, nothing was changed here"],
  [DiskFullError, "make room and fetch again"],
  [BlobNotFoundError, "it has changed or is gone over there: ask for a new ticket"],
  [SourceChangedError, "share it again"],
  [SessionClosedError, "is the share still running?"],
];

/** Names of system errors in words; the message ends with the name where the system gave one. */
const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  EACCES: "the file system does not permit it",
  EPERM: "the file system does not permit it",
  EROFS: "the file system is read-only",
  ENOENT: "no such file or directory",
  ENOTDIR: "not a directory",
  EISDIR: "it is a directory",
  EEXIST: "it exists already",
  ENOSPC: "no space left",
  EDQUOT: "the disk quota is used up",
  ENAMETOOLONG: "the name is too long",
  EMFILE: "too many open files",
  EIO: "the disk reports an error",
};

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const words = error instanceof FileSystemError ? SYSTEM_ERRORS[error.code ?? ""] : undefined;
  if (words !== undefined && error.message.endsWith(`: ${(error as FileSystemError).code}`)) {
    return error.message.slice(0, error.message.lastIndexOf(":") + 2) + words;
  }
  return error.message || error.name;
}

/** One line, safe to print: the message, then advice after a semicolon. */
export function errorText(error: unknown): string {
  const message = messageOf(error);
  const advice = ADVICE.find(([type]) => error instanceof type)?.[1];
  const line = (advice === undefined ? message : `${message}; ${advice}`).replace(/\s*\n\s*/g, " ");
  // An error that is not ours has a message that does not say what was being done.
  const ours = !(error instanceof Error) || error.name === "Error" || error instanceof HawserError ||
    error instanceof DeadlineError || error instanceof UsageError;
  return safeText(ours ? line : `${error.name}: ${line}`);
}

/** The stack with all causes, safe to print, line by line. */
export function errorStack(error: unknown): string {
  const lines: string[] = [];
  for (let e: unknown = error, depth = 0; e !== undefined && depth < 8; depth++) {
    const stack = e instanceof Error ? e.stack ?? String(e) : String(e);
    lines.push(
      ...stack.split("\n").map((line, i) => safeText(depth > 0 && i === 0 ? `Caused by: ${line}` : line)),
    );
    e = e instanceof Error ? e.cause : undefined;
  }
  return lines.join("\n");
}

/** The error as an object for `--json`. */
export function errorJson(error: unknown): { error: { name: string; message: string } } {
  return error instanceof Error
    ? { error: { name: error.name, message: error.message } }
    : { error: { name: "Error", message: String(error) } };
}
