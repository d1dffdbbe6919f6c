import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type CommandLine, parseArguments } from "../../src/cli/arguments.ts";
import { VERSION } from "../../src/version.ts";
import { encodeTicket } from "../../src/wire/ticket.ts";

const ticket = encodeTicket({ nodeId: new Uint8Array(32).fill(7), addresses: ["127.0.0.1:4711"] });

function parse(...args: string[]): CommandLine {
  const parsed = parseArguments(args, 80);
  assert.equal(parsed.kind, "command", JSON.stringify(parsed));
  return (parsed as { value: CommandLine }).value;
}

function textOf(...args: string[]): string {
  const parsed = parseArguments(args, 80);
  assert.equal(parsed.kind, "text", JSON.stringify(parsed));
  return (parsed as { text: string }).text;
}

function wrong(...args: string[]): string {
  const parsed = parseArguments(args, 80);
  assert.equal(parsed.kind, "wrong", JSON.stringify(parsed));
  return (parsed as { message: string }).message;
}

const quiet = { json: false, verbose: false, quiet: false };
const cached = { cache: undefined, noCache: false, verify: false };

Deno.test("every command has its defaults", { permissions: "none" }, () => {
  assert.deepEqual(parse("share", "dir"), {
    ...quiet,
    ...cached,
    command: "share",
    path: "dir",
    once: false,
    pinned: false,
    listen: "0.0.0.0:0",
    key: undefined,
    exclude: [],
    maxDatagram: undefined,
  });
  const fetch = parse("fetch", ticket, "dest");
  assert.equal(fetch.command, "fetch");
  if (fetch.command === "fetch") {
    assert.deepEqual(fetch.ticket.addresses, ["127.0.0.1:4711"]);
    assert.equal(fetch.dest, "dest");
    assert.equal(fetch.timeout, undefined);
    assert.equal(fetch.symlinks, "inside");
  }
  assert.deepEqual(parse("ref", "x"), { ...quiet, ...cached, command: "ref", path: "x", exclude: [] });
  assert.deepEqual(parse("key"), { ...quiet, command: "key", file: "hawser.key" });
  assert.equal(parse("ls", ticket).command, "ls");
});

Deno.test("datagrams can be held to a size from 1200 bytes", { permissions: "none" }, () => {
  for (const args of [["share", "dir"], ["fetch", ticket, "dest"]]) {
    const parsed = parse(...args, "--max-datagram", "1452");
    assert.equal((parsed as { maxDatagram?: number }).maxDatagram, 1452);
    for (const size of ["1199", "65508", "many"]) {
      assert.match(wrong(...args, "--max-datagram", size), /--max-datagram/);
    }
  }
});

Deno.test("options are taken in any order, also before the command", { permissions: "none" }, () => {
  const wanted = parse(
    "share",
    "dir",
    "--once",
    "--json",
    "--listen",
    "127.0.0.1:4711",
    "--exclude",
    "*.log",
  );
  for (
    const args of [
      ["--json", "share", "--once", "--listen=127.0.0.1:4711", "--exclude=*.log", "dir"],
      ["share", "--exclude", "*.log", "--json", "dir", "--listen", "127.0.0.1:4711", "--once"],
    ]
  ) assert.deepEqual(parse(...args), wanted);
  assert.deepEqual(
    (parse("share", "d", "--exclude", "a", "--exclude", "b") as { exclude: readonly string[] }).exclude,
    [
      "a",
      "b",
    ],
  );
  assert.equal((parse("ref", "--", "--odd") as { path: string }).path, "--odd");
  assert.equal(parse("-q", "key").quiet, true);
  assert.equal(parse("key", "-v").verbose, true);
});

Deno.test("wrong usage is one line that names what is wrong", { permissions: "none" }, () => {
  assert.match(wrong(), /command/);
  assert.match(wrong("shar", "dir"), /"shar".*Did you mean `share`/);
  assert.match(wrong("share"), /PATH/);
  assert.match(wrong("share", "a", "b"), /b/);
  assert.match(wrong("share", "a", "--exlude", "x"), /--exlude.*Did you mean `--exclude`/);
  assert.match(wrong("share", "a", "--listen", "nonsense"), /--listen.*"nonsense"/);
  assert.match(wrong("share", "a", "--listen"), /--listen/);
  assert.match(wrong("fetch", ticket), /DEST/);
  assert.match(wrong("fetch", "nonsense", "dest"), /hawser1/);
  assert.match(wrong("fetch", ticket.slice(0, -1) + (ticket.endsWith("q") ? "p" : "q"), "dest"), /checksum/);
  assert.match(wrong("fetch", ticket, "dest", "--timeout", "0"), /--timeout/);
  assert.match(wrong("fetch", ticket, "dest", "--symlinks", "never"), /--symlinks/);
  for (const message of [wrong(), wrong("share", "\x1b[2J\nx", "b\x1b")]) {
    assert.doesNotMatch(message, /\p{Cc}/u);
  }
});

Deno.test("help shows commands, options, examples and exit codes", { permissions: "none" }, () => {
  const help = textOf("--help");
  for (
    const word of [
      "share",
      "fetch",
      "ref",
      "ls",
      "key",
      "--json",
      "--verbose",
      "--quiet",
      "--version",
      "Exit codes",
    ]
  ) {
    assert.ok(help.includes(word), `${word} in ${help}`);
  }
  assert.match(
    textOf("share", "--help"),
    /--once[^]*--pinned[^]*--listen[^]*--key[^]*--exclude[^]*Examples:\n {2}hawser share photos\n/,
  );
  assert.match(textOf("fetch", "-h"), /TICKET[^]*DEST[^]*--timeout[^]*Exit codes/);
  assert.equal(textOf("help", "key"), textOf("key", "--help"));
  for (const line of help.split("\n")) assert.ok(line.length <= 80, line);
});

Deno.test("version is that of deno.json", { permissions: { read: true } }, () => {
  assert.equal(textOf("--version"), `${VERSION}\n`);
  const { version } = JSON.parse(readFileSync(new URL("../../deno.json", import.meta.url), "utf8"));
  assert.equal(version, VERSION);
});

Deno.test("completion scripts are printed", { permissions: "none" }, () => {
  assert.match(textOf("completion", "bash"), /hawser/);
});
