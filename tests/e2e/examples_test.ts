/** The programs in `examples/`, as processes with the flags that their first lines name. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isNode } from "../support/runtime.ts";
import { withTempDir } from "../support/temp.ts";
import { compareTrees, makeSeedTree } from "../support/tree.ts";
import { assertDone, NET, permissions, readWrite, share } from "./command.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

async function outputOf(example: string, flags: readonly string[], ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--unstable-net", ...flags, `examples/${example}.ts`, ...args],
    cwd: ROOT,
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  assert.equal(code, 0, text.decode(stderr));
  return text.decode(stdout);
}

Deno.test("example: authorize", { permissions }, async () => {
  const text = await outputOf("authorize", [NET]);
  assert.match(text, /^friend: connected to [a-z2-7]{10}\nstranger: not authorized\n$/);
});

Deno.test("example: streams", { permissions }, async () => {
  assert.equal(await outputOf("streams", [NET]), "AHOY, CAST OFF, MAKE FAST\n");
});

Deno.test("example: serve_store", { permissions }, () =>
  withTempDir(async (folder) => {
    // Node's permission model forbids the syncs of a store.
    const flags = isNode ? ["--allow-all"] : [NET, ...readWrite(folder)];
    const text = await outputOf("serve_store", flags, join(folder, "store"));
    assert.equal(text, "verified: a blob is known by what it holds\n");
  }));

Deno.test("example: progress", { permissions }, () =>
  withTempDir(async (folder) => {
    const [from, to] = [join(folder, "from"), join(folder, "to")];
    makeSeedTree(from, 5, { links: false });
    const { process, shared } = await share(from, "--once");
    await using sharing = process;
    mkdirSync(to);
    const flags = ["--allow-net", ...readWrite(to)];
    const lines = (await outputOf("progress", flags, shared.ticket, join(to, "dest"))).trim().split("\n");
    assert.match(lines.pop()!, /^\d+ files in place$/);
    assert.equal(lines.at(-1), "100 %");
    compareTrees(join(to, "dest"), from);
    await assertDone(sharing);
  }));
