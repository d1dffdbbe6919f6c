/**
 * What the command needs of the process around it. Tests pass their own.
 *
 * @module
 */

import { exitProcess, networkAddresses, onEndSignal, standardError, standardOutput } from "#process";
import type { EndSignal, NetworkAddress, TextOutput } from "../runtime/process.ts";

/** The process around a command. */
export interface CliIo {
  /** Results. */
  readonly stdout: TextOutput;
  /** Progress, notes and errors. */
  readonly stderr: TextOutput;
  /** Monotonic clock, ms. */
  now(): number;
  /** Has `handler` called at SIGINT and SIGTERM; returns what undoes it. */
  onEndSignal(handler: (signal: EndSignal) => void): () => void;
  /** Ends the process at once. */
  exit(code: number): void;
  /** Addresses of this machine's interfaces, empty where it may not look. */
  networkAddresses(): NetworkAddress[];
  /** The folder in which trees are remembered; `undefined` when there is none, or the environment may not be asked. */
  cacheFolder(): Promise<string | undefined>;
}

/** The real process. */
export function processIo(): CliIo {
  return {
    stdout: standardOutput(),
    stderr: standardError(),
    now: () => performance.now(),
    onEndSignal,
    exit: exitProcess,
    networkAddresses,
    cacheFolder: async () => {
      // Not needed to start.
      const { cacheFolder } = await import("../runtime/cache_folder.ts");
      return cacheFolder("hawser");
    },
  };
}
