/**
 * The command line: what can be asked for, its help and its mistakes. Needs no permission: it touches neither
 * environment nor terminal.
 *
 * @module
 */

import { merge, object, or } from "@optique/core/constructs";
import type { DocPage } from "@optique/core/doc";
import { runParserSync } from "@optique/core/facade";
import { commandLine, formatMessage, type Message, message, text } from "@optique/core/message";
import { multiple, optional, withDefault } from "@optique/core/modifiers";
import type { InferValue } from "@optique/core/parser";
import { argument, command, constant, flag, option } from "@optique/core/primitives";
import { choice, float, integer, string, type ValueParser } from "@optique/core/valueparser";
import { HawserError } from "../errors.ts";
import { BASE_DATAGRAM_SIZE, MAX_DATAGRAM_SIZE } from "../transport/config.ts";
import { VERSION } from "../version.ts";
import { decodeTicket, type Ticket } from "../wire/ticket.ts";
import { safeText } from "./safe_text.ts";
import { parseListenAddress } from "./ticket_addresses.ts";

/** A value parser that reports what `read` throws. */
function checked<T>(
  metavar: "TICKET" | "HOST:PORT",
  placeholder: T,
  read: (input: string) => T,
): ValueParser<"sync", T> {
  return {
    mode: "sync",
    metavar,
    placeholder,
    parse(input) {
      try {
        return { success: true, value: read(input) };
      } catch (error) {
        if (!(error instanceof HawserError)) throw error;
        return { success: false, error: message`${text(error.message)}` };
      }
    },
    format: () => metavar,
  };
}

const ticket: ValueParser<"sync", Ticket> = checked(
  "TICKET",
  { nodeId: new Uint8Array(32), addresses: [] },
  (input) => decodeTicket(input.trim()),
);
const listenAddress: ValueParser<"sync", string> = checked("HOST:PORT", "0.0.0.0:0", parseListenAddress);

const datagramSize: ValueParser<"sync", number> = integer({
  min: BASE_DATAGRAM_SIZE,
  max: MAX_DATAGRAM_SIZE,
  metavar: "BYTES",
});
const maxDatagram = optional(
  option("--max-datagram", datagramSize, {
    description: message`Largest UDP datagram to send, at least 1200 (default: what the path carries).`,
  }),
);

/** What has to do with the cache, in each command that reads directories. */
const cacheOptions = {
  verify: withDefault(
    flag("--verify", {
      description:
        message`Read and hash every file, also those that did not change since they were hashed last.`,
    }),
    false,
  ),
  cache: optional(
    option("--cache", string({ metavar: "DIR" }), {
      description: message`Folder to remember directories in (default: one of the user's cache folder).`,
    }),
  ),
  noCache: withDefault(
    flag("--no-cache", {
      description: message`Neither use nor write what is remembered of directories.`,
    }),
    false,
  ),
};

const EXIT_CODES = "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 or 143 interrupted.";

/** Examples below the help of each command; "" is the help of the whole. */
const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  "": ["hawser share photos", "hawser fetch hawser1... photos"],
  share: [
    "hawser share photos",
    "hawser share . --once --exclude '**/node_modules'",
    "hawser share site --key hawser.key --listen 0.0.0.0:4711",
  ],
  fetch: ["hawser fetch hawser1... photos", "hawser fetch --timeout 60 --json hawser1... photos"],
  ref: ["hawser ref photos", "hawser ref photos/cat.jpg"],
  ls: ["hawser ls hawser1..."],
  key: ["hawser key", "hawser key ~/.hawser.key"],
  doctor: ["hawser doctor", "hawser doctor --dir /mnt/backup --json"],
};

/** The text below a help page. Which command it is about stands in its usage line. */
function examplesBelow(page: DocPage): string {
  const command = page.usage?.find((term) => term.type === "command");
  const examples = EXAMPLES[command?.type === "command" ? command.name : ""] ?? [];
  return ["Examples:", ...examples.map((line) => `  ${line}`), "", EXIT_CODES, ""].join("\n");
}

const globals = object("Global options", {
  json: withDefault(
    flag("--json", {
      hidden: "usage",
      description: message`Print results and errors as JSON, one object per line.`,
    }),
    false,
  ),
  verbose: withDefault(
    flag("-v", "--verbose", {
      hidden: "usage",
      description: message`Say more on standard error; show the stack of an error.`,
    }),
    false,
  ),
  quiet: withDefault(
    flag("-q", "--quiet", {
      hidden: "usage",
      description: message`Say nothing on standard error but errors.`,
    }),
    false,
  ),
});

const share = command(
  "share",
  object("Options", {
    command: constant("share"),
    path: argument(string({ metavar: "PATH" }), {
      description: message`The directory to share. Nothing is copied.`,
    }),
    once: withDefault(flag("--once", { description: message`End after the first complete fetch.` }), false),
    pinned: withDefault(
      flag("--pinned", {
        description:
          message`Read everything first: the ticket is for exactly that content. Without it, it is for what this node offers at this path.`,
      }),
      false,
    ),
    listen: withDefault(
      option("--listen", listenAddress, {
        description: message`UDP address to listen on (default: 0.0.0.0:0, all of IPv4, any free port).`,
      }),
      "0.0.0.0:0",
    ),
    key: optional(
      option("--key", string({ metavar: "FILE" }), {
        description: message`Node key made by ${
          commandLine("hawser key")
        }. The same key, path and port give the same ticket again (with ${"--pinned"}: key, content and port). Without it, each run has a new key.`,
      }),
    ),
    exclude: multiple(
      option("--exclude", string({ metavar: "GLOB" }), {
        description: message`Leave out what matches. Repeatable.`,
      }),
    ),
    ...cacheOptions,
    maxDatagram,
  }),
  {
    brief: message`Share a directory.`,
    description:
      message`Prints a ticket at once, then reads the directory and serves it to whoever has the ticket, encrypted, until Ctrl-C. Keep the ticket secret.`,
  },
);

const fetch = command(
  "fetch",
  object("Options", {
    command: constant("fetch"),
    ticket: argument(ticket, { description: message`What ${commandLine("hawser share")} printed.` }),
    dest: argument(string({ metavar: "DEST" }), {
      description: message`Where the directory goes. What is there is replaced, once everything has arrived.`,
    }),
    timeout: optional(
      option("--timeout", float({ min: 0.001, max: 2_000_000, metavar: "SECONDS" }), {
        description: message`Give up when the whole fetch takes longer (default: no limit).`,
      }),
    ),
    symlinks: withDefault(
      option("--symlinks", choice(["inside", "all", "skip"], { metavar: "POLICY" }), {
        description:
          message`Symbolic links: ${"inside"} refuses those that leave the directory, ${"all"} makes every one, ${"skip"} none (default: inside).`,
      }),
      "inside" as const,
    ),
    ...cacheOptions,
    maxDatagram,
  }),
  {
    brief: message`Fetch a directory by its ticket.`,
    description:
      message`Everything is verified, and put in place in one step at the end: the destination is the old directory or the new one, never between.`,
  },
);

const ref = command(
  "ref",
  object("Options", {
    command: constant("ref"),
    path: argument(string({ metavar: "PATH" }), { description: message`A directory or a file.` }),
    exclude: multiple(
      option("--exclude", string({ metavar: "GLOB" }), {
        description: message`Leave out what matches. Repeatable.`,
      }),
    ),
    ...cacheOptions,
  }),
  {
    brief: message`Print the reference of a directory or file.`,
    description:
      message`The reference, in hex and nothing else: the same content has the same reference everywhere.`,
  },
);

const ls = command(
  "ls",
  object("Options", {
    command: constant("ls"),
    ticket: argument(ticket, { description: message`What ${commandLine("hawser share")} printed.` }),
    timeout: withDefault(
      option("--timeout", float({ min: 0.001, max: 2_000_000, metavar: "SECONDS" }), {
        description: message`Give up when it takes longer (default: 60).`,
      }),
      60,
    ),
  }),
  {
    brief: message`List what a ticket gives, before fetching.`,
    description: message`Mode, size and path of every entry. Fetches the list only.`,
  },
);

const key = command(
  "key",
  object("Options", {
    command: constant("key"),
    file: withDefault(
      argument(string({ metavar: "FILE" }), { description: message`The key file (default: hawser.key).` }),
      "hawser.key",
    ),
  }),
  {
    brief: message`Make or show a node key.`,
    description:
      message`Makes the key file when there is none, readable by its owner only, and prints the id of the node. The secret is never printed.`,
  },
);

const doctor = command(
  "doctor",
  object("Options", {
    command: constant("doctor"),
    dir: withDefault(
      option("--dir", string({ metavar: "DIR" }), {
        description: message`Where small files are made for a moment (default: the working directory).`,
      }),
      ".",
    ),
  }),
  {
    brief: message`Say what limits a transfer on this machine.`,
    description:
      message`Measures UDP, encryption, hashing and files each on its own, then a real transfer between two nodes, and says what takes its time and what would help. Takes a few seconds. What is not permitted is left out.`,
  },
);

const parser = merge(
  globals,
  or(share, fetch, ref, ls, key, doctor, {
    errors: { noMatch: message`There is no command; commands are share, fetch, ref, ls, key and doctor` },
  }),
);

/** What the command line asks for. */
export type CommandLine = InferValue<typeof parser>;
/** One command with its options. */
export type CommandOf<Name extends CommandLine["command"]> = Extract<CommandLine, { command: Name }>;

/** Result of {@linkcode parseArguments}. */
export type ParsedArguments =
  | { readonly kind: "command"; readonly value: CommandLine }
  /** Help, version or completion: `text` is all there is to do. */
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "wrong"; readonly message: string };

/** Leaves the parser once it has shown or reported something. */
class Shown {
  constructor(readonly result: ParsedArguments) {}
}

/** Reads the arguments after the program's name. `columns` is the width of help. */
export function parseArguments(args: readonly string[], columns: number): ParsedArguments {
  let shown = "";
  const showText = (): never => {
    throw new Shown({ kind: "text", text: shown });
  };
  const showHelp = (_code: number, page: DocPage): never => {
    // Wrapping leaves spaces at the ends of lines.
    throw new Shown({ kind: "text", text: shown.replace(/ +$/gm, "") + examplesBelow(page) });
  };
  try {
    const value = runParserSync(parser, "hawser", args, {
      stdout: (line) => shown += `${line}\n`,
      // The error comes as a structured message to onError.
      stderr: () => {},
      help: { command: true, option: { names: ["-h", "--help"] }, onShow: showHelp },
      version: { value: VERSION, option: true, onShow: showText },
      completion: { command: true, onShow: showText },
      usageLine: [{ type: "ellipsis" }],
      brief: message`Hawser moves directories between machines, encrypted and verified.`,
      aboveError: "none",
      // Narrower than this, the layout of help has no room for descriptions.
      maxWidth: Math.max(60, Math.min(columns, 110)),
      onError: (_code, error) => {
        throw new Shown({ kind: "wrong", message: usageMessage(error) });
      },
    });
    return { kind: "command", value };
  } catch (shownOrError) {
    if (shownOrError instanceof Shown) return shownOrError.result;
    throw shownOrError;
  }
}

/** The parser's message on one line, without its final period. */
function usageMessage(error: Message): string {
  const line = formatMessage(error, { colors: false, quotes: true }).replace(/\s+/g, " ").trim();
  return safeText(line.replace(/\.$/, ""));
}
