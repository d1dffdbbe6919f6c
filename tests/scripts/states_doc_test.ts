/** The page of states is the one that the tables make. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { renderStates } from "../../scripts/states_doc.ts";

Deno.test("docs/states.md is made of the tables: else run deno task docs:states", {
  permissions: { read: true },
}, () => {
  assert.equal(readFileSync(new URL("../../docs/states.md", import.meta.url), "utf8"), renderStates());
});
