/** Where compiled code is kept. */

import assert from "node:assert/strict";
import { keepCompiledCode } from "../../src/runtime/compiled_code.ts";

Deno.test("compiled code: kept in the folder given, by runtimes that can", {
  permissions: "none",
}, () => {
  const asked: string[] = [];
  const keeper = { enableCompileCache: (folder: string) => asked.push(folder) };
  keepCompiledCode("/home/somebody/.cache/hawser-code", keeper);
  keepCompiledCode("/home/somebody/.cache/hawser-code", {});
  assert.deepEqual(asked, ["/home/somebody/.cache/hawser-code"]);
});
