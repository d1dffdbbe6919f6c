/**
 * A thread that does not come up.
 *
 * @module
 */

throw new Error("broken");
