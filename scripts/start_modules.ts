/**
 * What a module loads before its first line runs: all that it and what it imports import, but for types and for what is
 * imported at run time.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import ts from "typescript";

/** Names of modules, sorted: those of the project by their path, all others as they are imported. */
export function modulesAtStart(root: string, entry: string): string[] {
  const { imports }: { imports: Record<string, string> } = JSON.parse(
    readFileSync(join(root, "deno.json"), "utf8"),
  );
  const found = new Set<string>();
  const visit = (name: string) => {
    if (found.has(name)) return;
    found.add(name);
    if (!name.endsWith(".ts")) return;
    for (const specifier of importsOf(readFileSync(join(root, name), "utf8"))) {
      if (specifier.startsWith("#")) visit(join(imports[specifier]));
      else visit(specifier.startsWith(".") ? join(dirname(name), specifier) : specifier);
    }
  };
  visit(entry);
  return [...found].sort();
}

function importsOf(text: string): string[] {
  const specifiers: string[] = [];
  for (const statement of ts.createSourceFile("a.ts", text, ts.ScriptTarget.ES2022).statements) {
    if (ts.isImportDeclaration(statement)) {
      if (!isOfTypes(statement.importClause)) specifiers.push(nameOf(statement.moduleSpecifier));
    } else if (ts.isExportDeclaration(statement) && statement.moduleSpecifier !== undefined) {
      if (!isOfTypes(statement)) specifiers.push(nameOf(statement.moduleSpecifier));
    }
  }
  return specifiers;
}

const nameOf = (specifier: ts.Expression): string => (specifier as ts.StringLiteral).text;

/** Whether nothing of it is left once types are gone. */
function isOfTypes(clause: ts.ImportClause | ts.ExportDeclaration | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.isTypeOnly) return true;
  if ("name" in clause && clause.name !== undefined) return false;
  const named = ts.isExportDeclaration(clause) ? clause.exportClause : clause.namedBindings;
  if (named === undefined || !("elements" in named)) return false;
  return named.elements.length > 0 && [...named.elements].every(({ isTypeOnly }) => isTypeOnly);
}
