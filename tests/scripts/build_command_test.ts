/** The command in few files, as it is installed: complete, with both of its threads, and silent about where it was made. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildCommand, COMMAND_FILE } from "../../scripts/build_command.ts";
import { compareTrees } from "../../scripts/compare_trees.ts";
import { NET, readWrite, RunningProcess, type Shared } from "../e2e/command.ts";
import { tempRoot, withTempDir } from "../support/temp.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MiB = 1024 * 1024;
/** Files and bytes for which a second thread is started. */
const MANY = 4100;
const MUCH = 64 * MiB;

const permissions: Deno.PermissionOptions = {
  run: true,
  read: true,
  write: [tempRoot],
  sys: ["homedir"],
  env: true,
};

/** Has a module that is started as a thread leave a file at `mark`. */
function markStart(worker: string, mark: string): void {
  const text = readFileSync(worker, "utf8");
  writeFileSync(worker, `Deno.writeTextFileSync(${JSON.stringify(mark)}, "");\n${text}`);
}

Deno.test(
  { name: "built command: shares and fetches, with its threads", permissions },
  () =>
    withTempDir(async (dir) => {
      const dist = join(dir, "dist");
      buildCommand(dist);
      const [made, hashed] = [join(dir, "made"), join(dir, "hashed")];
      markStart(join(dist, "hand_worker.js"), made);
      markStart(join(dist, "hash_worker.js"), hashed);
      const [from, to] = [join(dir, "from"), join(dir, "to")];
      mkdirSync(from);
      for (let i = 0; i < MANY; i++) writeFileSync(join(from, `file${i}`), String(i));
      writeFileSync(join(from, "large"), "");
      truncateSync(join(from, "large"), MUCH);

      const hawser = (...args: string[]) =>
        new RunningProcess(["--unstable-net", NET, ...readWrite(dir), join(dist, COMMAND_FILE), ...args]);
      await using sharing = hawser("share", from, "--once", "--listen", "127.0.0.1:0", "--json");
      const { ticket } = await sharing.firstJson<Shared>();
      await using fetching = hawser("fetch", ticket, join(to, "dest"), "--json");
      const fetched = await fetching.ended;
      assert.equal(fetched.code, 0, fetched.stderr);
      const shared = await sharing.ended;
      assert.equal(shared.code, 0, shared.stderr);
      assert.equal(compareTrees(from, join(to, "dest")).files, MANY + 1);
      assert.ok(existsSync(made), "no thread made files");
      assert.ok(existsSync(hashed), "no thread hashed");
    }),
);

Deno.test(
  { name: "built command: usage, versions and errors as from the sources", permissions },
  () =>
    withTempDir(async (dir) => {
      const dist = join(dir, "dist");
      buildCommand(dist);
      for (
        const args of [["--help"], ["--version"], ["fetch", "nonsense", join(dir, "x"), "--json"], [
          "doctor",
          "-x",
        ]]
      ) {
        const outputs = [];
        for (const script of [join(dist, COMMAND_FILE), join(ROOT, "src/cli/mod.ts")]) {
          await using process = new RunningProcess([script, ...args]);
          outputs.push(await process.ended);
        }
        assert.deepEqual(outputs[0], outputs[1]);
      }
    }),
);

Deno.test({
  name: "built command: names no folder of this machine, and the licenses of what it holds",
  permissions,
}, () =>
  withTempDir((dir) => {
    const dist = join(dir, "dist");
    buildCommand(dist);
    const { imports } = JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8"));
    const held = new Set<string>();
    for (
      const file of readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((name) =>
        /\.[jt]s$/.test(name)
      )
    ) {
      const text = readFileSync(join(dist, file), "utf8");
      for (const folder of [ROOT, tempRoot, join(homedir(), "/"), ".cache/"]) {
        assert.ok(!text.includes(folder), `${file} names "${folder}"`);
      }
      for (const [, name] of text.matchAll(/^\/\/ npm:(.+?)@\d/gm)) held.add(name);
    }
    const licenses = readFileSync(join(dist, "LICENSES"), "utf8");
    assert.ok(held.size >= 5, "it holds what it imports");
    for (const name of held) {
      assert.ok(name in imports, `${name} is none of the dependencies`);
      assert.match(
        licenses,
        new RegExp(`^${name} \\d.*\\n=+\\n\\n[^=]*Copyright`, "m"),
        `no license of ${name}`,
      );
    }
  }));
