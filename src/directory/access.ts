/**
 * Asks for the permissions that a call needs before it does anything, so that a missing one is an error that says
 * what to add, not a failure half way (or a prompt).
 *
 * @module
 */

import { permissions } from "#permissions";
import { PermissionDeniedError } from "../errors.ts";

/** Throws `PermissionDeniedError` unless `path` and what is below it may be read. */
export function requireRead(action: string, path: string): void {
  if (permissions.mayRead(path)) return;
  throw denied(`${action}: no permission to read "${path}"`, [permissions.readFlag(path)]);
}

/** Throws `PermissionDeniedError` unless `path` and what is below it may be read and written. */
export function requireReadWrite(action: string, path: string): void {
  const flags: string[] = [];
  if (!permissions.mayRead(path)) flags.push(permissions.readFlag(path));
  if (!permissions.mayWrite(path)) flags.push(permissions.writeFlag(path));
  if (flags.length > 0) throw denied(`${action}: no permission to read and write "${path}"`, flags);
}

/**
 * Throws `PermissionDeniedError` unless symbolic links may be made. Both runtimes want the whole file system
 * allowed for that, because a link may lead anywhere.
 */
export function requireSymlinks(action: string, count: number): void {
  const flags: string[] = [];
  if (!permissions.mayRead()) flags.push(permissions.readFlag());
  if (!permissions.mayWrite()) flags.push(permissions.writeFlag());
  if (flags.length === 0) return;
  throw denied(
    `${action}: ${count} symbolic links are to be made, which the runtime permits only with unscoped read and ` +
      `write (or leave them out with symlinks "skip")`,
    flags,
  );
}

function denied(problem: string, flags: readonly string[]): PermissionDeniedError {
  return new PermissionDeniedError(`${problem}; add ${flags.join(" ")}`, flags);
}
