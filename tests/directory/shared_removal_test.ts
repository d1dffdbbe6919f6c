import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { removeTreeWith } from "../../src/directory/shared_removal.ts";
import { TreeHand } from "../../src/directory/tree_hand.ts";
import { tempPermissions, withTempDir } from "../support/temp.ts";
import { makeSeedTree, makeTree, namesIn } from "../support/tree.ts";

const permissions = { ...tempPermissions, read: true as const };
/** A module beside this one, whatever it was compiled to. */
const moduleUrl = (name: string) => import.meta.url.replace(/[^/]*\.([jt]s)$/, `${name}.$1`);

/** A tree of many parts, with one that is read-only. */
function makeOld(root: string): void {
  makeSeedTree(root, 100, { links: false });
  makeTree(root, {
    files: { "node_modules/locked/sub/file": "x" },
    dirs: { "node_modules/locked/sub": 0o555 },
  });
}

const HANDS = {
  "that is up": async () => {
    const hand = TreeHand.start()!;
    while (!hand.isUp) await new Promise((resolve) => setTimeout(resolve, 1));
    return hand;
  },
  "that just starts": () => Promise.resolve(TreeHand.start()!),
  "that breaks": () => Promise.resolve(TreeHand.start(moduleUrl("broken_hand"))!),
  "that does not start": () => Promise.resolve(TreeHand.start(moduleUrl("unstartable_hand"))!),
};

for (const [name, start] of Object.entries(HANDS)) {
  Deno.test(
    `removal: with a hand ${name} all is gone, and nothing else`,
    { permissions },
    () =>
      withTempDir(async (temp) => {
        const hand = await start();
        try {
          makeOld(join(temp, "old"));
          makeTree(join(temp, "other"), { files: { kept: "kept" } });
          await removeTreeWith(hand, join(temp, "old"));
          assert.deepEqual(namesIn(temp), ["other"]);
          // What is not there, or holds nothing, is no error.
          await removeTreeWith(hand, join(temp, "old"));
          makeTree(join(temp, "old"), {});
          await removeTreeWith(hand, join(temp, "old"));
          assert(!existsSync(join(temp, "old")));
          assert.deepEqual(namesIn(join(temp, "other")), ["kept"]);
        } finally {
          await hand.close();
        }
      }),
  );
}
