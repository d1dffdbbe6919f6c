/** One runtime shares, the other fetches. */
import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withTempDir } from "../support/temp.ts";
import { compareTrees, makeSeedTree, makeTree, namesIn, pattern } from "../support/tree.ts";
import { fetch, pairs, permissions, type Read, share } from "./programs.ts";

const MiB = 1024 * 1024;

/** Files of many sizes, names and modes, empty directories; no links. */
function makeSample(root: string): void {
  makeSeedTree(root, 20, { links: false });
  makeTree(root, {
    files: {
      "big.bin": pattern(13 * MiB + 7, 3),
      "run.sh": ["#!/bin/sh\n", 0o755],
      "secret": ["s", 0o600],
      "read only": ["r", 0o444],
      "empty": "",
      "ä/ö ü/\u{1F6A2}.txt": "ship",
      "line\nbreak": "n",
    },
    dirs: { "hollow/inside": 0o700, "closed": 0o555 },
  });
}

function addLinks(root: string): void {
  symlinkSync("big.bin", join(root, "to-file"));
  symlinkSync("../big.bin", join(root, "hollow", "up"));
  symlinkSync("hollow/inside", join(root, "to-dir"));
  symlinkSync("nowhere", join(root, "dangling"));
}

for (const [sharing, fetching] of pairs) {
  const title = `cross: ${sharing.name} shares, ${fetching.name} fetches`;

  Deno.test(`${title}, with the least permissions`, { permissions }, () =>
    withTempDir(async (dir) => {
      const [from, to] = [join(dir, "from"), join(dir, "to")];
      makeSample(from);
      mkdirSync(to);
      const { program, shared } = await share(sharing, from, { once: true });
      await using holder = program;
      await using fetcher = fetch(fetching, shared.ticket, to);
      const stats = await fetcher.finish();
      assert.equal(stats.installed, true);
      compareTrees(join(to, "dest"), from);
      assert.deepEqual(namesIn(to), ["dest"]);
      const told = await holder.finish();
      assert.equal(told.event, "fetched");
    }));

  Deno.test(
    `${title}, with links`,
    { permissions: { ...permissions, read: true, write: true } },
    () =>
      withTempDir(async (dir) => {
        const [from, to] = [join(dir, "from"), join(dir, "to")];
        makeSample(from);
        addLinks(from);
        mkdirSync(to);
        const { program, shared } = await share(sharing, from);
        await using _holder = program;
        // Both runtimes permit links only to programs that may write anywhere.
        await using fetcher = fetch(fetching, shared.ticket, to, ["--allow-read", "--allow-write"]);
        assert.equal((await fetcher.finish()).symlinks, 4);
        compareTrees(join(to, "dest"), from);
        assert.deepEqual(namesIn(to), ["dest"]);
      }),
  );

  Deno.test(
    `${title} what the other way brought, changed`,
    { permissions },
    () =>
      withTempDir(async (dir) => {
        const [from, to, back] = [join(dir, "from"), join(dir, "to"), join(dir, "back")];
        makeSample(from);
        for (const parent of [to, back]) mkdirSync(parent);
        const first = await share(sharing, from);
        await using _first = first.program;
        await using there = fetch(fetching, first.shared.ticket, to);
        await there.finish();

        const dest = join(to, "dest");
        const second = await share(fetching, dest);
        await using _second = second.program;
        const [{ ref }, copied] = [await first.program.hear<Read>(), await second.program.hear<Read>()];
        assert.equal(copied.ref, ref, "the copy has another reference");
        await using again = fetch(sharing, second.shared.ticket, back);
        await again.finish();
        compareTrees(join(back, "dest"), from);

        writeFileSync(join(from, "run.sh"), "#!/bin/sh\nexit 1\n");
        const third = await share(sharing, from);
        await using _third = third.program;
        await using update = fetch(fetching, third.shared.ticket, to);
        const { fetchedBytes, reusedBytes } = await update.finish();
        assert(
          Number(reusedBytes) >= 13 * MiB && Number(fetchedBytes) < MiB,
          `${reusedBytes}, ${fetchedBytes}`,
        );
        compareTrees(dest, from);
      }),
  );
}
