/** What is read without the parser is what the parser reads. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { parseArguments, type ParsedArguments } from "../../src/cli/arguments.ts";
import { readPlainArguments } from "../../src/cli/plain_arguments.ts";
import { encodeTicket } from "../../src/wire/ticket.ts";

const permissions = "none";
const ticket = encodeTicket({ nodeId: new Uint8Array(32).fill(7), addresses: ["127.0.0.1:4711"] });
/** The arguments that each command cannot do without. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  share: ["dir"],
  fetch: [ticket, "dest"],
  ref: ["dir"],
  ls: [ticket],
  key: [],
  doctor: [],
};
/** Values by the name that help gives them. */
const VALUES: Readonly<Record<string, string>> = {
  "HOST:PORT": ":4711",
  FILE: "some.key",
  GLOB: "*.log",
  BYTES: "1452",
  SECONDS: "2.5",
  POLICY: "all",
  DIR: "/tmp",
};

function helpOf(command: string): string {
  const help = parseArguments([command, "--help"], 110);
  assert.equal(help.kind, "text");
  return (help as { text: string }).text;
}

/** Every option that the help of a command shows, with a value where it has one. */
function optionsOf(command: string): string[][] {
  const found = [...helpOf(command).matchAll(/^ +(?:(-\w), )?(--[\w-]+)(?: ([A-Z:]+))?/gm)];
  const options = found.flatMap(([, short, long, metavar]) =>
    [short, long].filter((name) => name !== undefined).map((name) =>
      metavar === undefined ? [name] : [name, VALUES[metavar] ?? assert.fail(`no value for ${metavar}`)]
    )
  );
  return options.filter(([name]) => !["-h", "--help", "--version"].includes(name));
}

/** Compares both readings of a line; whether the plain one gave any. */
function isPlain(args: readonly string[]): boolean {
  const plain: ParsedArguments | undefined = readPlainArguments(args);
  if (plain !== undefined) assert.deepEqual(plain, parseArguments(args, 80), args.join(" "));
  return plain !== undefined;
}

Deno.test(
  "plain arguments: every option of every command is read without the parser",
  { permissions },
  () => {
    assert.ok(isPlain(["--version"]));
    for (const [command, needed] of Object.entries(NEEDED)) {
      assert.ok(isPlain([command, ...needed]), command);
      const options = optionsOf(command);
      assert.ok(options.length >= 5, command);
      for (const option of options) {
        assert.ok(isPlain([command, ...option, ...needed]), option.join(" "));
        assert.ok(isPlain([command, ...needed, ...option]), option.join(" "));
      }
    }
  },
);

Deno.test("plain arguments: several options, in any place, and repeated ones", { permissions }, () => {
  assert.ok(
    isPlain(["share", "--json", "--exclude", "a", "dir", "--once", "--pinned", "--exclude", "b", "-q", "-v"]),
  );
  assert.ok(
    isPlain(["fetch", "--timeout", "60", ticket, "--symlinks", "skip", "dest", "--max-datagram", "1200"]),
  );
});

Deno.test("plain arguments: help, mistakes and rare forms are the parser's", { permissions }, () => {
  const lines = [
    [],
    ["--help"],
    ["help", "share"],
    ["share"],
    ["share", "--help"],
    ["share", "dir", "other"],
    ["share", "dir", "--once", "--once"],
    ["share", "dir", "--listen", "nowhere"],
    ["share", "dir", "--listen=:4711"],
    ["share", "--", "dir"],
    ["share", "dir", "--max-datagram", "1199"],
    ["fetch", "hawser1nonsense", "dest"],
    ["fetch", ticket, "dest", "--timeout", "1e3"],
    ["fetch", ticket, "dest", "--symlinks", "some"],
    ["toString", "dir"],
    ["--json", "key"],
    ["--version", "share"],
  ];
  for (const args of lines) assert.equal(readPlainArguments(args), undefined, args.join(" "));
});

Deno.test("plain arguments: whatever the line, both readings are one", { permissions }, () => {
  const words = [...new Set(Object.keys(NEEDED).flatMap((command) => optionsOf(command).flat()))];
  const word = fc.oneof(
    fc.constantFrom(
      ...words,
      ticket,
      "--",
      "-h",
      "-vq",
      "help",
      "completion",
      "--version",
      "--once=1",
      "",
      " ",
      "-1",
    ),
    fc.string({ maxLength: 6 }),
  );
  const line = fc.constantFrom(...Object.entries(NEEDED)).chain(([command, needed]) =>
    fc.array(word, { maxLength: 4 }).map((extra) => [command, ...needed, ...extra])
  );
  fc.assert(fc.property(line, (args) => void isPlain(args)), { numRuns: 500 });
});
