/**
 * The version of this package: what `hawser --version` prints and what a node tells its peers (`protocol.md` 2.2 `agent`).
 *
 * @module
 */

/** Same as `version` in `deno.json`; a test compares them. */
export const VERSION = "0.1.0";
