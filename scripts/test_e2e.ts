/**
 * Tests across runtimes, with real processes of Deno and Node: `deno task test:e2e [--node 24]... [deno test's own]...`.
 * Without `--node` the one on the path. Other versions come from npm.
 *
 * @module
 */

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { nodePath, takeVersions } from "./node_versions.ts";
import { buildTests } from "./node_test_build.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

const { versions, rest } = takeVersions(process.argv.slice(2));
const folder = mkdtempSync(join(tmpdir(), "hawser-e2e-"));
let failed = false;
try {
  buildTests(folder);
  for (const version of versions) {
    const node = nodePath(version);
    const ask = (script: string) => execFileSync(node, ["-p", script], { encoding: "utf8" }).trim();
    console.log(`deno ${Deno.version.deno} and node ${ask("process.version")}`);
    const { status } = spawnSync(
      process.execPath,
      [
        "test",
        "--allow-read",
        "--allow-write",
        "--allow-net",
        "--allow-run",
        "--allow-env",
        "tests/cross",
        ...rest,
      ],
      {
        cwd: ROOT,
        stdio: "inherit",
        env: {
          ...process.env,
          HAWSER_NODE: node,
          HAWSER_NODE_FLAGS: ask("[...process.allowedNodeEnvironmentFlags].join()"),
          HAWSER_NODE_BUILD: folder,
        },
      },
    );
    failed ||= status !== 0;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);
