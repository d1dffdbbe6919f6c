import assert from "node:assert/strict";
import ts from "typescript";
import { decodeMappings, lineMap } from "../../scripts/source_maps.ts";

const SOURCE = `export interface Gone {
  readonly a: number;
}

export function sum(values: number[]): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
`;

// The compiler asks for its environment when it is loaded and run.
Deno.test("source maps: each line of the output keeps its line of the source", () => {
  const { outputText, sourceMapText } = ts.transpileModule(SOURCE, {
    fileName: "sum.ts",
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, sourceMap: true },
  });
  const map = JSON.parse(lineMap(sourceMapText!));
  assert.deepEqual([map.version, map.file, map.sources, map.names], [3, "sum.js", ["sum.ts"], []]);
  assert.equal(map.sourcesContent, undefined);

  const output = outputText.split("\n");
  const source = SOURCE.split("\n");
  const lines = decodeMappings(map.mappings);
  for (const [i, text] of output.entries()) {
    if (text === "" || text.startsWith("//#")) continue;
    const from = source[lines[i][0][2]];
    assert.ok(from.includes(text.trim().split(/[ (]/)[0]), `${text} <- ${from}`);
  }
  assert.ok(map.mappings.length < JSON.parse(sourceMapText!).mappings.length / 2);
});

Deno.test("source maps: what is decoded is what was encoded, also backwards and far", () => {
  const text = "AAAA,wBAgiGA;;CADhgGC";
  const once = lineMap(JSON.stringify({ version: 3, file: "a", sources: ["b"], names: [], mappings: text }));
  assert.equal(lineMap(once), once);
  assert.deepEqual(decodeMappings(JSON.parse(once).mappings), decodeMappings(text));
});
