/**
 * Turns what a file system call throws into the library's errors, so that callers tell a full disk from a missing
 * permission without knowing the runtime.
 *
 * @module
 */

import { DiskFullError, FileSystemError, HawserError, PermissionDeniedError } from "../errors.ts";

/** Codes that say there is no room: no space left, or the user's quota is used up. */
const FULL_CODES: readonly string[] = ["ENOSPC", "EDQUOT"];

/** Code of what Node's permission model refuses. */
export const DENIED_BY_NODE = "ERR_ACCESS_DENIED";

/** What a failed call may carry: Node's fields, and those of its permission model. */
interface SystemError extends Error {
  readonly code?: unknown;
  readonly permission?: unknown;
}

/** The system's name of what went wrong, such as `ENOENT`, or `undefined`. */
export function errorCode(error: unknown): string | undefined {
  const code = (error as Partial<SystemError> | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}

/**
 * The library's error for what a file system call threw.
 *
 * @param action what was done, such as `Open store`.
 * @param path what the call was about.
 * @param scope the path that a permission flag should name. @default path
 */
export function fileError(error: unknown, action: string, path: string, scope: string = path): HawserError {
  if (error instanceof HawserError) return error;
  const system = error as SystemError;
  const flag = missingPermission(system);
  if (flag !== undefined) {
    // What Deno wants for /dev, /proc and /sys, whatever the path flags say.
    const flags = [flag === "--allow-all" ? flag : `${flag}=${scope}`];
    return new PermissionDeniedError(
      `${action} "${path}": permission is missing, run with ${flags[0]}`,
      flags,
      {
        cause: error,
      },
    );
  }
  const code = errorCode(error);
  // What Node's permission model forbids altogether, such as syncs, it explains in words.
  const problem = code === DENIED_BY_NODE ? system.message : code ?? system?.message ?? String(error);
  const message = `${action} "${path}": ${problem}`;
  const full = code !== undefined && FULL_CODES.includes(code);
  return new (full ? DiskFullError : FileSystemError)(message, path, code, { cause: error });
}

/** The command-line flag that a refusal by the runtime itself (not by the file system) asks for. */
function missingPermission(error: SystemError): string | undefined {
  if (error?.name === "NotCapable") {
    return /--allow-(?:read|write|all)/.exec(error.message)?.[0] ?? "--allow-read";
  }
  if (errorCode(error) !== DENIED_BY_NODE) return undefined;
  if (error.permission === "FileSystemWrite") return "--allow-fs-write";
  return error.permission === "FileSystemRead" ? "--allow-fs-read" : undefined;
}
