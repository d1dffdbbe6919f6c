/**
 * Hawser: an encrypted UDP mesh that moves directories, blobs and streams between machines.
 *
 * @module
 */

export * from "./src/mesh/mod.ts";
export * from "./src/errors.ts";
