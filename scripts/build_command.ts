/**
 * Writes `dist/`: the command for Deno in a few files. From the two hundred of the sources it takes half as long again
 * to start, and from a registry each of them would be a request.
 *
 * @module
 */

import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const COMMAND = "src/cli/mod.ts";
/** What is run of the files that are written. */
export const COMMAND_FILE = "hawser.ts";
/** Modules that are started as threads, by their name beside whatever starts them. */
const WORKERS = ["src/directory/hand_worker.ts", "src/directory/hash_worker.ts"];

const ENTRY = `/**
 * The command \`hawser\`, made of the sources by \`deno task build:command\`.
 *
 * @module
 */

import { runCommand } from "./cli/mod.js";

await runCommand();
`;

/** A file of a package in Deno's cache, where the bundle says what comes from it: the package's folder, name and version. */
const PACKAGE_FILE =
  /(?<=^(?:\/\/ | *"))([^\s"]*\/npm\/[^/\s"]+\/((?:@[^/\s"]+\/)?[^/\s"]+)\/([^/\s"]+))(?=\/)/gm;
const LICENSE_NAME = /^licen[cs]e(?:\.\w+)?$/i;

/** Writes the command into `to`, which is emptied first. Throws when it cannot be made. */
export function buildCommand(to: string): void {
  rmSync(to, { recursive: true, force: true });
  const { code, stderr } = new Deno.Command(Deno.execPath(), {
    args: [
      "bundle",
      "--quiet",
      "--platform",
      "deno",
      "--code-splitting",
      "--outdir",
      to,
      COMMAND,
      ...WORKERS,
    ],
    cwd: ROOT,
    stdin: "null",
  }).outputSync();
  if (code !== 0) throw new Error(`Bundle the command: ${new TextDecoder().decode(stderr)}`);
  const licenses = new Map<string, string>();
  for (const file of filesBelow(to)) {
    const text = readFileSync(join(to, file), "utf8")
      .replace(PACKAGE_FILE, (_, folder: string, name: string, version: string) => {
        licenses.set(`${name} ${version}`, licenseIn(resolve(ROOT, folder)));
        return `npm:${name}@${version}`;
      });
    writeFileSync(join(to, file), text);
  }
  writeFileSync(join(to, COMMAND_FILE), ENTRY);
  for (const worker of WORKERS) {
    const name = worker.replace(/^src\//, "").replace(/\.ts$/, ".js");
    // The parts that start it lie here.
    writeFileSync(join(to, name.replace(/^.*\//, "")), `import "./${name}";\n`);
  }
  writeFileSync(join(to, "LICENSES"), licenseText(licenses));
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".js"));
}

/** The license of a package, which goes with every copy of its code. */
function licenseIn(folder: string): string {
  const name = readdirSync(folder).find((name) => LICENSE_NAME.test(name));
  if (name === undefined) throw new Error(`Bundle the command: no license in "${folder}"`);
  return readFileSync(join(folder, name), "utf8").trim();
}

function licenseText(licenses: ReadonlyMap<string, string>): string {
  const names = [...licenses.keys()].sort();
  return names.map((name) => `${name}\n${"=".repeat(name.length)}\n\n${licenses.get(name)}\n`).join("\n");
}

if (import.meta.main) {
  const to = join(ROOT, "dist");
  buildCommand(to);
  console.log(`Wrote ${to}: ${filesBelow(to).length} files`);
}
