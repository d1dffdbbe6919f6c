/** Both drivers are tested wherever they run: Deno's in Deno, and Node's in both. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { removeAll } from "#remove";
import { removeAll as removeAllByNode } from "../../src/runtime/remove_node.ts";
import { withTempDir } from "../support/temp.ts";

// Making symbolic links takes permission for everything.
const permissions = { read: true, write: true };

for (const [name, remove] of [["this runtime's", removeAll], ["Node's", removeAllByNode]] as const) {
  const test = (title: string, work: (folder: string) => Promise<void>) =>
    Deno.test(`remove all, ${name} driver: ${title}`, { permissions }, () => withTempDir(work));

  for (const prefix of ["", "only/one"]) {
    test(`a tree with everything in it, below "${prefix}"`, async (folder) => {
      const tree = join(folder, "tree");
      for (let i = 0; i < 300; i++) {
        const dir = join(tree, prefix, `d${i % 7}`, `e${i % 30}`);
        mkdirSync(join(dir, "empty"), { recursive: true });
        writeFileSync(join(dir, `f${i}`), "");
      }
      writeFileSync(join(tree, prefix, "file"), "");
      await remove(tree);
      assert.deepEqual(readdirSync(folder), []);
    });
  }

  test("links are removed, not followed", async (folder) => {
    mkdirSync(join(folder, "kept/deep"), { recursive: true });
    writeFileSync(join(folder, "kept/deep/file"), "");
    mkdirSync(join(folder, "tree/dir"), { recursive: true });
    for (const link of ["tree/link", "tree/dir/link", "link"]) {
      symlinkSync(join(folder, "kept"), join(folder, link));
    }
    symlinkSync("nowhere", join(folder, "tree/dangling"));
    await remove(join(folder, "tree"));
    await remove(join(folder, "link"));
    assert.deepEqual(readdirSync(folder), ["kept"]);
    assert.ok(existsSync(join(folder, "kept/deep/file")));
  });

  test("what is not there is no error, a file is removed", async (folder) => {
    await remove(join(folder, "absent"));
    writeFileSync(join(folder, "file"), "");
    await remove(join(folder, "file"));
    assert.deepEqual(readdirSync(folder), []);
  });

  test("what cannot be is an error with a code", async (folder) => {
    writeFileSync(join(folder, "file"), "");
    await assert.rejects(remove(join(folder, "file/below")), { code: "ENOTDIR" });
  });
}
