/**
 * The command `hawser`: share a directory, fetch it by ticket.
 *
 * Run it without installing anything:
 *
 * ```sh
 * deno run --unstable-net --allow-net --allow-read --allow-write --allow-sys=networkInterfaces \
 *   --allow-env=XDG_CACHE_HOME,HOME,LOCALAPPDATA jsr:@hawser/mesh/hawser --help
 * ```
 *
 * Or run it inside a program of yours, with your own streams: {@linkcode main} takes the arguments and what it needs
 * of the process, and resolves with the exit code.
 *
 * @module
 */

import { exitProcess, processArguments } from "#process";
import { letHeapGrow } from "../runtime/give_back.ts";
import { processIo } from "./io.ts";
import { main } from "./main.ts";

export { EXIT_DONE, EXIT_FAILED, EXIT_USAGE, main } from "./main.ts";
export { type CliIo, processIo } from "./io.ts";
export type { EndSignal, NetworkAddress, TextOutput } from "../runtime/process.ts";

/** Runs the command with this process's arguments and streams, and ends the process with its exit code. */
export async function runCommand(): Promise<never> {
  await letHeapGrow();
  const io = processIo();
  const code = await main(processArguments(), io);
  await io.stdout.flush();
  await io.stderr.flush();
  return exitProcess(code);
}

if (import.meta.main) await runCommand();
