/**
 * A tree that goes from one command to another, both as processes.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { mkdtempSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { compareTrees } from "./compare_trees.ts";
import { type CommandLine, run } from "./run_program.ts";

/** Fetches by a ticket. */
export type Fetch = CommandLine | ((ticket: string, to: string) => Promise<unknown>);

/** Shares `from` with one command, fetches it with another into a folder that is removed again; what was compared. */
export async function shareAndFetch(
  project: string,
  from: string,
  share: CommandLine,
  fetch: Fetch,
): Promise<string> {
  const folder = mkdtempSync(`${from}_`);
  const to = join(folder, "copy");
  const args = [...share.slice(1), "share", from, "--listen", "127.0.0.1:0", "--json", "--once"];
  const sharing = spawn(share[0], args, { cwd: project, stdio: ["ignore", "pipe", "inherit"] });
  try {
    const ended = new Promise<number | null>((resolve, reject) => {
      sharing.once("exit", resolve);
      sharing.once("error", reject);
    });
    const lines = createInterface(sharing.stdout)[Symbol.asyncIterator]();
    const first = await lines.next();
    if (first.done) throw new Error(`share ended with ${await ended}`);
    const { ticket } = JSON.parse(first.value);
    if (typeof fetch === "function") await fetch(ticket, to);
    else await run(project, fetch[0], ...fetch.slice(1), "fetch", ticket, to, "--quiet");
    for (let next = await lines.next(); !next.done; next = await lines.next());
    const code = await ended;
    if (code !== 0) throw new Error(`share ended with ${code}`);
    const { files, symlinks } = compareTrees(from, to);
    rmSync(to, { recursive: true });
    // Fails when anything is left beside the copy.
    rmdirSync(folder);
    return `${files} files, ${symlinks} links`;
  } finally {
    sharing.kill("SIGKILL");
  }
}
