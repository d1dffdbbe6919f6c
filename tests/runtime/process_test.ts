/** The process around a command. */

import assert from "node:assert/strict";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { absolutePath, isFileOrDirectory, networkAddresses } from "#process";

Deno.test("absolutePath: as node:path has it", { permissions: { read: true } }, async () => {
  const name = fc.constantFrom("a", "b c", ".", "..", "", "...", "é", ".x");
  await fc.assert(
    fc.asyncProperty(fc.array(name, { maxLength: 8 }), fc.boolean(), async (names, isAbsolute) => {
      const path = (isAbsolute ? "/" : "") + names.join("/");
      assert.equal(await absolutePath(path), resolve(path), path);
    }),
  );
});

Deno.test("isFileOrDirectory: what is there, links followed, and nothing else", {
  permissions: { read: true, write: true, env: true, sys: true },
}, () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "hawser-process-")));
  try {
    writeFileSync(`${folder}/file`, "");
    assert.equal(isFileOrDirectory(folder), true);
    assert.equal(isFileOrDirectory(`${folder}/file`), true);
    assert.equal(isFileOrDirectory(`${folder}/missing`), false);
    assert.equal(isFileOrDirectory(`${folder}/file/below`), false);
    assert.equal(isFileOrDirectory("bad\0name"), false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

Deno.test("networkAddresses: loopback is internal", { permissions: { sys: ["networkInterfaces"] } }, () => {
  for (const { address, internal } of networkAddresses()) {
    if (address === "127.0.0.1" || address === "::1") assert.equal(internal, true, address);
  }
});
