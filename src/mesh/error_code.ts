/**
 * Error codes that applications choose.
 *
 * @module
 */

import { InvalidArgumentError } from "../errors.ts";

/** The code, once it is known to fit a frame. Throws `InvalidArgumentError`. @param action for the message. */
export function checkErrorCode(action: string, code: number): number {
  if (Number.isSafeInteger(code) && code >= 0) return code;
  throw new InvalidArgumentError(`${action}: code is ${code}, want a whole number from 0 to 2^53 - 1`);
}
