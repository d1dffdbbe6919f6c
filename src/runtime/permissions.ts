/**
 * What a runtime tells about permissions. Everything here only asks: nothing prompts, and nothing is requested.
 *
 * @module
 */

/** The runtime's permissions, as far as the file work needs them. */
export interface PermissionQueries {
  /** Whether `path` and what is below it may be read; without `path`, whether everything may. */
  mayRead(path?: string): boolean;
  /** Whether `path` and what is below it may be written; without `path`, whether everything may. */
  mayWrite(path?: string): boolean;
  /** Whether the free space of a file system may be asked for. */
  mayReadFreeSpace(): boolean;
  /** The command-line flag that allows reading `path`, or everything. */
  readFlag(path?: string): string;
  /** The command-line flag that allows writing `path`, or everything. */
  writeFlag(path?: string): string;
  /** The flags that would have prevented `error`; `undefined` when it is not a permission error of the runtime. */
  deniedFlags(error: unknown): readonly string[] | undefined;
}
