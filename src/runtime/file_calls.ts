/**
 * The few file calls that a fetch, and a helping thread of it, does many of, with what the runtime has for them at hand: a thread that had to
 * load more would begin later.
 *
 * @module
 */

import type { Look } from "./look.ts";

/** File calls. What they throw has the system's code, as what `node:fs` throws has. */
export interface FileCalls {
  /** Finds out what is permitted: to be called before many of the others, and without it only the slower ones are used. */
  prepare(): void;
  /** Makes a directory that is not there. */
  makeDirectory(path: string): void;
  /**
   * Makes a file that is not there. @param mode its permission bits, from which the umask may be taken. @default 0o666
   * without the umask @param durable flushes it to the disk.
   */
  makeFile(path: string, bytes: Uint8Array, mode: number | undefined, durable: boolean): void;
  /**
   * Reads bytes of a file at a position into `bytes`. Returns how many came: fewer than there is room for also where that
   * has to be left to other calls.
   */
  read(path: string, bytes: Uint8Array, position: number): number;
  /** Makes `to` another name of the file `from`. */
  linkFile(from: string, to: string): void;
  /** Removes a name of a file. */
  removeFile(path: string): void;
  /** Removes a name with all that is below it, links not followed. */
  removeTree(path: string): void;
  /** Looks at what is at a path; `undefined` where that has to be left to `lookAt` of `#look`. */
  look(path: string): Look | undefined;
}
