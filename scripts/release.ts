/**
 * Prepares a release: `deno task release minor`, `deno task release 1.2.3-beta.1`. Bumps the version wherever it stands,
 * moves the changelog's unreleased part below it, runs every gate on a clean clone with these changes, and makes what is
 * published: the tarball for npm, and a dry run of `deno publish`. Only when all of that went well the project is changed.
 * It commits, tags and publishes nothing; it says how.
 *
 * With `--dry-run` the project is not changed at all; `--only check` then runs that one gate instead of all.
 *
 * @module
 */

import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  nextVersion,
  releaseChangelog,
  releaseNotes,
  VERSIONED_FILES,
  withVersion,
} from "./release_edits.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CHANGELOG = "CHANGELOG.md";
const USAGE = "deno task release major|minor|patch|VERSION [--dry-run [--only TASK]]";

/** Runs a program in `cwd` and shows what it says; throws when it fails. */
function run(cwd: string, command: string, ...args: string[]): void {
  console.log(`\n> ${[command, ...args].join(" ")}`);
  const { status, error } = spawnSync(command, args, { cwd, stdio: "inherit" });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`Release: "${[command, ...args].join(" ")}" ended with ${status}`);
}

function outputOf(cwd: string, command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd, encoding: "utf8" }).trim();
}

/** Writes the new version and changelog below `folder`; the names of the files. */
function edit(folder: string, wanted: string): { version: string; files: string[] } {
  const path = (file: string) => join(folder, file);
  const version = nextVersion(JSON.parse(readFileSync(path("deno.json"), "utf8")).version, wanted);
  const changelog = readFileSync(path(CHANGELOG), "utf8");
  writeFileSync(path(CHANGELOG), releaseChangelog(changelog, version, new Date().toISOString().slice(0, 10)));
  for (const file of VERSIONED_FILES) {
    writeFileSync(path(file), withVersion(file, readFileSync(path(file), "utf8"), version));
  }
  return { version, files: [CHANGELOG, ...VERSIONED_FILES] };
}

/** Runs the gates and makes the artifacts below `folder`; the path of the tarball. */
function prove(folder: string, only: string | undefined): string {
  if (only === undefined) run(folder, "bash", ".ci/run");
  else run(folder, process.execPath, "task", only);
  run(folder, process.execPath, "task", "build:command");
  run(folder, process.execPath, "publish", "--dry-run", "--allow-dirty");
  run(folder, process.execPath, "task", "build:npm");
  const built = join(folder, "npm");
  return join(built, outputOf(built, "npm", "pack", "--silent"));
}

function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { "dry-run": { type: "boolean", default: false }, only: { type: "string" } },
  });
  const isDry = values["dry-run"];
  if (positionals.length !== 1 || (values.only !== undefined && !isDry)) {
    console.log(`Usage: ${USAGE}`);
    return 2;
  }
  if (outputOf(ROOT, "git", "status", "--porcelain") !== "") {
    if (!isDry) throw new Error("Release: there are changes that are not committed");
    console.log("Changes that are not committed are left out.");
  }
  const folder = mkdtempSync(join(tmpdir(), "hawser-release-"));
  try {
    run(ROOT, "git", "clone", "--quiet", ROOT, folder);
    const { version, files } = edit(folder, positionals[0]);
    const tarball = prove(folder, values.only);
    console.log(`\n${version}:\n\n${releaseNotes(readFileSync(join(folder, CHANGELOG), "utf8"), version)}\n`);
    if (isDry) {
      console.log(`${version} could be released. Nothing was changed.`);
      return 0;
    }
    for (const file of files) copyFileSync(join(folder, file), join(ROOT, file));
    mkdirSync(join(ROOT, "npm"), { recursive: true });
    const name = tarball.slice(tarball.lastIndexOf("/") + 1);
    copyFileSync(tarball, join(ROOT, "npm", name));
    console.log(`${version} is ready. To publish it:

  git commit -am "Release ${version}" && git tag v${version} && git push --atomic origin HEAD v${version}
  deno task build:command && deno publish
  npm publish npm/${name} --access public`);
    return 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  try {
    process.exitCode = main();
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
