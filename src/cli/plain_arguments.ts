/**
 * Plain command lines, read without the parser of `arguments.ts`: that takes longer to load than most commands take.
 * What is not plain, wrong above all, is left to it.
 *
 * @module
 */

import { HawserError } from "../errors.ts";
import { BASE_DATAGRAM_SIZE, MAX_DATAGRAM_SIZE } from "../transport/config.ts";
import { VERSION } from "../version.ts";
import { decodeTicket } from "../wire/ticket.ts";
import type { CommandLine, CommandOf, ParsedArguments } from "./arguments.ts";
import { parseListenAddress } from "./ticket_addresses.ts";

/** Options without a value; every other one has its value in the argument after it. */
const FLAGS: readonly string[] = [
  "--json",
  "--verbose",
  "-v",
  "--quiet",
  "-q",
  "--once",
  "--pinned",
  "--verify",
  "--no-cache",
];
const LONG_NAMES: Readonly<Record<string, string>> = { "-v": "--verbose", "-q": "--quiet" };

/** Thrown when a line is not plain. */
class NotPlain extends Error {}

/** The arguments after the command's name, each taken once. */
class PlainLine {
  readonly #options = new Map<string, string[]>();
  readonly #positionals: string[] = [];

  constructor(args: readonly string[]) {
    for (let i = 0; i < args.length; i++) {
      if (!args[i].startsWith("-")) {
        this.#positionals.push(args[i]);
        continue;
      }
      const name = LONG_NAMES[args[i]] ?? args[i];
      const value = FLAGS.includes(name) ? "" : args[++i];
      // A value that looks like an option may be a forgotten value.
      if (value === undefined || value.startsWith("-")) throw new NotPlain();
      this.#options.set(name, [...this.#options.get(name) ?? [], value]);
    }
    if (args.includes("")) throw new NotPlain();
  }

  positional(): string | undefined {
    return this.#positionals.shift();
  }

  flag(name: string): boolean {
    return this.value(name) !== undefined;
  }

  value(name: string): string | undefined {
    const values = this.values(name);
    if (values.length > 1) throw new NotPlain();
    return values[0];
  }

  values(name: string): readonly string[] {
    const values = this.#options.get(name) ?? [];
    this.#options.delete(name);
    return values;
  }

  /** A decimal number without sign and exponent. */
  number(name: string, pattern: RegExp, min: number, max: number): number | undefined {
    const text = this.value(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!pattern.test(text) || value < min || value > max) throw new NotPlain();
    return value;
  }

  /** Nothing may be left over: what it is for is not known here. */
  end(): void {
    if (this.#options.size > 0 || this.#positionals.length > 0) throw new NotPlain();
  }
}

function required(value: string | undefined): string {
  if (value === undefined) throw new NotPlain();
  return value;
}

function symlinks(text = "inside"): CommandOf<"fetch">["symlinks"] {
  if (text !== "inside" && text !== "all" && text !== "skip") throw new NotPlain();
  return text;
}

const maxDatagram = (line: PlainLine) =>
  line.number("--max-datagram", /^[1-9]\d*$/, BASE_DATAGRAM_SIZE, MAX_DATAGRAM_SIZE);
const timeout = (line: PlainLine) => line.number("--timeout", /^\d+(\.\d+)?$/, 0.001, 2_000_000);
const cacheOptions = (line: PlainLine) => ({
  verify: line.flag("--verify"),
  cache: line.value("--cache"),
  noCache: line.flag("--no-cache"),
});
const globals = (line: PlainLine) => ({
  json: line.flag("--json"),
  verbose: line.flag("--verbose"),
  quiet: line.flag("--quiet"),
});

/** What `arguments.ts` makes of the same line. */
const COMMANDS: { readonly [Name in CommandLine["command"]]: (line: PlainLine) => CommandOf<Name> } = {
  share: (line) => ({
    ...globals(line),
    command: "share",
    path: required(line.positional()),
    once: line.flag("--once"),
    pinned: line.flag("--pinned"),
    listen: parseListenAddress(line.value("--listen") ?? "0.0.0.0:0"),
    key: line.value("--key"),
    exclude: line.values("--exclude"),
    ...cacheOptions(line),
    maxDatagram: maxDatagram(line),
  }),
  fetch: (line) => ({
    ...globals(line),
    command: "fetch",
    ticket: decodeTicket(required(line.positional()).trim()),
    dest: required(line.positional()),
    timeout: timeout(line),
    symlinks: symlinks(line.value("--symlinks")),
    ...cacheOptions(line),
    maxDatagram: maxDatagram(line),
  }),
  ref: (line) => ({
    ...globals(line),
    command: "ref",
    path: required(line.positional()),
    exclude: line.values("--exclude"),
    ...cacheOptions(line),
  }),
  ls: (line) => ({
    ...globals(line),
    command: "ls",
    ticket: decodeTicket(required(line.positional()).trim()),
    timeout: timeout(line) ?? 60,
  }),
  key: (line) => ({ ...globals(line), command: "key", file: line.positional() ?? "hawser.key" }),
  doctor: (line) => ({ ...globals(line), command: "doctor", dir: line.value("--dir") ?? "." }),
};

/** What `parseArguments` would give for the line; `undefined` when that has to be asked. */
export function readPlainArguments(args: readonly string[]): ParsedArguments | undefined {
  const [name, ...rest] = args;
  if (name === "--version" && rest.length === 0) return { kind: "text", text: `${VERSION}\n` };
  if (!Object.hasOwn(COMMANDS, name ?? "")) return undefined;
  try {
    const line = new PlainLine(rest);
    const value = COMMANDS[name as CommandLine["command"]](line);
    line.end();
    return { kind: "command", value };
  } catch (error) {
    if (error instanceof NotPlain || error instanceof HawserError) return undefined;
    throw error;
  }
}
