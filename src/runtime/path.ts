/**
 * Path functions of the host, the same in Deno and Node.
 *
 * @module
 */

export { basename, dirname, isAbsolute, join, parse, relative, resolve, sep } from "node:path";
