/** The command as its users run it: processes of their own, with the permissions that README names. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeSeedTree } from "../../scripts/seed_tree.ts";
import { compareTrees } from "../../scripts/compare_trees.ts";
import { COMMAND, ScriptProcess } from "../../scripts/hawser_process.ts";
import { generateKeyPair } from "../../src/crypto/x25519.ts";
import { decodeTicket, encodeTicket } from "../../src/wire/ticket.ts";
import { ownFlag } from "../support/runtime.ts";
import { withTempDir } from "../support/temp.ts";

const NET = "--allow-net=127.0.0.1";
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Runs the command to its end. */
async function hawser(
  permissions: string[],
  args: string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--unstable-net", ...permissions, COMMAND, ...args],
    cwd: ROOT,
    stdin: "null",
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

/** Shares `dir` in a process with the least permissions while `work` runs. */
async function sharing<T>(
  dir: string,
  args: string[],
  work: (ticket: string, share: ScriptProcess) => Promise<T>,
): Promise<T> {
  const share = new ScriptProcess(
    COMMAND,
    [`--allow-read=${dir}`, NET],
    ["share", dir, "--listen", "127.0.0.1:0", "--json", "--quiet", ...args],
  );
  try {
    return await work(String((await share.nextJson()).ticket), share);
  } finally {
    await share.stop();
  }
}

Deno.test("share --once and fetch with scoped permissions give the same tree", async () => {
  await withTempDir(async (folder) => {
    const [source, parent] = [join(folder, "source"), join(folder, "parent")];
    makeSeedTree(source, 40, { symlinks: false });
    mkdirSync(parent);
    const dest = join(parent, "dest");
    await sharing(source, ["--once"], async (ticket, share) => {
      const scoped = [`--allow-read=${parent}`, `--allow-write=${parent}`, NET];
      const listed = await hawser([NET], ["ls", ticket]);
      assert.equal(listed.code, 0, listed.stderr);
      assert.match(listed.stdout, /node_modules\/pkg0000\/package\.json\n/);
      assert.match(listed.stdout, /\n332 files, 380 kB, \d+ entries\n$/);

      const fetched = await hawser(scoped, ["fetch", ticket, dest, "--json", "--max-datagram", "1452"]);
      assert.equal(fetched.code, 0, fetched.stderr);
      assert.equal(fetched.stderr, "");
      const stats = JSON.parse(fetched.stdout);
      assert.deepEqual([stats.files, stats.bytes, stats.installed], [332, 379_770, true]);
      assert.ok(stats.wire.received > stats.fetchedBytes && stats.wire.sent > 0, fetched.stdout);
      assert.equal(compareTrees(source, dest).files, 332);
      assert.deepEqual(readdirSync(parent), ["dest"]);

      const events = [await share.nextJson(), await share.nextJson()];
      assert.deepEqual(events.map(({ event }) => event), ["read", "fetched"]);
      assert.deepEqual([events[0].ref, events[0].files], [stats.ref, 332]);
      assert.equal((await share.end()).code, 0);
    });
  });
});

Deno.test("fetch names the permission that is missing, and leaves nothing", async () => {
  await withTempDir(async (folder) => {
    const [source, parent] = [join(folder, "source"), join(folder, "parent")];
    mkdirSync(source);
    mkdirSync(parent);
    writeFileSync(join(source, "a"), "content");
    await sharing(source, [], async (ticket) => {
      const flags = [`--allow-read=${parent}`, `--allow-write=${parent}`, NET];
      for (const missing of flags.filter((flag) => ownFlag(flag) !== "")) {
        const rest = flags.filter((flag) => flag !== missing);
        const { code, stdout, stderr } = await hawser(rest, ["fetch", ticket, join(parent, "dest")]);
        assert.equal(code, 1);
        assert.equal(stdout, "");
        assert.match(stderr, /^hawser: [^\n]+\n$/);
        assert.ok(stderr.includes(ownFlag(missing)), `${ownFlag(missing)} in ${stderr}`);
        assert.deepEqual(readdirSync(parent), []);
      }
    });
  });
});

Deno.test("nobody there, and somebody with another key, are told apart", async () => {
  await withTempDir(async (folder) => {
    const source = join(folder, "source");
    mkdirSync(source);
    writeFileSync(join(source, "a"), "content");
    await sharing(source, [], async (text) => {
      const ticket = decodeTicket(text);
      const dest = join(folder, "dest");
      const flags = [`--allow-read=${folder}`, `--allow-write=${folder}`, NET];
      const [nobody, otherKey] = await Promise.all([
        { ...ticket, nodeId: generateKeyPair().publicKey },
        { ...ticket, psk: new Uint8Array(32).fill(1) },
      ].map((wrong) => hawser(flags, ["fetch", encodeTicket(wrong), dest, "--json"])));
      assert.equal(nobody.code, 1);
      assert.equal(JSON.parse(nobody.stdout).error.name, "HandshakeTimeoutError");
      assert.match(nobody.stderr, /nobody answered at 127\.0\.0\.1:\d+.*is the share still running/);
      assert.equal(otherKey.code, 1);
      assert.equal(JSON.parse(otherKey.stdout).error.name, "NotAuthorizedError");
      assert.deepEqual(readdirSync(folder), ["source"]);
    });
  });
});

Deno.test(
  "a signal ends fetch in order: 130, nothing left",
  { ignore: Deno.build.os === "windows" },
  async () => {
    await withTempDir(async (folder) => {
      const source = join(folder, "source");
      mkdirSync(source);
      writeFileSync(join(source, "a"), "content");
      await sharing(source, [], async (text) => {
        // Nobody has this id: the fetch waits for an answer until the signal.
        const ticket = encodeTicket({ ...decodeTicket(text), nodeId: generateKeyPair().publicKey });
        const fetch = new Deno.Command(Deno.execPath(), {
          args: [
            ...[
              "run",
              "--quiet",
              "--no-prompt",
              "--unstable-net",
              `--allow-read=${folder}`,
              `--allow-write=${folder}`,
            ],
            ...[NET, COMMAND, "fetch", ticket, join(folder, "dest"), "--verbose"],
          ],
          cwd: ROOT,
          stdin: "null",
          stdout: "piped",
          stderr: "piped",
        }).spawn();
        const stderr = fetch.stderr.pipeThrough(new TextDecoderStream()).getReader();
        assert.match((await stderr.read()).value ?? "", /Connecting/);
        fetch.kill("SIGINT");
        const { code } = await fetch.status;
        assert.equal(code, 130);
        await stderr.cancel();
        await fetch.stdout.cancel();
        assert.deepEqual(readdirSync(folder), ["source"]);
      });
    });
  },
);

Deno.test("the example of README is the tested file", () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const example = readFileSync(join(ROOT, "examples/share_fetch.ts"), "utf8");
  assert.ok(readme.includes("```ts\n" + example + "```"), "README.md does not show examples/share_fetch.ts");
});

Deno.test("the example runs", async () => {
  await withTempDir(async (folder) => {
    const dest = join(folder, "fetched");
    const permissions = [`--allow-read=src/wire,${folder}`, `--allow-write=${folder}`, NET];
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--no-prompt",
        "--unstable-net",
        ...permissions,
        "examples/share_fetch.ts",
        dest,
      ],
      cwd: ROOT,
      stdin: "null",
    }).output();
    const text = new TextDecoder();
    assert.equal(code, 0, text.decode(stderr));
    assert.match(text.decode(stdout), /^\d+ files, \d+ bytes\n$/);
    compareTrees(join(ROOT, "src/wire"), dest);
  });
});

Deno.test("the cache is used where it is permitted, and not with --no-cache", async () => {
  await withTempDir(async (folder) => {
    const [source, cache, parent] = ["source", "cache", "parent"].map((name) => join(folder, name));
    makeSeedTree(source, 3, { symlinks: false });
    mkdirSync(parent);
    const run = async (flags: string[], ...args: string[]) => {
      const permissions = [...flags, `--allow-read=${cache}`, `--allow-write=${cache}`];
      const { code, stdout, stderr } = await hawser(permissions, args);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    const remembered = () => existsSync(cache) ? readdirSync(cache).length : 0;

    const read = [`--allow-read=${source}`];
    const ref = await run(read, "ref", source, "--cache", cache, "--no-cache");
    assert.equal(remembered(), 0);
    for (const more of [[], [], ["--verify"]]) {
      assert.equal(await run(read, "ref", source, "--cache", cache, ...more), ref);
      assert.equal(remembered(), 1);
    }
    await sharing(source, [], async (ticket) => {
      const scoped = [`--allow-read=${parent}`, `--allow-write=${parent}`, NET];
      const dest = join(parent, "dest");
      const fetch = async (...more: string[]) =>
        JSON.parse(await run(scoped, "fetch", ticket, dest, "--json", "--cache", cache, ...more));
      assert.equal((await fetch("--no-cache")).installed, true);
      assert.equal(remembered(), 1);
      for (const more of [["--verify"], [], []]) {
        assert.equal((await fetch(...more)).installed, false);
        assert.equal(remembered(), 2);
      }
      const [again, verified] = [await fetch(), await fetch("--verify")];
      assert.ok(again.wire.received < verified.wire.received, "the list of files is not fetched again");
    });
  });
});

Deno.test("a cache that is asked for has to be permitted", async () => {
  await withTempDir(async (folder) => {
    const [source, cache] = ["source", "cache"].map((name) => join(folder, name));
    mkdirSync(source);
    const read = [`--allow-read=${source}`];
    const { code, stderr } = await hawser(read, ["ref", source, "--cache", cache]);
    assert.equal(code, 1);
    for (const flag of [`--allow-read=${cache}`, `--allow-write=${cache}`]) {
      assert.ok(stderr.includes(ownFlag(flag)), stderr);
    }
  });
});
