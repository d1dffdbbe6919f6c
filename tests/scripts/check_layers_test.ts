import assert from "node:assert/strict";
import { blankSource } from "../../scripts/blank_source.ts";
import { layerProblems } from "../../scripts/check_layers.ts";

const problems = (path: string, text: string) =>
  layerProblems({ path, text }, { "#udp": "./src/runtime/udp_deno.ts" });

Deno.test("layers: an import upward or sideways is reported with its line", () => {
  assert.deepEqual(problems("src/wire/a.ts", `\nimport { x } from "../mesh/mod.ts";\n`), [
    "src/wire/a.ts:2: wire must not import mesh",
  ]);
  assert.equal(problems("src/transport/a.ts", `import "../runtime/files.ts";`).length, 1);
  assert.equal(problems("src/log/a.ts", `export * from "../config/mod.ts";`).length, 1);
  assert.equal(problems("src/log/a.ts", `export * from "../directory/mod.ts";`).length, 1);
  assert.equal(problems("src/blob/a.ts", `const x = await import("../directory/mod.ts");`).length, 1);
  assert.equal(
    problems("src/wire/a.ts", `import {\n  one,\n  type Two,\n} from "../blob/mod.ts";`).length,
    1,
  );
  assert.equal(problems("src/transport/a.ts", `import { udp } from "#udp";`).length, 1);
  assert.equal(problems("src/errors.ts", `import { x } from "./wire/bytes.ts";`).length, 1);
  assert.equal(problems("src/wire/a.ts", `import { x } from "../../scripts/bench.ts";`).length, 1);
});

Deno.test("layers: an import downward, of the own room, of src itself or of a dependency is allowed", () => {
  for (
    const text of [
      `import { x } from "../blob/mod.ts";`,
      `import { x } from "./walk.ts";`,
      `import { x } from "../errors.ts";`,
      `import { x } from "#udp";`,
      `import { blake3 } from "@noble/hashes/blake3.js";`,
    ]
  ) assert.deepEqual(problems("src/directory/a.ts", text), []);
});

Deno.test("layers: nothing imports cli, not even mod.ts", () => {
  assert.equal(problems("mod.ts", `export * from "./src/cli/mod.ts";`).length, 1);
  assert.equal(problems("src/directory/a.ts", `import { main } from "../cli/mod.ts";`).length, 1);
  assert.deepEqual(problems("mod.ts", `export * from "./src/directory/mod.ts";`), []);
});

Deno.test("layers: built-ins stay in runtime, node:crypto also in crypto", () => {
  assert.deepEqual(problems("src/runtime/a.ts", `import fs from "node:fs"; Deno.cwd();`), []);
  assert.deepEqual(problems("src/crypto/a.ts", `import { createCipheriv } from "node:crypto";`), []);
  assert.equal(problems("src/crypto/a.ts", `import fs from "node:fs";`).length, 1);
  assert.equal(problems("src/blob/a.ts", `import { createHash } from "node:crypto";`).length, 1);
  assert.equal(problems("src/cli/a.ts", `import process from "node:process";`).length, 1);
  assert.equal(problems("src/wire/a.ts", `import x from "npm:left-pad@1";`).length, 1);
});

Deno.test("layers: the log goes through one file", () => {
  const text = `import { getLogger } from "@logtape/logtape";`;
  assert.deepEqual(problems("src/mesh/a.ts", text), [
    'src/mesh/a.ts:1: "@logtape/logtape" belongs in src/runtime/logging.ts: loaded with the first message',
  ]);
  assert.deepEqual(problems("src/runtime/logging.ts", `import("@logtape/logtape").then();`), []);
});

Deno.test("layers: clocks, chance, Deno and console are found in code and not in comments or strings", () => {
  assert.equal(problems("src/transport/a.ts", `const now = Date.now();`).length, 1);
  assert.equal(problems("src/transport/a.ts", `const r = crypto.getRandomValues(x);`).length, 1);
  assert.equal(problems("src/transport/a.ts", "const text = `${performance.now()} ms`;").length, 1);
  assert.equal(problems("src/blob/a.ts", `console.log(1)`).length, 1);
  assert.equal(problems("src/blob/a.ts", `globalThis.Deno`).length, 1);
  assert.deepEqual(problems("src/cli/a.ts", `console.log(1)`), []);
  assert.deepEqual(
    problems(
      "src/transport/a.ts",
      `// Date.now()\n/* console.log */ const a = "Deno.cwd()" + 'import "../mesh/a.ts"'; /Deno/.test(a); \`setTimeout\`;`,
    ),
    [],
  );
});

Deno.test("layers: a file over 500 lines is reported", () => {
  assert.deepEqual(problems("src/blob/a.ts", "\n".repeat(500)), []);
  assert.equal(problems("src/blob/a.ts", "\n".repeat(501)).length, 1);
});

Deno.test("blankSource keeps lengths and lines and tells division from regular expressions", () => {
  const source = 'const a = b / c / d; // gone\nconst r = /["\'`/]/; const s = `x ${a + `y ${b}`} z`; "kept"';
  const blanked = blankSource(source);
  assert.equal(blanked.length, source.length);
  assert.equal(blanked.split("\n").length, 2);
  assert.match(blanked, /b \/ c \/ d; {8}\n/);
  assert.match(blanked, /\$\{a \+ ` {2}\$\{b\}`\} {2}`/);
  assert.match(blankSource(source, { keepStrings: true }), /"kept"$/);
  assert.doesNotMatch(blanked, /kept|gone/);
});
