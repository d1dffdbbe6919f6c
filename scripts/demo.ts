/**
 * `deno task demo [dir]`: one process shares a directory, another fetches it, each with no more permissions than that
 * takes; then both trees are compared byte for byte.
 *
 * @module
 */

import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { formatBytes, formatCount, formatElapsed, formatPlural, formatRate } from "../src/cli/format.ts";
import { compareTrees, hasSymlinks } from "./compare_trees.ts";
import { COMMAND, ScriptProcess } from "./hawser_process.ts";
import { makeSeedTree, SEED_PACKAGES } from "./seed_tree.ts";

const NET = "--allow-net=127.0.0.1";

/** Shares `source`, fetches it to `dest` and compares; prints what happens. */
async function demo(source: string, parent: string): Promise<void> {
  const dest = join(parent, "fetched");
  // Deno makes symbolic links only for whom it permits to read and write everything: a link can lead anywhere.
  const links = hasSymlinks(source);
  const shareFlags = [`--allow-read=${source}`, NET];
  const fetchFlags = links
    ? ["--allow-read", "--allow-write", NET]
    : [`--allow-read=${parent}`, `--allow-write=${parent}`, NET];

  console.log(`1. hawser share, with ${shareFlags.join(" ")}`);
  const shareArgs = ["share", source, "--once", "--listen", "127.0.0.1:0", "--json", "--quiet"];
  const share = new ScriptProcess(COMMAND, shareFlags, shareArgs);
  try {
    const ticket = String((await share.nextJson()).ticket);
    console.log(`   ticket ${ticket.slice(0, 40)}...`);

    console.log(`2. hawser fetch, with ${fetchFlags.join(" ")}`);
    if (links) console.log("   (unscoped because the tree has symbolic links)");
    const begin = performance.now();
    const fetch = new ScriptProcess(COMMAND, fetchFlags, ["fetch", ticket, dest, "--json"]);
    const stats = await fetch.nextJson();
    await fetch.end();
    const wall = performance.now() - begin;
    const ms = Number(stats.ms);
    console.log(
      `   ${formatElapsed(ms)}, ${formatRate(Number(stats.bytes) * 1000 / ms)}, ` +
        `${formatCount(Math.round(Number(stats.files) * 1000 / ms))} files/s (${
          formatElapsed(wall)
        } with start)`,
    );
    const { code } = await share.end();
    if (code !== 0) throw new Error(`hawser share --once ended with code ${code}`);
  } finally {
    await share.stop();
  }

  console.log("3. Compare");
  const same = compareTrees(source, dest);
  console.log(
    `   equal: ${formatPlural(same.files, "file")}, ${formatBytes(same.bytes)}, ${
      formatCount(same.dirs)
    } directories, ` +
      `${formatPlural(same.symlinks, "link")}`,
  );
}

const temp = realpathSync(mkdtempSync(join(tmpdir(), "hawser-demo-")));
try {
  let source = Deno.args[0];
  if (source === undefined) {
    source = join(temp, "tree");
    const { files, bytes } = makeSeedTree(source, SEED_PACKAGES, { symlinks: false });
    console.log(`0. Made a tree of ${formatCount(files)} files, ${formatBytes(bytes)}`);
  }
  await demo(realpathSync(resolve(source)), temp);
} catch (error) {
  console.error(`demo: ${error instanceof Error ? error.message : error}`);
  Deno.exitCode = 1;
} finally {
  rmSync(temp, { recursive: true, force: true });
}
