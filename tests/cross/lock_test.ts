/** One lock for both runtimes. */
import assert from "node:assert/strict";
import { readWrite } from "../e2e/command.ts";
import { withTempDir } from "../support/temp.ts";
import { deno, node, pairs, permissions, type Runtime } from "./programs.ts";

const SCRIPT = "tests/cross/lock_script.ts";

for (const [first, second] of pairs) {
  Deno.test(
    `cross: a store that ${first.name} has open stays closed to ${second.name}`,
    { permissions },
    () =>
      withTempDir(async (path) => {
        const start = ({ name, start }: Runtime) =>
          // Node's permission model forbids the syncs of a store.
          start(name === "node" ? ["--allow-all"] : readWrite(path), SCRIPT, "store", path);
        await using holder = start(first);
        await using other = start(second);
        const ask = async (program: typeof holder) => {
          await program.tell({});
          return await program.hear();
        };
        for (let round = 0; round < 2; round++) {
          assert.deepEqual(await ask(holder), { opened: true });
          assert.deepEqual(await ask(other), { opened: false, error: "LockedError" });
          assert.deepEqual(await ask(holder), { closed: true });
          assert.deepEqual(await ask(other), { opened: true });
          assert.deepEqual(await ask(holder), { opened: false, error: "LockedError" });
          assert.deepEqual(await ask(other), { closed: true });
        }
      }),
  );
}

Deno.test(
  "cross: of processes on both runtimes that fight for a lock only one has it",
  { permissions },
  () =>
    withTempDir(async (path) => {
      await using first = deno.start(readWrite(path), SCRIPT, "fight", path, "150");
      await using second = node.start(readWrite(path), SCRIPT, "fight", path, "150");
      assert.deepEqual(await Promise.all([first.finish(), second.finish()]), [{ taken: 150 }, {
        taken: 150,
      }]);
    }),
);
