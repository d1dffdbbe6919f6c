import assert from "node:assert/strict";
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { main } from "../../src/cli/mod.ts";
import { decodeTicket } from "../../src/wire/ticket.ts";
import { until } from "../mesh/nodes.ts";
import { tempPermissions, tempRoot, withTempDir } from "../support/temp.ts";
import { FakeIo } from "./fake_io.ts";

const files = tempPermissions;
const loopback: Deno.PermissionOptions = { ...tempPermissions, net: ["127.0.0.1"] };

async function run(io: FakeIo, ...args: string[]): Promise<number> {
  const code = await main(args, io);
  assert.equal(io.listening, 0, "signal handlers are left behind");
  return code;
}

/** Runs a command that must fail and returns its only line on standard error. */
async function failure(code: number, ...args: string[]): Promise<string> {
  const io = new FakeIo();
  assert.equal(await run(io, ...args), code, io.stderr.text);
  assert.equal(io.stderr.lines.length, 1, io.stderr.text);
  assert.match(io.stderr.text, /^hawser: /);
  assert.equal(io.stdout.text, "");
  return io.stderr.text;
}

Deno.test("help and version end with 0 and print to standard output", { permissions: "none" }, async () => {
  for (const args of [["--help"], ["help"], ["share", "--help"], ["--version"]]) {
    const io = new FakeIo();
    assert.equal(await run(io, ...args), 0);
    assert.notEqual(io.stdout.text, "");
    assert.equal(io.stderr.text, "");
  }
});

Deno.test("wrong usage ends with 2 and one line", { permissions: "none" }, async () => {
  assert.match(await failure(2), /no command/);
  assert.match(await failure(2, "bogus"), /bogus/);
  assert.match(await failure(2, "fetch", "not-a-ticket", "dest"), /ticket/);
  assert.match(await failure(2, "share", "x", "--listen", "y"), /--listen/);
});

Deno.test("wrong usage with --json is told as JSON too", { permissions: "none" }, async () => {
  const io = new FakeIo();
  assert.equal(await run(io, "--json", "share"), 2);
  const { error } = JSON.parse(io.stdout.text);
  assert.equal(error.name, "UsageError");
  assert.match(error.message, /PATH/);
});

Deno.test(
  "key makes a file, shows the same id again, and never the secret",
  { permissions: files },
  async () => {
    await withTempDir(async (folder) => {
      const file = join(folder, "key");
      const made = new FakeIo();
      assert.equal(await run(made, "key", file), 0);
      assert.match(made.stdout.text, /^[a-z2-7]{52}\n$/);
      assert.match(made.stderr.text, /Made a new key/);
      assert.equal(statSync(file).mode & 0o777, 0o600);
      const shown = new FakeIo();
      assert.equal(await run(shown, "key", file), 0);
      assert.equal(shown.stdout.text, made.stdout.text);
      assert.equal(shown.stderr.text, "");
      const json = new FakeIo();
      assert.equal(await run(json, "key", file, "--json"), 0);
      assert.deepEqual(JSON.parse(json.stdout.text), { id: made.stdout.lines[0], file, created: false });
    });
  },
);

Deno.test("ref prints the reference in hex and nothing else", { permissions: files }, async () => {
  await withTempDir(async (folder) => {
    mkdirSync(join(folder, "a"));
    writeFileSync(join(folder, "a", "b"), "content");
    const io = new FakeIo();
    assert.equal(await run(io, "ref", folder), 0);
    assert.match(io.stdout.text, /^(?:[0-9a-f]{2})+\n$/);
    assert.equal(io.stderr.text, "");
    const file = new FakeIo();
    assert.equal(await run(file, "ref", join(folder, "a", "b"), "--json"), 0);
    assert.match(JSON.parse(file.stdout.text).ref, /^[0-9a-f]+$/);
    assert.notEqual(file.stdout.text, io.stdout.text);
  });
});

Deno.test("a failure is one line without a stack, --verbose adds it, --json the error", {
  permissions: files,
}, async () => {
  const missing = join(tempRoot, "hawser-no-such\x1bplace");
  assert.match(await failure(1, "ref", missing), /no-such\\x1bplace.*no such file/);
  const verbose = new FakeIo();
  assert.equal(await run(verbose, "ref", missing, "-v"), 1);
  assert.match(verbose.stderr.text, /\n {4}at /);
  const json = new FakeIo();
  assert.equal(await run(json, "ref", missing, "--json"), 1);
  assert.equal(JSON.parse(json.stdout.text).error.name, "FileSystemError");
});

Deno.test("a missing permission names the flag", { permissions: "none" }, async () => {
  assert.match(await failure(1, "ref", "/etc"), /--allow-read=\/etc/);
  assert.match(await failure(1, "share", "/etc"), /--allow-read=\/etc/);
});

/** Waits until the command has printed its first line. */
async function firstLine(io: FakeIo): Promise<string> {
  while (!io.stdout.text.includes("\n")) await new Promise((resolve) => setTimeout(resolve, 5));
  return io.stdout.lines[0];
}

Deno.test(
  "share ends in order at the first signal, at once at the second",
  { permissions: loopback },
  async () => {
    await withTempDir(async (folder) => {
      writeFileSync(join(folder, "a"), "content");
      for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
        const io = new FakeIo();
        const running = run(io, "share", folder, "--listen", "127.0.0.1:0", "--json");
        const ready = JSON.parse(await firstLine(io));
        assert.equal(ready.event, "ready");
        io.kill(signal);
        assert.deepEqual(io.exits, []);
        io.kill(signal);
        assert.deepEqual(io.exits, [code]);
        assert.equal(await running, code);
      }
    });
  },
);

Deno.test("share gives the same ticket for the same key and path", { permissions: loopback }, async () => {
  await withTempDir(async (folder) => {
    const key = join(folder, "key");
    const [dir, other] = [join(folder, "dir"), join(folder, "other")];
    for (const path of [dir, other]) {
      mkdirSync(path);
      writeFileSync(join(path, "a"), "content");
    }
    await run(new FakeIo(), "key", key);
    const ticketOf = async (path: string, ...args: string[]) => {
      const io = new FakeIo();
      const running = run(io, "share", path, "--listen", "127.0.0.1:0", "--json", ...args);
      const { ticket } = JSON.parse(await firstLine(io));
      io.kill("SIGINT");
      await running;
      return decodeTicket(ticket);
    };
    const keyed = ["--key", key];
    const [first, pinned] = [await ticketOf(dir, ...keyed), await ticketOf(dir, ...keyed, "--pinned")];
    assert.equal(first.ref, undefined);
    assert.notEqual(pinned.ref, undefined);
    assert.notDeepEqual(pinned.psk, first.psk);
    // Of one content, pinned tickets are one, wherever it is; of one path, the others, whatever is there.
    assert.deepEqual((await ticketOf(other, ...keyed, "--pinned")).psk, pinned.psk);
    assert.notDeepEqual((await ticketOf(other, ...keyed)).psk, first.psk);
    writeFileSync(join(dir, "a"), "changed");
    const again = await ticketOf(`${dir}/../dir/`, ...keyed);
    assert.deepEqual([again.nodeId, again.psk, again.ref], [first.nodeId, first.psk, first.ref]);
    assert.notDeepEqual((await ticketOf(dir, ...keyed, "--pinned")).psk, pinned.psk);
    const ephemeral = await ticketOf(dir);
    assert.notDeepEqual(ephemeral.nodeId, (await ticketOf(dir)).nodeId);
    assert.notDeepEqual(ephemeral.psk, first.psk);
  });
});

for (const pinned of [false, true]) {
  const how = pinned ? "--pinned " : "";
  Deno.test(
    `share ${how}prints ticket and reference alone on their lines`,
    { permissions: loopback },
    async () => {
      await withTempDir(async (folder) => {
        writeFileSync(join(folder, "a"), "content");
        const io = new FakeIo();
        const running = run(io, "share", folder, "--listen", "127.0.0.1:0", ...pinned ? ["--pinned"] : []);
        const linesLike = (pattern: RegExp) => io.stdout.lines.filter((line) => pattern.test(line)).length;
        await until(() => linesLike(/^[0-9a-f]{32,}$/) === 1 && linesLike(/^hawser1[a-z0-9]+$/) === 1);
        io.kill("SIGINT");
        assert.equal(await running, 130);
        const isTicketFirst = io.stdout.text.indexOf("hawser1") < io.stdout.text.indexOf("reference:");
        assert.equal(isTicketFirst, !pinned);
      });
    },
  );
}

Deno.test(
  "share --json tells of the ticket first, then of what was read",
  { permissions: loopback },
  async () => {
    await withTempDir(async (folder) => {
      writeFileSync(join(folder, "a"), "content");
      const io = new FakeIo();
      const running = run(io, "share", folder, "--listen", "127.0.0.1:0", "--json");
      await until(() => io.stdout.lines.length >= 2);
      io.kill("SIGINT");
      await running;
      const [ready, read] = io.stdout.lines.map((line) => JSON.parse(line));
      assert.deepEqual(Object.keys(ready), ["event", "ticket", "addresses", "path"]);
      assert.deepEqual({ ...read, ref: "" }, { event: "read", ref: "", files: 1, bytes: 7 });
      const io2 = new FakeIo();
      assert.equal(await run(io2, "ref", folder), 0);
      assert.equal(io2.stdout.text, `${read.ref}\n`);
    });
  },
);
