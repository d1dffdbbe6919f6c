/** Directories that are fetched while they are read, between processes. */
import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeTicket } from "../../src/wire/ticket.ts";
import { withTempDir } from "../support/temp.ts";
import { compareTrees, makeSeedTree, makeTree, namesIn, pattern } from "../support/tree.ts";
import { assertDone, fetch, permissions, share } from "./command.ts";

const MiB = 1024 * 1024;

/** A tree with one file that takes a while. */
function makeLarge(root: string): void {
  makeSeedTree(root, 20, { links: false });
  makeTree(root, { files: { "a/large.bin": pattern(200 * MiB + 1, 7), "z/last": "last" } });
}

function withFolders(work: (from: string, dir: string) => Promise<void>): Promise<void> {
  return withTempDir(async (dir) => {
    makeLarge(join(dir, "from"));
    await work(join(dir, "from"), dir);
  });
}

/** Fetches into a folder of its own. */
function fetchInto(dir: string, name: string, ticket: string) {
  mkdirSync(join(dir, name));
  return fetch(ticket, join(dir, name));
}

Deno.test(
  "e2e: two fetch 200 MB as soon as there is a ticket",
  { permissions },
  () =>
    withFolders(async (from, dir) => {
      const { process, shared } = await share(from);
      await using sharing = process;
      assert.equal(decodeTicket(shared.ticket).ref, undefined);
      const names = ["one", "two"];
      await Promise.all(names.map(async (name) => {
        await using fetching = fetchInto(dir, name, shared.ticket);
        const { stdout } = await assertDone(fetching);
        const stats = JSON.parse(stdout.trim().split("\n").at(-1)!);
        assert.equal(stats.installed, true);
        compareTrees(join(dir, name, "dest"), from);
        assert.deepEqual(namesIn(join(dir, name)), ["dest"]);
      }));
      sharing.kill("SIGTERM");
      const { stdout } = await sharing.ended;
      const events = stdout.trim().split("\n").map((line) => JSON.parse(line).event);
      assert.deepEqual(events.filter((event) => event === "read" || event === "fetched").length, 3);
    }),
);

Deno.test(
  "e2e: a file that changes while it is read ends the share, with its name",
  { permissions },
  () =>
    withFolders(async (from) => {
      // From before it is listed until after it is read.
      const changing = setInterval(() => appendFileSync(join(from, "z/last"), "more"), 1);
      try {
        const { process } = await share(from);
        await using sharing = process;
        const { code, stdout, stderr } = await sharing.ended;
        assert.equal(code, 1);
        assert.match(stderr, /hawser: [^\n]*z\/last[^\n]*\n$/);
        assert.match(stdout, /"name":"SourceChangedError"/);
      } finally {
        clearInterval(changing);
      }
    }),
);

Deno.test("e2e: Ctrl-C on a share that is still reading", { permissions }, () =>
  withFolders(async (from) => {
    const { process } = await share(from);
    await using sharing = process;
    sharing.kill("SIGINT");
    const { code, stderr } = await sharing.ended;
    assert.equal(code, 130);
    assert.doesNotMatch(stderr, /hawser:/);
  }));

Deno.test(
  "e2e: the ticket of a path gives what is there now, a pinned one what was",
  { permissions },
  () =>
    withTempDir(async (dir) => {
      const from = join(dir, "from");
      makeTree(from, { files: { a: "old" } });
      const pinned = await share(from, "--pinned");
      await using _pinned = pinned.process;
      writeFileSync(join(from, "a"), "new content");
      const live = await share(from);
      await using _live = live.process;
      await using first = fetchInto(dir, "live", live.shared.ticket);
      await assertDone(first);
      compareTrees(join(dir, "live", "dest"), from);
      // Not the new content under the old reference.
      await using second = fetchInto(dir, "pinned", pinned.shared.ticket);
      const { code, stderr } = await second.ended;
      assert.equal(code, 1, stderr);
      assert.deepEqual(readdirSync(join(dir, "pinned")), []);
    }),
);
