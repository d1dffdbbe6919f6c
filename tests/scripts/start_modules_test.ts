/** What the command loads before it does anything: every module there costs every start a tenth of a millisecond. */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { modulesAtStart } from "../../scripts/start_modules.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const permissions = { read: true, env: true, sys: true };
const isOwn = (name: string) => name.endsWith(".ts");

Deno.test("start: the command loads little before it knows what is asked for", { permissions }, () => {
  const modules = modulesAtStart(ROOT, "src/cli/mod.ts");
  assert.deepEqual(modules.filter((name) => !isOwn(name)), ["@scure/base"]);
  assert.ok(modules.filter(isOwn).length <= 30, modules.join(" "));
  assert.ok(modules.includes("src/cli/plain_arguments.ts"));
});

Deno.test(
  "start: a share needs nothing of Node's and nothing that serves to give a ticket",
  { permissions },
  () => {
    const modules = modulesAtStart(ROOT, "src/cli/command_share.ts");
    const others = modules.filter((name) => !isOwn(name));
    assert.deepEqual(others.filter((name) => !/^@(noble|scure)\//.test(name)), []);
    assert.ok(modules.filter(isOwn).length <= 30, modules.join(" "));
    assert.deepEqual(modules.filter((name) => /^src\/(transport|mesh|blob|directory)\//.test(name)), [
      "src/transport/address.ts",
    ]);
  },
);

Deno.test("start: a fetch begins to connect before it loads what writes trees", { permissions }, () => {
  const modules = modulesAtStart(ROOT, "src/cli/command_fetch.ts");
  assert.ok(modules.includes("src/mesh/node.ts"));
  assert.deepEqual(modules.filter((name) => /^src\/(directory|blob)\//.test(name)), []);
  const others = modules.filter((name) => !isOwn(name) && !/^@(noble|scure)\//.test(name));
  assert.deepEqual(others.filter((name) => !["node:crypto", "node:process"].includes(name)), []);
});
