/**
 * What a runtime tells about permissions. Everything here only asks: nothing prompts, and nothing is requested.
 *
 * @module
 */

/** The runtime's permissions, as far as the library needs them. */
export interface PermissionQueries {
  /** Whether `path` and what is below it may be read; without `path`, whether everything may. */
  mayRead(path?: string): boolean;
  /** Whether `path` and what is below it may be written; without `path`, whether everything may. */
  mayWrite(path?: string): boolean;
  /**
   * Whether the runtime looks at every directory on the way to a file that is made, to see what the permissions say of
   * it: then files at short paths are made sooner.
   */
  resolvesPaths(): boolean;
  /** Whether the free space of a file system may be asked for. */
  mayReadFreeSpace(): boolean;
  /** Whether the user's number may be asked for. */
  mayReadUser(): boolean;
  /** Whether the environment variable `name` may be read. */
  mayReadVariable(name: string): boolean;
  /** Whether datagrams may be sent to, or a socket bound at, `host` and `port`. */
  mayUseNetwork(host: string, port: number): boolean;
  /** Whether native code of packages may be loaded. */
  mayRunNative(): boolean;
  /** The command-line flag that allows datagrams to, or a socket at, `host` and `port`. */
  networkFlag(host: string, port: number): string;
  /** The command-line flag that allows reading `path`, or everything. */
  readFlag(path?: string): string;
  /** The command-line flag that allows writing `path`, or everything. */
  writeFlag(path?: string): string;
}
