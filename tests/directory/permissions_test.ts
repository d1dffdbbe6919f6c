import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { isNode, ownFlag } from "../support/runtime.ts";
import { tempPermissions, withTempDir } from "../support/temp.ts";
import { compareTrees, makeTree, namesIn } from "../support/tree.ts";

const PROBE = resolve(import.meta.dirname!, "permission_probe.ts");

/** Stores `from` and fetches it to `to` in a process of its own that has `flags` only. */
async function probe(flags: readonly string[], from: string, to: string): Promise<Record<string, unknown>> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--quiet", ...flags, PROBE, from, to],
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert.notEqual(text, "", new TextDecoder().decode(stderr));
  return JSON.parse(text);
}

const permissions: Deno.PermissionOptions = { ...tempPermissions, run: [Deno.execPath()] };

Deno.test(
  "permissions: a share and a fetch need their paths and nothing else",
  { permissions },
  () =>
    withTempDir(async (temp) => {
      const [from, home] = [join(temp, "from"), join(temp, "home")];
      const to = join(home, "to");
      makeTree(from, { files: { a: "a", "d/b": ["b", 0o600] }, dirs: { e: 0o700 } });
      makeTree(home, {});
      const read = `--allow-read=${from}`;
      const readHome = `--allow-read=${home}`;
      const writeHome = `--allow-write=${home}`;
      const denied = (flags: string[]) => ({ name: "PermissionDeniedError", flags: flags.map(ownFlag) });

      assert.deepEqual(await probe([], from, to), denied([read]));
      assert.deepEqual(await probe([read], from, to), denied([readHome, writeHome]));
      assert.deepEqual(await probe([`--allow-read=${from},${home}`], from, to), denied([writeHome]));
      assert.deepEqual(await probe([read, writeHome], from, to), denied([readHome]));
      assert.deepEqual(namesIn(home), []);

      const enough = [`--allow-read=${from},${home}`, writeHome];
      const first = await probe(enough, from, to);
      assert.deepEqual([first.files, first.installed], [2, true]);
      compareTrees(to, from);
      const second = await probe(enough, from, to);
      assert.equal(second.installed, false);
      makeTree(to, { files: { more: "more" } });
      assert.equal((await probe(enough, from, to)).installed, true);
      compareTrees(to, from);
      assert.deepEqual(namesIn(home), ["to"]);
    }),
);

Deno.test("permissions: links want unscoped ones, and say so before anything is fetched", {
  permissions: { ...permissions, read: true, write: true },
}, () =>
  withTempDir(async (temp) => {
    const [from, home] = [join(temp, "from"), join(temp, "home")];
    makeTree(from, { files: { a: "a" }, links: { l: "a" } });
    makeTree(home, {});
    const scoped = [`--allow-read=${from},${home}`, `--allow-write=${home}`];
    assert.deepEqual(await probe(scoped, from, join(home, "to")), {
      name: "PermissionDeniedError",
      flags: ["--allow-read", "--allow-write"].map(ownFlag),
    });
    assert.deepEqual(namesIn(home), []);
    await probe(["--allow-read", "--allow-write"], from, join(home, "to"));
    compareTrees(join(home, "to"), from);
    // Unchanged: no link has to be made.
    assert.equal((await probe(scoped, from, join(home, "to"))).installed, false);
  }));

Deno.test("permissions: with FFI the install is one exchange", {
  permissions: { ...permissions, read: true, write: true },
}, () =>
  withTempDir(async (temp) => {
    const [from, to] = [join(temp, "from"), join(temp, "to")];
    makeTree(from, { files: { a: "a" } });
    makeTree(to, { files: { old: "old" } });
    const result = await probe(["--allow-read", "--allow-write", "--allow-ffi"], from, to);
    assert.equal(result.exchanged, Deno.build.os === "linux" && !isNode);
    compareTrees(to, from);
    assert.deepEqual(namesIn(temp), ["from", "to"]);
  }));
