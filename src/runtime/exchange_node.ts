/**
 * Exchanging two names in one step: Node has no way to do it.
 *
 * @module
 */

/** Always `false`: the caller takes two renames. */
export function exchangeNames(_a: string, _b: string): boolean {
  return false;
}
