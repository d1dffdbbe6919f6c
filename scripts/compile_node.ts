/**
 * From Deno's TypeScript to what Node runs: one file at a time, so that the output depends on nothing but the source.
 * Types are `deno check`'s business; declarations come from the explicit types that every export has.
 *
 * @module
 */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import ts from "typescript";
import { lineMap } from "./source_maps.ts";

/** What every compilation uses: the newest language that Node 20 runs. `using` is lowered, nothing else is. */
const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  verbatimModuleSyntax: true,
  allowImportingTsExtensions: true,
  rewriteRelativeImportExtensions: true,
  isolatedDeclarations: true,
  declaration: true,
  newLine: ts.NewLineKind.LineFeed,
  stripInternal: true,
};

/** A relative import of a TypeScript file in a declaration: what stands before the path, and the path. */
const RELATIVE_IMPORT = /((?:from|import)\s*\(?\s*")(\.[^"]*)\.ts"/g;

/** An import at run time that still names a TypeScript file: the compiler misses some, such as those within arrays. */
const MISSED_IMPORT = /^[^"'`/]*\bimport\(\s*"(\.[^"]*\.ts)"/m;

/** Without types the compiler takes a computed method for a property as well, and declares both. */
const DOUBLED_DISPOSE = /^ +\[Symbol\.(?:asyncDispose|dispose)\]: \(\) => .*;\n/gm;

/** All files below `folder` whose name ends with `ending`, relative to `root`, sorted. */
export function filesBelow(root: string, folder: string, ending: string): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) found.push(...filesBelow(root, path, ending));
    else if (path.endsWith(ending)) found.push(path);
  }
  return found.sort();
}

/**
 * Compiles `files` (relative to `from`) into the same places below `to`, with source maps that name the source as the
 * file beside the output: as it is in the project. The text of the sources is not there, for it would double the size.
 * `prepare` may change a source before.
 */
export function compile(
  from: string,
  files: readonly string[],
  to: string,
  prepare: (file: string, text: string) => string = (_, text) => text,
): void {
  for (const file of files) {
    const { outputText, sourceMapText } = ts.transpileModule(
      prepare(file, readFileSync(join(from, file), "utf8")),
      {
        fileName: basename(file),
        compilerOptions: { ...OPTIONS, sourceMap: true, removeComments: true },
      },
    );
    const missed = MISSED_IMPORT.exec(outputText)?.[1];
    if (missed !== undefined) {
      throw new Error(`Compile "${file}": the compiler leaves import("${missed}") as it is`);
    }
    write(join(to, replaceEnding(file, ".js")), outputText);
    write(join(to, replaceEnding(file, ".js.map")), lineMap(sourceMapText!));
  }
}

/** Writes the declarations of `entries` and of everything that they refer to. */
export function declare(from: string, entries: readonly string[], to: string): void {
  const queue = [...entries];
  const done = new Set<string>();
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (done.has(file)) continue;
    done.add(file);
    const text = declarationsOf(file, readFileSync(join(from, file), "utf8")).replace(DOUBLED_DISPOSE, "");
    // Declarations keep `.ts` in what they import; the files beside them end otherwise.
    const rewritten = text.replace(RELATIVE_IMPORT, (_, before: string, path: string) => {
      queue.push(join(dirname(file), `${path}.ts`));
      return `${before}${path}.js"`;
    });
    write(join(to, replaceEnding(file, ".d.ts")), withLibraries(rewritten));
  }
}

/** Declares what `using` needs, for programs whose own configuration does not. */
function withLibraries(declarations: string): string {
  if (!/\bSymbol\.(?:asyncD|d)ispose\b/.test(declarations)) return declarations;
  return `/// <reference lib="esnext.disposable" />\n${declarations}`;
}

function declarationsOf(file: string, source: string): string {
  const { outputText, diagnostics = [] } = ts.transpileDeclaration(source, {
    fileName: basename(file),
    compilerOptions: OPTIONS,
    reportDiagnostics: true,
  });
  if (diagnostics.length === 0) return outputText;
  const texts = diagnostics.map(({ messageText, start = 0 }) => {
    const line = source.slice(0, start).split("\n").length;
    return `${file}:${line}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
  });
  throw new Error(`Write declarations: exports need explicit types\n${texts.join("\n")}`);
}

function replaceEnding(file: string, ending: string): string {
  return file.replace(/\.ts$/, ending);
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
