/**
 * Removing a directory with all that is in it.
 *
 * @module
 */

/**
 * Removes `path` and all below it, links not followed; it need not exist. Throws what the runtime throws, with a `code`;
 * some of it is gone then.
 */
export type RemoveAll = (path: string) => Promise<void>;
