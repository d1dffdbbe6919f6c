import assert from "node:assert/strict";
import { showListing } from "../../src/cli/command_ls.ts";
import { Output } from "../../src/cli/output.ts";
import type { DirListing } from "../../src/directory/mod.ts";
import { FakeIo } from "./fake_io.ts";

const listing: DirListing = {
  entries: [
    { path: "bin", kind: "dir", mode: 0o40755, size: 0 },
    { path: "bin/evil\x1b[2J\u202egpj.exe", kind: "file", mode: 0o100755, size: 1234567 },
    { path: "bin/link", kind: "symlink", mode: 0, size: 0, target: "../a\nb" },
    { path: "empty", kind: "file", mode: 0o100600, size: 0 },
  ],
  bytes: 1234567,
  manifestBytes: 200,
};

Deno.test("ls prints a line per entry, safe, and a sum", { permissions: "none" }, () => {
  const io = new FakeIo();
  showListing(listing, new Output(io, { json: false, verbose: false, quiet: false }));
  assert.deepEqual(io.stdout.lines, [
    "drwxr-xr-x                 bin/",
    "-rwxr-xr-x      1,234,567  bin/evil\\x1b[2J\\u{202e}gpj.exe",
    "lrwxrwxrwx                 bin/link -> ../a\\x0ab",
    "-rw-------              0  empty",
    "2 files, 1.23 MB, 4 entries",
  ]);
  assert.equal(io.stderr.text, "");
});

Deno.test("ls --json prints an object per entry, exact", { permissions: "none" }, () => {
  const io = new FakeIo();
  showListing(listing, new Output(io, { json: true, verbose: false, quiet: false }));
  const objects = io.stdout.lines.map((line) => JSON.parse(line));
  assert.equal(objects.length, 5);
  assert.deepEqual(objects[1], {
    event: "entry",
    kind: "file",
    path: listing.entries[1].path,
    mode: 0o100755,
    size: 1234567,
  });
  assert.deepEqual(objects[4], { event: "total", files: 2, bytes: 1234567, entries: 4 });
  assert.doesNotMatch(io.stdout.text, /\u202e/);
});
