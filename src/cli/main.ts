/**
 * The command from its arguments to its exit code.
 *
 * @module
 */

import type { CommandLine, ParsedArguments } from "./arguments.ts";
import { errorJson, errorStack, errorText } from "./error_text.ts";
import type { CliIo } from "./io.ts";
import { Output } from "./output.ts";
import { readPlainArguments } from "./plain_arguments.ts";
import { safeJson } from "./safe_text.ts";
import { InterruptedError, UsageError } from "./usage_error.ts";

/** Everything was done. */
export const EXIT_DONE = 0;
/** The work failed. */
export const EXIT_FAILED = 1;
/** The command line makes no sense. */
export const EXIT_USAGE = 2;

/**
 * Runs the command `hawser` and resolves with its exit code; never rejects.
 *
 * @param args arguments after the program's name.
 * @param io the process around it.
 */
export async function main(args: readonly string[], io: CliIo): Promise<number> {
  const parsed = readPlainArguments(args) ?? await parse(args, io.stdout.columns);
  if (parsed.kind === "text") {
    io.stdout.write(parsed.text);
    return EXIT_DONE;
  }
  if (parsed.kind === "wrong") return reportUsage(parsed.message, args, io);
  return await runInterruptible(parsed.value, io);
}

/** Reads arguments with the parser that knows help, completion and every mistake. */
async function parse(args: readonly string[], columns: number): Promise<ParsedArguments> {
  const { parseArguments } = await import("./arguments.ts");
  return parseArguments(args, columns);
}

/** Runs a command so that the first signal ends it in order and the second at once. */
async function runInterruptible(command: CommandLine, io: CliIo): Promise<number> {
  const output = new Output(io, command);
  const controller = new AbortController();
  const ignoreSignals = io.onEndSignal((signal) => {
    const interrupted = new InterruptedError(signal);
    if (controller.signal.aborted) {
      output.endProgress();
      io.exit(interrupted.exitCode);
    } else {
      controller.abort(interrupted);
    }
  });
  try {
    await run(command, output, io, controller.signal);
    return EXIT_DONE;
  } catch (error) {
    const { reason } = controller.signal;
    if (reason instanceof InterruptedError) {
      // What a command throws once interrupted is a consequence, unless it says otherwise with --verbose.
      if (error !== reason) output.detail(errorText(error));
      // A signal is how a share ends.
      if (command.command !== "share") {
        output.json(errorJson(reason));
        output.note(reason.message);
      }
      return reason.exitCode;
    }
    output.endProgress();
    output.json(errorJson(error));
    output.warn(errorText(error));
    if (command.verbose) io.stderr.write(`${errorStack(error)}\n`);
    return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
  } finally {
    output.endProgress();
    ignoreSignals();
  }
}

/** Each command is loaded when it is asked for: what the others need takes its time. */
async function run(command: CommandLine, output: Output, io: CliIo, signal: AbortSignal): Promise<void> {
  switch (command.command) {
    case "share": {
      const { runShare } = await import("./command_share.ts");
      return await runShare(command, output, io, signal);
    }
    case "fetch": {
      const { runFetch } = await import("./command_fetch.ts");
      return await runFetch(command, output, io, signal);
    }
    case "ref": {
      const { runRef } = await import("./command_ref.ts");
      return await runRef(command, output, io, signal);
    }
    case "ls": {
      const { runLs } = await import("./command_ls.ts");
      return await runLs(command, output, signal);
    }
    case "key": {
      const { runKey } = await import("./command_key.ts");
      return runKey(command, output);
    }
    case "doctor": {
      const { runDoctor } = await import("./command_doctor.ts");
      return await runDoctor(command, output, signal);
    }
  }
}

function reportUsage(message: string, args: readonly string[], io: CliIo): number {
  const end = args.indexOf("--");
  const options = end < 0 ? args : args.slice(0, end);
  if (options.includes("--json")) {
    io.stdout.write(`${safeJson({ error: { name: "UsageError", message } })}\n`);
  }
  io.stderr.write(`hawser: ${message} (see "hawser --help")\n`);
  return EXIT_USAGE;
}
